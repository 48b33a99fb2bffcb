"""What a crash left behind is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from devices import board_commands
from devices import queries as boards
from jobs import commands, leases, reconciler, tasks
from jobs.models import Job, KeyboardInput, Lease
from jobs.reconciler import Reconciler, release_claims
from tests.support.jobs import make_inventory, make_user, started, submit

pytestmark = pytest.mark.django_db


def queued() -> list[str]:
    return [row.task["func"] for row in OrmQ.objects.order_by("id")]


def silent_for(seconds: int) -> None:
    Lease.objects.update(until=timezone.now() - timedelta(seconds=seconds))


def assigned_long_ago(number: int) -> None:
    Job.objects.filter(pk=number).update(assigned_at=timezone.now() - timedelta(minutes=5))


def test_a_job_whose_worker_is_silent_is_given_up() -> None:
    make_inventory("alpha")
    number, _ = started(make_user())
    assert Reconciler().give_up_lost_jobs() == []
    silent_for(1)
    OrmQ.objects.all().delete()
    assert Reconciler().give_up_lost_jobs() == [number]
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert row.failure["message"] == "worker worker-1 has been silent for more than 60 s"
    assert boards.board("alpha").state == "quarantined"
    assert queued() == ["jobs.tasks.recover_board", "jobs.tasks.schedule"]
    assert Reconciler().give_up_lost_jobs() == []


def test_a_renewed_lease_keeps_the_job() -> None:
    make_inventory()
    number, recorder = started(make_user())
    silent_for(1)
    assert leases.renew(number, recorder.fence)
    assert not leases.renew(number, recorder.fence + 1)
    assert Reconciler().give_up_lost_jobs() == []


def test_a_lease_of_a_job_that_ended_is_only_taken_away() -> None:
    make_inventory()
    number, recorder = started(make_user())
    recorder.finish(outcome="complete")
    leases.grant(number, recorder.fence, "worker-1")
    silent_for(1)
    assert Reconciler().give_up_lost_jobs() == []
    assert not Lease.objects.exists()
    assert Job.objects.get(pk=number).outcome == "complete"


def test_a_running_job_without_a_lease_is_given_up() -> None:
    make_inventory()
    number, _ = started(make_user())
    Lease.objects.all().delete()
    assert Reconciler().give_up_lost_jobs() == [number]


def test_an_assigned_job_that_no_task_stands_for_is_queued_once() -> None:
    make_inventory()
    number = submit(make_user())
    commands.schedule()
    assigned_long_ago(number)
    one = Reconciler()
    assert one.queue_forgotten_jobs() == []  # its task is still there
    OrmQ.objects.all().delete()
    assert one.queue_forgotten_jobs() == [number]
    assert queued() == ["jobs.tasks.run_job"]
    assert one.queue_forgotten_jobs() == []
    OrmQ.objects.all().delete()
    assert one.queue_forgotten_jobs() == []  # a worker may be about to start it


def test_a_job_that_was_assigned_just_now_is_left_alone() -> None:
    make_inventory()
    submit(make_user())
    commands.schedule()
    OrmQ.objects.all().delete()
    assert Reconciler().queue_forgotten_jobs() == []


def test_waiting_jobs_get_boards_even_if_their_task_is_lost() -> None:
    make_inventory()
    number = submit(make_user())
    OrmQ.objects.all().delete()
    Reconciler().look()
    assert Job.objects.get(pk=number).state == "assigned"


def test_what_was_typed_for_jobs_that_ended_is_taken_away() -> None:
    make_inventory()
    number, recorder = started(make_user())
    for job in (number, number + 1):
        KeyboardInput.objects.create(job=job, node=1, ticket=1, data=b"x")
    Reconciler().look()
    assert [one.job for one in KeyboardInput.objects.all()] == [number]
    recorder.finish(outcome="complete")
    Reconciler().look()
    assert not KeyboardInput.objects.exists()


def test_it_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[float] = []

    def fail(self: Reconciler) -> None:
        raise RuntimeError("a bug on purpose")

    def stopped(seconds: float) -> bool:
        rounds.append(seconds)
        return len(rounds) == 3

    monkeypatch.setattr(Reconciler, "look", fail)
    monkeypatch.setattr("jobs.reconciler.connection.close", lambda: None)
    reconciler.keep_looking(stopped)
    assert rounds == [reconciler.EVERY] * 3


def test_claims_of_a_dead_cluster_are_given_back_at_the_start() -> None:
    from django.db import connection

    make_inventory()
    OrmQ.objects.all().delete()
    submit(make_user())
    later = timezone.now() + timedelta(minutes=2)
    OrmQ.objects.update(lock=later)
    release_claims("default")
    given_back = OrmQ.objects.get().lock < later
    assert given_back is (connection.vendor == "sqlite")


def lost() -> int:
    number, recorder = started(make_user())
    commands.lose_job(number, recorder.fence, "silence")
    return number


def test_a_board_that_is_found_clean_is_used_again(recover: Callable[[int], str]) -> None:
    assert recover(lost()) == "board alpha is clean again"
    assert boards.board("alpha").free


@pytest.fixture
def recover(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str]:
    """Clean with the pretended execution."""
    from tests.support import fake_execution

    monkeypatch.setattr("jobs.runner.execution", lambda: fake_execution)
    make_inventory("alpha")
    return tasks.recover_board


def test_a_board_that_is_not_clean_stays_quarantined(recover: Callable[[int], str]) -> None:
    number = lost()
    board_commands.change_board("alpha", config={"ssh": {"host": "192.0.2.66", "user": "lab"}}, actor="lab")
    assert recover(number) == "board alpha stays quarantined: processes: a zombie"
    assert boards.board("alpha").state == "quarantined"


def test_a_board_that_was_taken_offline_by_somebody_is_not_touched(recover: Callable[[int], str]) -> None:
    number, recorder = started(make_user())
    board_commands.take_board_offline("alpha", "smells of smoke", actor="lab")
    commands.lose_job(number, recorder.fence, "silence")
    assert "does not wait" in recover(number)
    assert boards.board("alpha").state == "quarantined"


def test_a_board_that_somebody_put_to_use_meanwhile_is_not_touched(recover: Callable[[int], str]) -> None:
    number = lost()
    board_commands.bring_board_online("alpha", "looked at it", actor="lab")
    assert "does not wait" in recover(number)
    assert not commands.return_board(number, "")
    assert boards.board("alpha").free
