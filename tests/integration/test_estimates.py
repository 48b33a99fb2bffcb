"""When queued jobs will start: what is told of it, and at what price."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from devices import board_commands, type_commands
from jobs import commands, estimates, hand_commands, queries, rows
from jobs.domain import estimating
from jobs.domain.scheduling import Waiting
from jobs.models import Job, Phase
from jobs.recorder import Recorder
from jobs.result_document import result_document
from jobs.terminal import Screen
from jobs.terminal_pages import job_page
from tests.support import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def erika() -> User:
    jobs.make_inventory("bench-01", "bench-02")
    return jobs.make_user()


def queue_of_usual_jobs(erika: User, now: datetime, *names: str) -> tuple[Job, list[int]]:
    """A job that has run for a minute on the only board, and those that wait for it; each takes 660 s."""
    board_commands.retire_board("bench-02", "sold", actor="lab")

    def begin() -> Recorder:
        number = jobs.submit(erika, jobs.definition("nightly"))
        commands.schedule()
        return Recorder(number, commands.start_job(number, "worker-1"))

    begin().finish(outcome="complete")
    begin().finish(outcome="complete")
    Job.objects.update(started_at=now - timedelta(hours=1), finished_at=now - timedelta(minutes=49))
    running = Job.objects.get(pk=begin().number)
    Job.objects.filter(pk=running.id).update(started_at=now - timedelta(seconds=60))
    return running, [jobs.submit(erika, jobs.definition(name)) for name in names]


def start_of(client: Client, job: int, now: datetime) -> int | None:
    """In how many seconds it starts, by its page and by the list, which must say the same."""
    whole = client.get(f"/api/v1/jobs/{job}/").json()["expected_start"]
    listed = client.get("/api/v1/jobs/?limit=500").json()["jobs"]
    assert {one["id"]: one["expected_start"] for one in listed}[job] == whole
    return whole and round((datetime.fromisoformat(whole) - now).total_seconds() / 10) * 10


def test_when_a_queued_job_starts_is_told_by_how_long_such_jobs_took(client: Client, erika: User) -> None:
    now = datetime.now(UTC)
    job, (first, second, third) = queue_of_usual_jobs(erika, now, "nightly", "other", "nightly")
    running = Job.objects.filter(pk=job.id)
    assert [start_of(client, job, now) for job in (first, second, third)] == [600, 1260, None]
    html = client.get("/types/bench/").content.decode()
    assert "by how long the jobs before it usually take" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "data-in" in client.get("/jobs/").content.decode()
    shown = client.get(f"/api/v1/jobs/{first}/").json()
    assert "starts     about 20" in job_page(shown, Screen(io.StringIO()))
    running.update(started_at=now - timedelta(hours=1))
    assert start_of(client, first, now) is None, "it takes longer than usual: nobody knows how long"
    running.update(started_at=now)
    assert start_of(client, first, now) == 660
    board_commands.take_board_offline("bench-01", "fan", actor="lab")
    assert start_of(client, first, now) is None, "nobody gets the board next"


def test_the_time_that_runs_were_held_is_not_what_such_jobs_usually_take(client: Client, erika: User) -> None:
    now = datetime.now(UTC)
    _, (waiting,) = queue_of_usual_jobs(erika, now, "nightly")
    ended = list(Job.objects.filter(outcome="complete"))
    for row, seconds in zip(ended, (120.0, 360.0), strict=True):
        Phase.objects.create(
            job=row, version=1, position=1, node=0, phase="hold", what="", start=0, end=seconds
        )
        Phase.objects.create(job=row, version=2, position=1, node=0, phase="test", what="", start=0, end=9)
    assert start_of(client, waiting, now) == 660 - 240 - 60


def test_a_hold_that_was_asked_for_counts_before_it_begins(client: Client, erika: User) -> None:
    now = datetime.now(UTC)
    running, (first, second) = queue_of_usual_jobs(erika, now, "nightly", "nightly")

    def told() -> list[int | None]:
        return [start_of(client, job, now) for job in (first, second)]

    def wish(job: int, *, if_failed: bool) -> None:
        hand_commands.hold_job(job, 300, if_failed=if_failed, user=erika, cause="test")

    assert told() == [600, 1260]
    wish(running.id, if_failed=False)
    assert told() == [900, 1560]
    wish(first, if_failed=False)
    assert told() == [900, 1860]
    wish(first, if_failed=True)
    assert told() == [900, None], "nobody knows whether the first one fails"
    wish(running.id, if_failed=True)
    assert told() == [None, None]
    Job.objects.filter(pk=running.id).update(failed=1)
    assert told() == [900, None], "it has failed already"
    Job.objects.filter(pk=running.id).update(started_at=now - timedelta(seconds=700))
    assert told() == [None, None], "its work takes longer than usual: nobody knows when the hold begins"


def test_the_list_and_the_page_say_the_same_however_many_wait_for_what(
    client: Client, erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "HISTORY", 6)
    monkeypatch.setattr(estimates, "MOST_NAMES", 1)
    monkeypatch.setattr(estimating, "MOST_AHEAD", 5)
    now = datetime.now(UTC)
    _, (first, second) = queue_of_usual_jobs(erika, now, "nightly", "nightly")
    type_commands.register_device_type("other", "board", "", jobs.BOARD_CONFIG, actor="lab")
    jobs.add_board("other-01", host_type="other")
    runs = [jobs.submit(erika, jobs.definition("weekly", host_type="other")) for _ in range(3)]
    for number in runs:
        commands.schedule()
        recorder = Recorder(number, commands.start_job(number, "worker-1"))
        if number != runs[-1]:
            recorder.finish(outcome="complete")
    Job.objects.filter(pk__in=runs[:2]).update(started_at=now, finished_at=now + timedelta(seconds=400))
    Job.objects.filter(pk=runs[2]).update(started_at=now - timedelta(seconds=100))
    weekly = jobs.submit(erika, jobs.definition("weekly", host_type="other"))
    many = [jobs.submit(erika, jobs.definition("nightly")) for _ in range(8)]
    urgent = jobs.submit(erika, jobs.definition("nightly", priority="high"))
    assert [start_of(client, job, now) for job in (urgent, first, second)] == [600, 1260, 1920]
    assert start_of(client, weekly, now) == 300
    assert start_of(client, many[-1], now) is None, "too far behind"


def test_a_list_reads_no_more_of_the_queue_than_it_tells_of(
    erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "MOST_AHEAD", 2)
    waiting = [jobs.submit(erika) for _ in range(4)]
    urgent = jobs.submit(erika, jobs.definition(priority="high"))
    asked: list[list[int]] = []
    real = estimates.expected_starts

    def watched(queue: list[Waiting], boards: Any, now: float) -> Any:
        asked.append([one.job for one in queue])
        assert all(one.vm_types == {"kvm"} for one in queue)
        return real(queue, boards, now)

    monkeypatch.setattr(estimates, "expected_starts", watched)
    listed = queries.job_list(erika)
    queries.with_estimates(listed)
    assert asked == [[waiting[0], urgent]]
    queries.with_estimates([{**one, "host_type": "other"} for one in listed])
    queries.with_estimates([{**one, "state": "finished"} for one in listed])
    assert asked[1:] == [[]]


def test_only_who_looks_for_it_says_when_a_job_starts(client: Client, erika: User) -> None:
    one, other = jobs.submit(erika), jobs.submit(erika)
    assert "expected_start" not in rows.summary(Job.objects.get(pk=one))
    assert "expected_start" not in result_document(one)["job"]
    compared = client.get(f"/api/v1/compare/{one}/{other}/")
    assert compared.status_code == 200
    assert "expected_start" not in compared.json()["a"]
    commands.request_cancel(one, "enough", user=erika, cause="test")
    listed = client.get("/api/v1/jobs/").json()["jobs"]
    assert [row["expected_start"] for row in listed] == [None, None]
    assert client.get(f"/api/v1/jobs/{one}/").json()["expected_start"] is None
