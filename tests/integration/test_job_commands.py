"""What can be done to a job, from its submission to its end, on the database."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django_q.models import OrmQ

from devices import board_commands
from devices import queries as boards
from jobs import commands, queries
from jobs.domain.definition.model import Invalid
from jobs.domain.events import Failure
from jobs.domain.job import Stale
from jobs.models import Job, Lease
from jobs.recorder import Recorder
from lab.kernel.errors import NotFound, NotPermitted
from tests.support.jobs import definition, make_inventory, make_user, result, started, submit

pytestmark = pytest.mark.django_db


def queued() -> list[tuple[str, tuple[object, ...]]]:
    return [(row.task["func"], row.task["args"]) for row in OrmQ.objects.order_by("id")]


def test_a_submitted_job_waits_in_the_queue_and_asks_for_the_scheduler() -> None:
    make_inventory()
    OrmQ.objects.all().delete()
    number = submit(make_user(), definition("first"))
    row = Job.objects.get(pk=number)
    assert (number, row.name, row.state, row.submitter) == (1, "first", "queued", "erika")
    assert queued() == [("jobs.tasks.schedule", ())]


def test_numbers_rise_by_one() -> None:
    make_inventory()
    erika = make_user()
    assert [submit(erika) for _ in range(3)] == [1, 2, 3]


def test_a_definition_with_problems_is_refused_with_all_of_them() -> None:
    make_inventory()
    with pytest.raises(Invalid) as caught:
        submit(make_user(), '{"job_name": "x"}')
    assert len(caught.value.problems) >= 3
    assert not Job.objects.exists()


def test_visitors_may_not_submit() -> None:
    make_inventory()
    with pytest.raises(NotPermitted, match="logged in"):
        commands.submit_job(definition(), user=AnonymousUser(), cause="test")


def test_closed_accounts_may_not_submit() -> None:
    make_inventory()
    with pytest.raises(NotPermitted, match="not active"):
        submit(make_user("gone", is_active=False))


def test_scheduling_reserves_the_board_and_queues_the_run_in_one_step() -> None:
    make_inventory("alpha")
    number = submit(make_user())
    OrmQ.objects.all().delete()
    [assignment] = commands.schedule()
    assert (assignment.job, assignment.board) == (number, "alpha")
    assert Job.objects.get(pk=number).state == "assigned"
    assert boards.board("alpha").held_by_job == number
    assert queued() == [("jobs.tasks.run_job", (number,))]


def test_a_second_job_waits_and_is_told_for_whom() -> None:
    make_inventory("alpha")
    erika = make_user()
    first, second = submit(erika), submit(erika)
    assert len(commands.schedule()) == 1
    assert commands.schedule() == []
    snapshot = queries.job_snapshot(erika, second)
    assert snapshot["waiting"] == [{"board": "alpha", "reason": f"is reserved for job {first}"}]


def test_the_run_is_queued_where_the_board_can_be_reached() -> None:
    make_inventory("alpha", site="attic")
    submit(make_user())
    OrmQ.objects.all().delete()
    commands.schedule()
    assert [row.key for row in OrmQ.objects.all()] == ["attic"]


def test_only_one_of_two_deliveries_starts_the_job() -> None:
    make_inventory()
    number = submit(make_user())
    commands.schedule()
    fence = commands.start_job(number, "one")
    with pytest.raises(Stale):
        commands.start_job(number, "two")
    lease = Lease.objects.get(job=number)
    assert (lease.fence, lease.worker) == (fence, "one")
    assert Job.objects.get(pk=number).worker == "one"


def test_a_complete_job_gives_its_board_back_and_asks_for_the_scheduler() -> None:
    make_inventory("alpha")
    number, recorder = started(make_user())
    OrmQ.objects.all().delete()
    recorder.record([result("boot"), result("ping", "fail")])
    recorder.finish(outcome="complete")
    row = Job.objects.get(pk=number)
    assert (row.state, row.outcome, row.passed, row.failed) == ("finished", "complete", 1, 1)
    assert boards.board("alpha").free
    assert queued() == [("jobs.tasks.schedule", ())]
    assert not Lease.objects.exists()


def test_a_board_that_is_not_clean_is_quarantined_with_the_reason() -> None:
    make_inventory("alpha")
    _, recorder = started(make_user())
    failure = Failure(kind="infrastructure", message="the host is gone")
    recorder.finish(outcome="incomplete", failure=failure, dirt="the host does not answer")
    board = boards.board("alpha")
    assert board.state == "quarantined"
    assert "the host does not answer" in board.reason


def test_nothing_is_recorded_after_the_end() -> None:
    make_inventory()
    number, recorder = started(make_user())
    fence = recorder.fence
    recorder.finish(outcome="complete")
    with pytest.raises(Stale, match="has ended"):
        recorder.record([result("late")])
    with pytest.raises(Stale):
        Recorder(number, fence).finish(outcome="complete")


def test_a_wrong_fence_is_refused() -> None:
    make_inventory()
    number, recorder = started(make_user())
    with pytest.raises(Stale, match="another worker"):
        Recorder(number, recorder.fence + 1).record([result("x")])


def test_a_recorder_goes_on_after_a_request_to_cancel() -> None:
    make_inventory()
    erika = make_user()
    number, recorder = started(erika)
    commands.request_cancel(number, "enough", user=erika, cause="test")
    recorder.record([result("still")])
    assert recorder.job.cancel_reason == "enough"
    recorder.finish(outcome="canceled")
    row = Job.objects.get(pk=number)
    assert (row.outcome, row.passed) == ("canceled", 1)
    assert row.cancel is not None
    assert row.cancel["by"] == "erika"


def test_canceling_a_queued_job_ends_it_at_once() -> None:
    make_inventory()
    erika = make_user()
    number = submit(erika)
    commands.request_cancel(number, "typo", user=erika, cause="test")
    row = Job.objects.get(pk=number)
    assert (row.state, row.outcome) == ("finished", "canceled")
    assert commands.schedule() == []


def test_canceling_an_assigned_job_frees_its_board() -> None:
    make_inventory("alpha")
    erika = make_user()
    number = submit(erika)
    commands.schedule()
    commands.request_cancel(number, user=erika, cause="test")
    assert Job.objects.get(pk=number).state == "finished"
    assert boards.board("alpha").free
    with pytest.raises(Stale):
        commands.start_job(number, "late")


def test_canceling_twice_or_too_late_changes_nothing() -> None:
    make_inventory()
    erika = make_user()
    number, recorder = started(erika)
    for _ in range(2):
        commands.request_cancel(number, "enough", user=erika, cause="test")
    assert [row["type"] for row in queries.job_events(number)].count("job.cancel_requested") == 1
    recorder.finish(outcome="complete")
    commands.request_cancel(number, "too late", user=erika, cause="test")
    row = Job.objects.get(pk=number)
    assert row.cancel is not None
    assert (row.outcome, row.cancel["reason"]) == ("complete", "enough")


def test_only_the_submitter_or_who_is_permitted_may_cancel() -> None:
    make_inventory()
    number = submit(make_user())
    other = make_user("otto")
    for user in (other, AnonymousUser()):
        with pytest.raises(NotPermitted, match="may not cancel"):
            commands.request_cancel(number, user=user, cause="test")
    other.user_permissions.add(Permission.objects.get(codename="cancel_any_job"))
    commands.request_cancel(number, user=type(other).objects.get(pk=other.pk), cause="test")
    assert Job.objects.get(pk=number).outcome == "canceled"


def test_a_job_that_one_may_not_see_does_not_exist() -> None:
    make_inventory()
    number = submit(make_user(), definition(visibility="private"))
    for user in (make_user("otto"), AnonymousUser()):
        with pytest.raises(NotFound, match=f"no job {number}"):
            commands.request_cancel(number, user=user, cause="test")


def test_a_lost_job_is_incomplete_and_its_board_quarantined() -> None:
    make_inventory("alpha")
    number, recorder = started(make_user())
    assert commands.lose_job(number, recorder.fence, "the worker is silent")
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert (row.outcome, row.failure["kind"]) == ("incomplete", "infrastructure")
    assert boards.board("alpha").state == "quarantined"
    assert not Lease.objects.exists()
    with pytest.raises(Stale):
        recorder.record([result("back again")])
    assert not commands.lose_job(number, recorder.fence, "again")


def test_resubmission_offers_the_very_text_and_links_both_ways() -> None:
    make_inventory()
    erika = make_user()
    text = definition("once") + "\n  \n"
    first = submit(erika, text)
    second = commands.resubmit_job(first, user=erika, cause="test")
    assert queries.definition_text(second) == text
    assert queries.job_snapshot(erika, second)["resubmitted_from"] == first
    assert queries.job_snapshot(erika, first)["resubmitted_as"] == [second]


def test_a_board_taken_offline_meanwhile_stays_out_of_use_when_the_job_ends() -> None:
    make_inventory("alpha")
    _, recorder = started(make_user())
    board_commands.take_board_offline("alpha", "smells of smoke", actor="lab")
    recorder.finish(outcome="complete")
    assert boards.board("alpha").state == "offline"
