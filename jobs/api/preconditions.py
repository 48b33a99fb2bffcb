"""ETag and If-Match: who changes something says which version of it they saw (RFC 9110, 13.1.1)."""

from __future__ import annotations

import re

from rest_framework.request import Request

from jobs.api.errors import BadRequest, PreconditionFailed, PreconditionRequired
from jobs.api.operations import header

IF_MATCH = header(
    "If-Match",
    'The ETag of what you saw, such as `"12"`. Refused (412) if somebody edited it since; `*`: '
    "whatever it is now.",
    required=True,
)
ETAG = {"ETag": "Its version: what If-Match of a change is to say."}
_TAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')


def etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def seen_version(request: Request, present: int) -> int | None:
    """Return the version that a change is based on; None for ``*``.

    Raises `PreconditionRequired` without the header, `PreconditionFailed` for a version that is yet to come.
    """
    told: str = request.headers.get("If-Match", "").strip()
    if not told:
        raise PreconditionRequired(
            "Say which version your change is based on: send the ETag that came with it as If-Match, "
            "or If-Match: * to change it whatever it is now."
        )
    if told == "*":
        return None
    found = _TAG.fullmatch(told)
    if found is None:
        raise BadRequest(f'If-Match must be one ETag, such as "{present}", or *, not {told[:60]!r}.')
    if int(found[1]) > present:
        raise PreconditionFailed(f"There is no version {found[1]} yet: it is at version {present}.")
    return int(found[1])
