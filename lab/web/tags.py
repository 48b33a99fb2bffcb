"""Template tags and filters that every page may use (built in, see ``TEMPLATES``)."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lab.web.assets import vendor_url

register = template.Library()


@register.simple_tag
def vendor(package: str, file: str) -> str:
    """Return the URL of a vendored file."""
    return vendor_url(package, file)


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Draw an icon of the sprite. It is decoration: what it means must also stand there in words."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="{}#i-{}"/></svg>',
        classes,
        vendor_url("@tabler/icons", "icons.svg"),
        name,
    )


@register.simple_tag
def administrators() -> list[str]:
    """Return the login names of some who may grant everything."""
    found = get_user_model().objects.filter(is_superuser=True, is_active=True)
    return [str(one) for one in found.order_by("username").values_list("username", flat=True)[:5]]


def as_datetime(value: datetime | str | None) -> datetime | None:
    return parse_datetime(value) if isinstance(value, str) else value


@register.filter
def moment(value: datetime | str | None) -> SafeString | str:
    """Show a time as ``14:04:10`` if it was today (UTC), else with its date; the tooltip has it all."""
    when = as_datetime(value)
    if when is None:
        return ""
    today = when.date() == timezone.now().date()
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        when.isoformat(),
        when.strftime("%Y-%m-%d %H:%M:%S"),
        when.strftime("%H:%M:%S" if today else "%d %b %H:%M"),
    )


@register.filter
def epoch(seconds: float | None) -> datetime | None:
    """Return the time that is so many seconds since the epoch: for `moment`."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@register.filter
def who(actor: str) -> str:
    """Return who did something, for people: ``worker:b7`` is the worker b7."""
    return actor.partition(":")[2] or actor


@register.filter
def duration(seconds: float | None) -> str:
    """Return ``0:07``, ``12:22`` or ``5:00:00`` for a number of seconds."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
