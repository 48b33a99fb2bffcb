"""Mails about jobs that have ended: plain text with what one wants to know before one looks at the page."""

from __future__ import annotations

import smtplib
from collections import Counter
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

SMTP = "django.core.mail.backends.smtp.EmailBackend"
SHOWN = 30
"""Failed tests that a mail names."""

JsonObject = dict[str, Any]


class NotSent(Exception):
    """It did not get through. `hopeless`: asking again will not help."""

    def __init__(self, words: str, *, hopeless: bool = False) -> None:
        super().__init__(words)
        self.hopeless = hopeless


def configured() -> bool:
    """Whether this lab sends mail."""
    return settings.EMAIL_BACKEND != SMTP or bool(settings.EMAIL_HOST)


def send(job: JsonObject, address: str, delivery: int) -> str:
    """Tell one address how a job (a snapshot) ended; returns what the mail server said to that, in words.

    Raises `NotSent`.
    """
    return send_text(subject(job), body(job), address, key=f"job-{job['id']}-{delivery}")


def send_text(subject: str, body: str, address: str, *, key: str) -> str:
    """Send a mail; returns what the mail server said to that, in words. Raises `NotSent`.

    `key` is the same at each attempt: a mailbox that got it twice can tell.
    """
    if not configured():
        raise NotSent("this lab sends no mail: EMAIL_HOST is not set", hopeless=True)
    sender = settings.DEFAULT_FROM_EMAIL
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    message = EmailMessage(
        subject,
        body,
        sender,
        [address],
        headers={"Auto-Submitted": "auto-generated", "Message-ID": f"<{key}@{domain}>"},
        connection=get_connection(timeout=settings.EMAIL_TIMEOUT),
    )
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as exc:
        answers = [f"{code} {_text(said)}" for code, said in exc.recipients.values()]
        final = all(500 <= code < 600 for code, _ in exc.recipients.values())
        raise NotSent(f"the mail server refuses the address: {'; '.join(answers)}", hopeless=final) from exc
    except smtplib.SMTPResponseException as exc:
        words = f"the mail server answered {exc.smtp_code} {_text(exc.smtp_error)}"
        raise NotSent(words) from exc
    except (smtplib.SMTPException, OSError) as exc:
        where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        raise NotSent(
            f"the mail server {where} could not be used: {_text(str(exc)) or type(exc).__name__}"
        ) from exc
    return f"taken by {settings.EMAIL_HOST}" if settings.EMAIL_HOST else "sent"


def subject(job: JsonObject) -> str:
    """Return for example ``[Labbook] job 57 complete, 1 of 12 failed: network basics``."""
    counts = job["counts"]
    total = sum(counts.values())
    tests = f", {counts['fail']} of {total} failed" if counts["fail"] else f", {counts['pass']} passed"
    return f"[Labbook] job {job['id']} {job['outcome']}{tests if total else ''}: {job['name']}"


def body(job: JsonObject) -> str:
    counts = job["counts"]
    names = {node["index"]: node["name"] for node in job["nodes"]}
    facts = [
        ("Outcome", str(job["outcome"])),
        ("Reason", _reason(job, names)),
        (
            "Tests",
            f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped,"
            f" {counts['unknown']} unknown",
        ),
        ("Board", f"{job['board']} ({job['host_type']})" if job["board"] else f"none ({job['host_type']})"),
        ("Submitter", job["submitter"]),
        ("Time", _times(job)),
        ("Page", url(job["id"])),
    ]
    lines = [f"Job {job['id']}, {job['name']}", ""]
    lines += [f"{what + ':':<11}{words}" for what, words in facts if words]
    lines += _suites(job, names)
    lines += ["", "You get this because the job's definition names your address.", ""]
    return "\n".join(lines)


def url(number: int) -> str:
    """Return the address of a job's page; only its path where the lab does not know its own address."""
    return f"{settings.LABBOOK_URL}/jobs/{number}/"


def _reason(job: JsonObject, names: dict[int, str]) -> str:
    if job["outcome"] == "canceled" and job["cancel"]:
        why = job["cancel"]["reason"]
        return f"canceled by {job['cancel']['by']}" + (f": {why}" if why else "")
    if not (failure := job["failure"]):
        return ""
    where = f" on {names.get(failure['node'], failure['node'])}" if failure["node"] is not None else ""
    action = f" in {failure['action']}" if failure["action"] else ""
    return f"{failure['kind']} error{where}{action}: {failure['message']}"


def _times(job: JsonObject) -> str:
    if not job["started_at"]:
        return "it never ran"
    begin, end = (datetime.fromisoformat(job[key]) for key in ("started_at", "finished_at"))
    return f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC, {(end - begin).total_seconds():.0f} s"


def _suites(job: JsonObject, names: dict[int, str]) -> list[str]:
    """Return a table of the suites, and the names of the tests that failed."""
    totals: dict[tuple[int, str], Counter[str]] = {}
    for row in job["results"]:
        totals.setdefault((row["node"], row["suite"]), Counter())[row["result"]] += 1
    if not totals:
        return []
    rows = [
        (names.get(node, str(node)), f"{found['pass']}/{found.total()}", suite)
        for (node, suite), found in sorted(totals.items())
    ]
    width = max(4, *(len(name) for name, _, _ in rows))
    lines = ["", f"{'NODE':{width}}  {'PASSED':>9}  SUITE"]
    lines += [f"{name:{width}}  {passed:>9}  {suite}" for name, passed, suite in rows]
    failed = [row for row in job["results"] if row["result"] == "fail"]
    if failed:
        lines += ["", "Failed:"]
        lines += [
            f"  {names.get(row['node'], row['node'])}  {row['suite']} / {row['case']}"
            + (f": {' '.join(row['message'].split())[:200]}" if row["message"] else "")
            for row in failed[:SHOWN]
        ]
        lines += [f"  and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
    return lines


def _text(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:300]
