"""Sending a job's results to a server that its definition names. What may be reached says `jobs.posting`."""

from __future__ import annotations

import msgspec

from jobs.mail import NotSent
from jobs.posting import post as send

SECONDS = 60.0
"""How long a server may take to answer."""
AGAIN = (408, 425, 429)
"""Answers below 500 that ask for another attempt."""


def post(url: str, document: object, *, key: str) -> str:
    """Send a document; returns the server's answer in words. `key` is the same at each attempt.

    Raises `NotSent`.
    """
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    answer = send(url, msgspec.json.encode(document), headers, seconds=SECONDS)
    if answer.ok:
        return answer.words
    if 300 <= answer.status < 400:
        words = f"the server answered {answer.status} {answer.reason}".rstrip()
        raise NotSent(f"{words}: results are not sent on to where it points", hopeless=True)
    raise NotSent(answer.words, hopeless=answer.status < 500 and answer.status not in AGAIN)
