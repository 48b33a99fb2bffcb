"""Template tags for jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.presentation import bar, tally, verdict
from lab.web.tags import as_datetime, duration, icon

register = template.Library()


@register.simple_tag
def pill(job: Mapping[str, Any]) -> SafeString:
    """Draw the status pill of a job."""
    shown = verdict(job)
    return format_html('<span class="pill p-{}">{}{}</span>', shown.tone, icon(shown.icon), shown.word)


@register.simple_tag
def result_bar(counts: Mapping[str, int]) -> SafeString:
    """Draw the result bar and the words beside it. An SVG, whose widths the CSP allows."""
    failed, rest = tally(counts)
    pieces = format_html_join(
        "", '<rect class="b-{}" x="{}" width="{}" height="6"/>', ((kind, x, w) for kind, x, w in bar(counts))
    )
    return format_html(
        '<span class="row-f nw rb">{}<span class="sm nw">{}{}</span></span>',
        format_html(
            '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
            '<rect class="b-none" width="100" height="6"/>{}</svg>',
            pieces,
        )
        if pieces
        else "",
        format_html('<b class="c-fail">{}</b>{}', failed, " · " if rest else "") if failed else "",
        rest if failed or pieces else format_html('<span class="t3">{}</span>', rest),
    )


@register.filter
def took(job: Mapping[str, Any]) -> str:
    """Return how long a finished job ran, or nothing."""
    started, finished = as_datetime(job["started_at"]), as_datetime(job["finished_at"])
    return duration((finished - started).total_seconds()) if started and finished else ""
