"""Mails and results on their way out: planned with the end of a job, sent by tasks, tried again, recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings

from jobs import commands, mail, queries, tasks
from jobs.domain.definition.validate import validate
from jobs.domain.events import AttachmentKept, Failure, SuiteStarted
from jobs.lab_view import lab_view
from jobs.models import Delivery
from jobs.reconciler import Reconciler
from jobs.recorder import Recorder
from lab.actors import LAB
from tests.support.jobs import definition, make_inventory, make_user, result, started, submit
from tests.support.mailbox import Inbox, Mailbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    make_inventory()
    return make_user()


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    with Mailbox() as one:
        settings.EMAIL_BACKEND = mail.SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", one.port
        settings.DEFAULT_FROM_EMAIL = "lab@lab.example.org"
        settings.LABBOOK_URL = "https://lab.example.org"
        settings.LABBOOK = {**settings.LABBOOK, "DELIVERY_DELAYS": [0.0, 0.0], "ALLOW_LOCAL_HTTP": True}
        yield one


def wishes(**extra: Any) -> str:
    """A definition with `extra` keys; ``server`` becomes an action."""
    text = json.loads(definition())
    if server := extra.pop("server", ""):
        parameters = {"server": server, "stream": "/anonymous/nightly/"}
        text["actions"].append({"command": "submit_results", "parameters": parameters})
    text["actions"][1]["metadata"] = {"commit": "abc", "runs": 3}
    return json.dumps({**text, **extra})


def ended(user: User, text: str, outcome: str = "complete", *, facts: bool = True) -> int:
    number = submit(user, text)
    commands.schedule()
    recorder = Recorder(number, commands.start_job(number, "worker-1"))
    if facts:
        recorder.record(
            [
                SuiteStarted(node=1, suite="smoke", uuid="u1", definition={"version": "2"}, at=1.0),
                result("ping", node=1),
                result("rate", "fail", node=1, measurement="1.50", units="MB/s", message="too slow"),
                AttachmentKept(
                    node=1,
                    suite="smoke",
                    case="rate",
                    name="log",
                    mime="text/plain",
                    sha256="0" * 64,
                    size=3,
                    at=2.0,
                ),
            ]
        )
    failure = Failure(kind="test", message="the guest fell over", node=1, action="lava_test_shell")
    recorder.finish(outcome=outcome, failure=failure if outcome == "incomplete" else None)  # type: ignore[arg-type]
    return number


def rows(number: int) -> list[tuple[str, str, int]]:
    return [
        (one.target, one.state, one.attempts)
        for one in Delivery.objects.filter(job=number).order_by("number")
    ]


def run_queued() -> list[str]:
    """Do the queued deliveries, as workers would."""
    done = []
    for row in OrmQ.objects.all():
        if row.task["func"] == "jobs.tasks.deliver":
            done.append(tasks.deliver(*row.task["args"]))
            row.delete()
    return done


def test_a_mail_tells_how_it_ended(user: User, mailbox: Mailbox) -> None:
    number = ended(
        user, wishes(notify=["a@example.org"], notify_on_incomplete=["b@example.org"]), "incomplete"
    )
    assert rows(number) == [("a@example.org", "planned", 0), ("b@example.org", "planned", 0)]

    run_queued()

    assert [to for to, _ in mailbox.mails] == ["a@example.org", "b@example.org"]
    told = mailbox.mails[0][1]
    assert told["Subject"] == f"[Labbook] job {number} incomplete, 1 of 2 failed: a job"
    assert (told["From"], told["Auto-Submitted"]) == ("lab@lab.example.org", "auto-generated")
    assert told["Message-ID"] == f"<job-{number}-1@lab.example.org>"
    text = told.get_content()
    assert "test error on guest in lava_test_shell: the guest fell over" in text
    assert "1 passed, 1 failed, 0 skipped, 0 unknown" in text
    assert f"https://lab.example.org/jobs/{number}/" in text
    assert "guest  smoke / rate: too slow" in text
    assert "1/2  smoke" in text
    assert {state for _, state, _ in rows(number)} == {"delivered"}
    types = [one["type"] for one in queries.job_events(number)][-6:]
    assert (
        types
        == ["job.delivery_planned", "job.delivery_planned"] + ["job.delivery_begun", "job.delivery_ended"] * 2
    )


def test_a_complete_job_is_told_to_those_who_want_to_know_of_all(user: User, mailbox: Mailbox) -> None:
    ended(user, wishes(notify=["a@example.org"], notify_on_incomplete=["b@example.org"]), facts=False)
    run_queued()
    ((to, told),) = mailbox.mails
    assert to == "a@example.org"
    assert told["Subject"].endswith("complete: a job")


def test_a_mail_server_that_is_busy_is_asked_again(user: User, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 come back later"]
    number = ended(user, wishes(notify=["a@example.org"]))
    run_queued()
    assert rows(number) == [("a@example.org", "waiting", 1)]
    assert "451 come back later" in Delivery.objects.get(job=number).message

    assert Reconciler().queue_due_deliveries() == [(number, 1)]
    assert Reconciler().queue_due_deliveries() == [], "it is in the queue"
    run_queued()

    assert rows(number) == [("a@example.org", "delivered", 2)]
    assert len(mailbox.mails) == 1


def test_an_address_that_is_refused_for_good_is_not_asked_again(user: User, mailbox: Mailbox) -> None:
    mailbox.answers = ["550 nobody here"]
    number = ended(user, wishes(notify=["a@example.org"]))
    run_queued()
    assert rows(number) == [("a@example.org", "failed", 1)]
    assert tasks.deliver(number, 1) == "delivery 1 is over: failed"


def test_a_mail_server_that_is_gone_is_given_up_after_the_last_delay(
    user: User, mailbox: Mailbox, settings: Settings
) -> None:
    settings.EMAIL_PORT = 1
    number = ended(user, wishes(notify=["a@example.org"]))
    for _ in range(4):
        tasks.deliver(number, 1)
    assert rows(number) == [("a@example.org", "failed", 3)]
    assert "127.0.0.1:1 could not be used" in Delivery.objects.get(job=number).message


def test_without_a_mail_server_people_are_told_so(user: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = mail.SMTP, ""
    number = ended(user, wishes(notify=["a@example.org"]))
    run_queued()
    assert rows(number) == [("a@example.org", "failed", 1)]
    assert "EMAIL_HOST is not set" in Delivery.objects.get(job=number).message
    (warning,) = validate(wishes(notify=["a@example.org"]), lab_view(LAB)).warnings
    assert "this lab sends no mail" in warning.message


def test_results_are_sent_to_a_server_and_again_when_it_is_busy(user: User, mailbox: Mailbox) -> None:
    with Inbox() as inbox:
        inbox.answers = [(503, "busy")]
        number = ended(user, wishes(server=f"{inbox.url}/put?x=1"))
        run_queued()
        assert "answered 503" in Delivery.objects.get(job=number).message
        Reconciler().queue_due_deliveries()
        run_queued()
        (first, (path, headers, document)) = inbox.posts

    assert rows(number) == [(f"{inbox.url}/put?x=1", "delivered", 2)]
    assert first == (path, headers, document), "the same at each attempt"
    assert (path, headers["Content-Type"]) == ("/put?x=1", "application/json")
    assert headers["Idempotency-Key"] == f"labbook-job-{number}-delivery-1"
    assert (document["format"], document["version"]) == ("labbook-results", 1)
    assert document["stream"] == "/anonymous/nightly/"
    assert document["job"]["url"] == f"https://lab.example.org/jobs/{number}/"
    assert json.loads(document["definition"])["job_name"] == "a job"
    host, guest = document["nodes"]
    assert (host["name"], guest["metadata"]) == ("host", {"commit": "abc", "runs": 3})
    (suite,) = guest["suites"]
    assert (suite["name"], suite["definition"]) == ("smoke", {"version": "2"})
    rate = suite["results"][1]
    assert (rate["case"], rate["result"], rate["measurement"], rate["units"]) == (
        "rate",
        "fail",
        "1.50",
        "MB/s",
    )
    url = f"https://lab.example.org/api/v1/jobs/{number}/attachments/{'0' * 64}/"
    assert suite["attachments"][0]["url"] == url
    shown = Client().get(f"/api/v1/jobs/{number}/document/").json()
    assert shown == {**document, "stream": ""}


@pytest.mark.parametrize(
    ("answer", "words"),
    [((302, ""), "are not sent on"), ((404, "no such stream"), "answered 404 Not Found: no such stream")],
)
def test_a_server_that_will_never_take_results_is_not_asked_again(
    user: User, mailbox: Mailbox, answer: tuple[int, str], words: str
) -> None:
    with Inbox() as inbox:
        inbox.answers = [answer]
        number = ended(user, wishes(server=inbox.url))
        run_queued()
        assert len(inbox.posts) == 1
    assert rows(number)[0][1:] == ("failed", 1)
    assert words in Delivery.objects.get(job=number).message


def test_results_do_not_go_to_the_labs_own_machine(user: User, mailbox: Mailbox, settings: Settings) -> None:
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": False}
    with Inbox() as inbox:
        number = ended(user, wishes(server=inbox.url))
        run_queued()
        assert inbox.posts == []
    assert "is the lab's own machine" in Delivery.objects.get(job=number).message


def test_canceled_and_lost_jobs_are_told_of_too(user: User, mailbox: Mailbox) -> None:
    waits = submit(user, wishes(notify_on_incomplete=["a@example.org"]))
    commands.request_cancel(waits, "enough", user=user, cause="test")
    run_queued()
    assert "canceled by erika: enough" in mailbox.mails[-1][1].get_content()
    assert "it never ran" in mailbox.mails[-1][1].get_content()

    lost = submit(user, wishes(notify_on_incomplete=["a@example.org"]))
    commands.schedule()
    fence = commands.start_job(lost, "worker-1")
    assert commands.lose_job(lost, fence, "the worker is silent")
    run_queued()
    assert "the worker is silent" in mailbox.mails[-1][1].get_content()


def test_a_forgotten_delivery_is_queued_again_and_a_dead_workers_attempt_is_made_anew(
    user: User, mailbox: Mailbox
) -> None:
    number = ended(user, wishes(notify=["a@example.org"]))
    OrmQ.objects.all().delete()
    assert Reconciler().queue_due_deliveries() == [], "its own task may still come"
    Delivery.objects.update(due=1.0)
    assert Reconciler().queue_due_deliveries() == [(number, 1)]

    Delivery.objects.update(state="sending", attempts=1, due=1.0)
    run_queued()
    assert rows(number) == [("a@example.org", "delivered", 2)]


def test_deliveries_and_metadata_are_drawn_again_from_the_log(user: User, mailbox: Mailbox) -> None:
    number = ended(user, wishes(notify=["a@example.org"]))
    run_queued()
    before = queries.job_snapshot(user, number)
    assert before["deliveries"][0]["state"] == "delivered"
    assert before["nodes"][1]["metadata"] == {"commit": "abc", "runs": 3}
    call_command("rebuild_projections", verbosity=0)
    assert queries.job_snapshot(user, number) == before


def test_nobody_is_told_of_a_job_that_goes_on(user: User) -> None:
    number, _ = started(user)
    assert rows(number) == []
    assert tasks.deliver(number, 1) == f"job {number} has no delivery 1"
