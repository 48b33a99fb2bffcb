"""A day of boards at a glance: what is read for it in few steps is what a look at every job tells."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import call_command
from django.db.models import Q

from devices.models import FOREVER, Span
from jobs import board_pages, commands, queries
from jobs.board_pages import DAY, Strip
from jobs.dashboard import dashboard
from jobs.domain.events import Failure, Outcome
from jobs.domain.strips import strip
from jobs.models import Job, JobGroup, Tally
from jobs.recorder import Recorder
from tests.support import jobs

pytestmark = pytest.mark.django_db

NOW = 1_790_000_000.0
START = NOW - DAY
BROKEN = Failure(kind="infrastructure", message="no prompt")
BOARDS = ("bench-01", "bench-02", "bench-03")


def fill(seed: int) -> None:
    """Two days of boards, straight in the read tables; the migration adds what later versions keep."""
    rolled = random.Random(seed)
    number = 0
    for board in BOARDS:
        at = START - DAY
        while at < NOW - 300:
            number += 1
            since = at + rolled.choice([0, 30, 400, 3000])
            until = since + rolled.choice([20, 200, 900, 5000])
            lasts = until >= NOW - 300
            taken = rolled.random() < 0.02  # by force, from a job that goes on
            visibility, public = rolled.choice([("public", 1), ("public", 1), ("private", 0), ("testers", 0)])
            Job.objects.create(
                id=number,
                name="nightly",
                state="running" if lasts or taken else "finished",
                open=int(lasts or taken),
                outcome=""
                if lasts or taken
                else rolled.choice(["complete", "complete", "incomplete", "canceled"]),
                submitter=rolled.choice(["erika", "otto"]),
                visibility=visibility,
                public=public,
                host_type="bench",
                board=board,
                priority=50,
                timeout=60,
                passed=rolled.randrange(5),
                failed=rolled.choice([0, 0, 2]),
                submitted_at=datetime.fromtimestamp(since, UTC),
                finished_at=None if lasts or taken else datetime.fromtimestamp(until - 1, UTC),
                position=0,
            )
            if visibility == "testers":
                JobGroup.objects.create(job_id=number, group="testers")
            Span.objects.create(
                board=board, kind="job", job=number, since=since, until=FOREVER if lasts else until
            )
            if rolled.random() < 0.1:
                kind = rolled.choice(["offline", "quarantined", "unhealthy", "errand"])
                Span.objects.create(board=board, kind=kind, since=until, until=until + 100)
            at = until
    import_module("jobs.migrations.0011_day_views").take_in(apps, None)


def plain(user: queries.User, boards: Collection[str]) -> dict[str, Strip]:
    """The same by a look at each job by itself."""
    found = {}
    for name in boards:
        drawn: dict[str, list[tuple[float, float]]] = {}
        seconds, count, failed, words = 0.0, 0, 0, set()
        for one in Span.objects.filter(board=name, until__gt=START, since__lt=NOW).order_by("since"):
            kind = {"errand": "hand", "offline": "offline"}.get(one.kind, "kept")
            if one.kind == "job":
                seen = queries.seen(user, Q(pk=one.job)).get(one.job or 0)
                wrong = seen is not None and (seen.outcome == "incomplete" or seen.failed > 0)
                kind = "run" if one.until >= FOREVER else "fail" if wrong else "used"
                seconds += min(one.until, NOW) - max(one.since, START)
                count, failed = count + 1, failed + (kind == "fail")
            else:
                words.add(one.kind)
            drawn.setdefault(kind, []).append((one.since, one.until))
        label = f"{name}: {round(100 * seconds / DAY)} % used by {count} jobs"
        label += f", {failed} failed" if failed else ""
        if out := sorted(words - {"errand"}):
            label += f"; {' and '.join(out)} for a time"
        label += "; tested or switched by hand" if "errand" in words else ""
        found[name] = Strip(
            paths=tuple(strip(drawn, START, NOW)),
            share=seconds / DAY,
            count=count,
            failed=failed,
            label=label,
        )
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_strip_shows_of_each_job_what_its_reader_may_know(
    seed: int, django_assert_max_num_queries: Any
) -> None:
    jobs.make_inventory(*BOARDS)
    fill(seed)
    testers = Group.objects.create(name="testers")
    erika, tester = jobs.make_user("erika"), jobs.make_user("tina")
    tester.groups.add(testers)
    told = set()
    for user in (AnonymousUser(), erika, tester, jobs.make_user("boss", is_staff=True)):
        shown = board_pages.strips(user, BOARDS, START, NOW)
        wanted = plain(user, BOARDS)
        for name, one in wanted.items():
            assert shown[name].share == pytest.approx(one.share)
            assert replace(shown[name], share=one.share) == one
        told.add(sum(one.failed for one in shown.values()))
        with django_assert_max_num_queries(12):
            board_pages.strips(user, BOARDS, START, NOW)
    assert len(told) > 2, "not everybody is told the same"


def test_results_of_a_day_are_those_of_public_jobs_that_run_or_ended_in_it() -> None:
    jobs.make_inventory(*BOARDS)
    fill(5)
    since = datetime.fromtimestamp(START // 60 * 60, UTC)
    of_day = Job.objects.filter(Q(open=1) | Q(finished_at__gte=since), public=1)
    passed, failed = (sum(of_day.values_list(one, flat=True)) for one in ("passed", "failed"))
    assert failed
    assert dashboard(AnonymousUser(), NOW).totals.passed == 100 * passed / (passed + failed)


def test_what_is_kept_of_ended_jobs_is_the_same_by_events_by_a_rebuild_and_by_the_migration() -> None:
    jobs.make_inventory(*BOARDS)
    erika = jobs.make_user()
    endings: list[tuple[str, Outcome]] = [
        ("pass", "complete"),
        ("fail", "complete"),
        ("pass", "incomplete"),
    ]
    for visibility in ("public", "private"):
        for verdict, outcome in endings:
            number = jobs.submit(erika, jobs.definition(visibility=visibility))
            commands.schedule()
            recorder = Recorder(number, commands.start_job(number, "worker-1"))
            recorder.record([jobs.result("up", verdict)])
            failure = BROKEN if outcome == "incomplete" else None
            recorder.finish(
                outcome=outcome, failure=failure, at=time.time() if outcome == "complete" else 600.0
            )

    def kept() -> tuple[list[Any], list[Any]]:
        rows = Job.objects.order_by("id").values_list("id", "went_wrong")
        return list(rows), list(Tally.objects.order_by("minute").values_list("minute", "passed", "failed"))

    by_events = kept()
    assert [wrong for _, wrong in by_events[0]] == 2 * [0, 1, 1]
    assert by_events[1][0] == (10, 1, 0)
    assert sum(passed + failed for _, passed, failed in by_events[1]) == 3
    call_command("rebuild_projections", verbosity=0)
    assert kept() == by_events
    Tally.objects.all().delete()
    Job.objects.update(went_wrong=0)
    import_module("jobs.migrations.0011_day_views").take_in(apps, None)
    assert kept() == by_events
