"""Template tags for jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from devices.images import queries as library
from devices.images.models import Image
from jobs import queries
from jobs.doing import Now
from jobs.domain.comparing import Pair
from jobs.presentation import bar, tally, verdict
from lab.web.tags import as_datetime, duration, icon

register = template.Library()

STATES_OF_DOTS = {"off": "not started", "run": "runs", "wait": "waits", "pass": "closed", "fail": "lost"}
MOST_DOTS = 12


@register.simple_tag
def pill(job: Mapping[str, Any]) -> SafeString:
    """Draw the status pill of a job."""
    shown = verdict(job)
    return format_html('<span class="pill p-{}">{}{}</span>', shown.tone, icon(shown.icon), shown.word)


@register.simple_tag
def state_icon(job: Mapping[str, Any]) -> SafeString:
    """Draw only the icon of a job's status; the word is there for screen readers and on hover."""
    shown = verdict(job)
    return format_html(
        '<span class="c-{}" title="{}">{}<span class="visually-hidden">{}</span></span>',
        shown.tone,
        shown.word,
        icon(shown.icon),
        shown.word,
    )


@register.simple_tag
def outcome_words(job: Mapping[str, Any]) -> str:
    """Return what came of a job in few words: failures first."""
    shown = verdict(job)
    if job["state"] != "finished" or job["outcome"] != "complete":
        return shown.word.lower()
    failed, rest = tally(job["counts"])
    return failed or ("" if rest == "none yet" else rest)


@register.simple_tag
def node_dots(now: Now) -> SafeString:
    """Draw the nodes of a job as dots."""
    words = ", ".join(f"{name} {STATES_OF_DOTS[state]}" for name, state in now.dots)
    dots = format_html_join(
        "", '<span class="dot {}"></span>', ((state,) for _, state in now.dots[:MOST_DOTS])
    )
    more = len(now.dots) - MOST_DOTS
    return format_html(
        '<span class="row-f nowrap gap-s" role="img" aria-label="{}" title="{}">{}{}</span>',
        words,
        words,
        dots,
        format_html('<span class="t3 sm">+{}</span>', more) if more > 0 else "",
    )


@register.simple_tag
def thin_bar(percent: float) -> SafeString:
    """Draw how much of a time is over. An SVG, whose widths the CSP allows."""
    return format_html(
        '<svg class="thin" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="none" width="100" height="3"/><rect class="done" width="{}" height="3"/></svg>',
        percent,
    )


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


VERDICTS = {
    "pass": ("check", "pass", "passed"),
    "fail": ("x", "fail", "failed"),
    "skip": ("minus", "idle", "skipped"),
}


@register.simple_tag
def verdict_of(result: Mapping[str, Any] | None, only: str = "") -> SafeString:
    """Draw what became of a test case: icon, and the measurement, message or word; with `only` the word."""
    if result is None:
        return format_html('<span class="t3">{}</span>', "not reported")
    shown, tone, word = VERDICTS.get(result["result"], ("circle-dashed", "idle", "unknown"))
    measured = f"{result['measurement']} {result['units']}".strip() if result["measurement"] else ""
    return format_html(
        '<span class="c-{}" title="{}">{}</span> {}',
        tone,
        word,
        icon(shown, "i-s"),
        word if only else measured or result["message"] or word,
    )


@register.simple_tag
def trend_of(job: Mapping[str, Any], pair: Pair) -> str:
    """Return the address of the trend of a test case."""
    wanted = {"name": job["name"], "node": pair.node, "suite": pair.suite, "set": pair.set, "case": pair.case}
    return reverse("jobs:trend") + "?" + urlencode(wanted)


@register.simple_tag
def moment_of(job: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the address of the replay just before a result."""
    started = as_datetime(job["started_at"])
    since = max(0.0, result["at"] - started.timestamp() - 5) if started else 0.0
    return reverse("jobs:replay", args=[job["id"]]) + f"?t={since:.1f}"


@register.simple_tag
def two_bars(a: float, b: float, longest: float, hot: bool) -> SafeString:
    """Draw how long something took in two runs. An SVG, whose widths the CSP allows."""
    return format_html(
        '<svg class="two-bars" viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="a" width="{}" height="7"/><rect class="{}" y="9" width="{}" height="7"/></svg>',
        round(100 * a / longest, 2),
        "hot" if hot else "b",
        round(100 * b / longest, 2),
    )


@register.filter
def percent(value: float) -> str:
    """Return ``+1.0 %`` or ``−3.5 %``."""
    return f"{value:+.1f} %".replace("-", "\N{MINUS SIGN}")


@register.simple_tag(takes_context=True)
def jobs_using(context: Any, image: Image) -> list[dict[str, Any]]:
    """Return the newest jobs that used any version of an image of the library, as the user may see them."""
    digests = {one.sha256 for one in library.versions(image.pk)}
    return queries.jobs_using(context["request"].user, digests)
