"""Tables for the admin: what is configured and by whom, and what can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from devices.config_reference import keys
from devices.domain.layers import Setting


def settings_table(settings: Sequence[Setting], own: str) -> SafeString:
    """Return a table of settings; those of the layer `own` stand out, those that nobody set stand back."""
    rows = format_html_join(
        "",
        '<tr class="{}"><th scope="row"><code>{}</code></th><td><pre>{}</pre></td><td>{}</td></tr>',
        (
            (
                "lb-default" if one.is_default else "lb-own" if one.source == own else "",
                one.path,
                one.text or "–",
                one.origin,
            )
            for one in settings
        ),
    )
    head = "<thead><tr><th>Key</th><th>Value</th><th>From</th></tr></thead>"
    return format_html('<table class="lb-settings">{}<tbody>{}</tbody></table>', mark_safe(head), rows)


def key_table(cls: type[Any]) -> SafeString:
    """Return all keys that a configuration may have, folded up."""
    rows = format_html_join(
        "",
        '<tr><th scope="row"><code>{}</code></th><td>{}</td><td>{}</td></tr>',
        ((one.path, one.default, one.about) for one in keys(cls)),  # type: ignore[arg-type]  # a class is hashable
    )
    head = "<thead><tr><th>Key</th><th>Default</th><th>Means</th></tr></thead>"
    return format_html(
        '<details class="lb-keys"><summary>All keys</summary><table class="lb-settings">{}<tbody>{}</tbody>'
        "</table></details>",
        mark_safe(head),
        rows,
    )
