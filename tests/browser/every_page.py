"""Every page there is, with something on it: what `test_every_page` looks at."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import URLResolver, get_resolver

from devices import board_commands
from devices.models import Span
from jobs import commands
from jobs.domain.events import Failure
from jobs.hooks import commands as webhooks
from jobs.models import Job
from jobs.recorder import Recorder
from lab.tokens.models import make_token
from tests.browser import story
from tests.support import jobs

PAGES: dict[str, tuple[str, ...]] = {
    "home": ("/",),
    "login": ("/login/",),
    "profile": ("/profile/",),
    "jobs:list": ("/jobs/", "/jobs/?q=nothing+has+this"),
    "jobs:job": ("/jobs/1/", "/jobs/2/", "/jobs/3/"),
    "jobs:definition": ("/jobs/1/definition",),
    "jobs:replay": ("/jobs/2/replay/",),
    "jobs:resubmit": ("/jobs/1/resubmit",),
    "jobs:submit": ("/submit/",),
    "jobs:compare": ("/compare/1/2/",),
    "jobs:trend": (f"/trends/?name={story.NAME.replace(' ', '+')}&node=host&suite=lava&case=sftp",),
    "devices:boards": ("/boards/", "/boards/?q=nothing"),
    "devices:board": ("/boards/bench-01/", "/boards/bench-03/", "/boards/bench-04/?span=7d"),
    "devices:console": ("/boards/bench-01/console/", "/boards/bench-03/console/"),
    "devices:types": ("/types/",),
    "devices:type": ("/types/bench/", "/types/kvm/"),
    "hooks:hooks": ("/profile/webhooks/",),
    "hooks:hook": ("/profile/webhooks/1/",),
    "hooks:message": ("/profile/webhooks/1/messages/msg_1_test1/",),
    "api:docs": ("/api/v1/docs/",),
    "nothing": ("/jobs/99/", "/nowhere/"),
}
"""By the name of the address: what is opened. A new page is to be added here, or below with a reason."""

NO_PAGES: dict[str, str] = {
    "jobs:save-view": "is posted to",
    "jobs:cancel": "is posted to",
    "jobs:hold": "is posted to",
    "jobs:release": "is posted to",
    "jobs:raw-console": "a download",
    "jobs:cast": "a download",
    "devices:console-record": "a download",
    "jobs:compare-with": "leads to another page",
    "jobs:compare-two": "leads to another page",
    "devices:do": "is posted to",
    "hooks:again": "is posted to",
    "hooks:remove": "is posted to",
    "hooks:secret": "is posted to",
    "hooks:switch": "is posted to",
    "hooks:test": "is posted to",
    "revoke-token": "is posted to",
    "logout": "is posted to",
}
ADMIN: dict[str, tuple[str, ...]] = {
    "admin:index": ("/admin/",),
    "admin:devices_board_changelist": ("/admin/devices/board/",),
    "admin:devices_board_add": ("/admin/devices/board/add/?clone=bench-03",),
    "admin:devices_board_change": ("/admin/devices/board/bench-03/change/",),
    "admin:devices_board_history": ("/admin/devices/board/bench-03/history/",),
    "admin:devices_board_errands": ("/admin/devices/board/bench-03/errands/",),
    "admin:devices_board_do": ("/admin/devices/board/bench-03/do/online/",),
    "admin:devices_board_access": ("/admin/devices/board/bench-03/access/",),
    "admin:devices_board_import": ("/admin/devices/board/import/",),
    "admin:devices_devicetype_changelist": ("/admin/devices/devicetype/",),
    "admin:devices_devicetype_add": ("/admin/devices/devicetype/add/",),
    "admin:devices_devicetype_change": ("/admin/devices/devicetype/bench/change/",),
    "admin:images_image_changelist": ("/admin/images/image/",),
    "admin:auth_user_changelist": ("/admin/auth/user/",),
    "admin:auth_user_change": ("/admin/auth/user/1/change/",),
    "admin:auth_user_delete": ("/admin/auth/user/1/delete/",),
    "admin:hooks_hook_changelist": ("/admin/hooks/hook/",),
    "admin:eventstore_eventrow_changelist": ("/admin/eventstore/eventrow/",),
    "admin:eventstore_eventrow_change": ("/admin/eventstore/eventrow/1/change/",),
    "admin:django_q_failure_changelist": ("/admin/django_q/failure/",),
}
"""Pages of the admin: all that are ours or show ours, and one of each kind of Django's own."""

SKIPPED = ("admin:", "api:")
"""Namespaces that are not made of these pages; what of them is a page is in `PAGES` by itself."""


def names() -> Iterator[str]:
    """The names of all addresses of the site."""

    def below(resolver: URLResolver, prefix: str) -> Iterator[str]:
        for one in resolver.url_patterns:
            if isinstance(one, URLResolver):
                yield from below(one, prefix + (f"{one.namespace}:" if one.namespace else ""))
            elif one.name:
                yield f"{prefix}{one.name}"

    return below(get_resolver(), "")


def populate(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill a lab of two free boards: with jobs that run, wait and have ended, and boards in all states."""
    for name in ("bench-03", "bench-04", "bench-05"):
        jobs.add_board(name, tags=["fast", "big-little"])
    told = story.begin(user, monkeypatch)
    story.tell_until_stall(told)
    ended = story.begin(user, monkeypatch, ago=900)
    story.tell_until_stall(ended)
    story.lose_client_2(ended)
    board_commands.take_board_offline("bench-03", "PSU fault, replacement on order", actor="lab")
    board_commands.set_board_health("bench-04", "bad", "no prompt within 300 s", actor="lab")
    held = jobs.submit(user, jobs.definition("leaves disks behind", board="bench-05", tags=["fast"]))
    assert held in [one.job for one in commands.schedule()]
    worker = Recorder(held, commands.start_job(held, "worker-1"))
    worker.finish(
        outcome="incomplete",
        failure=Failure(kind="infrastructure", message="Two disks are left."),
        dirt="2 overlay disks are left",
    )
    for number in range(3):
        jobs.submit(user, jobs.definition(f"waits for a board, number {number}", tags=["big-little"]))
    make_token(user, "laptop")
    webhooks.make_hook(user, name="dashboard of the team", url="https://ci.example.org/labbook")
    webhooks.send_test(user, 1)
    spend_a_day()


def spend_a_day() -> None:
    """Rows of a day of jobs on each board, straight into the tables: strips and results show them."""
    chance, now = random.Random(7), time.time()
    rows, spans, number = [], [], 1000
    for board in ("bench-01", "bench-02", "bench-03", "bench-04", "bench-05"):
        at = now - 86_400
        while (at := at + chance.randint(300, 5000)) < now - 6000:
            number, end, failed = number + 1, at + chance.randint(400, 4000), chance.random() < 0.15
            begun, ended = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(end, UTC)
            rows.append(
                Job(
                    id=number, name="kvm unit tests", state="finished", open=0, outcome="complete",
                    submitter="ci", visibility="public", public=1, host_type="bench", board=board,
                    priority=50, timeout=7200, submitted_at=begun, started_at=begun, finished_at=ended,
                    passed=38, failed=2 * int(failed), position=1,
                )
            )  # fmt: skip
            spans.append(Span(board=board, kind="job", job=number, since=at, until=end))
            at = end
    Job.objects.bulk_create(rows)
    Span.objects.bulk_create(spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    theme: str
    width: int
    height: int


VIEWS = tuple(
    View(theme=theme, width=width, height=height)
    for width, height in ((1440, 1000), (390, 844))
    for theme in ("light", "dark")
)


def shots() -> Path | None:
    """The folder into which pictures of all pages go, if the environment names one in LABBOOK_SHOTS."""
    return Path(os.environ["LABBOOK_SHOTS"]) if "LABBOOK_SHOTS" in os.environ else None
