"""Webhooks: what happens in the lab arrives at a real server, signed, in order, again when it failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from devices import board_commands
from jobs import commands as job_commands
from jobs import mail
from jobs.domain.webhooks import TEST
from jobs.hooks import collecting, courier, keeping, payload, queries, sending
from jobs.hooks import commands as hooks
from jobs.hooks.models import Hook, HookMessage
from jobs.models import Job
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user, result, started, submit
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver
from tests.support.threads import run_at_once

here = pytest.mark.django_db


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": True, "WEBHOOK_DELAYS": [0.0] * 4}
    settings.LABBOOK_URL = "https://lab.example.org"
    with Receiver() as one:
        yield one


@pytest.fixture
def erika() -> User:
    make_inventory("alpha")
    return make_user()


def hook_to(receiver: Receiver, user: User, **wishes: Any) -> Hook:
    hook, receiver.secret = hooks.make_hook(user, name="mine", url=receiver.url, **wishes)
    return hook


def deliver() -> None:
    """Look and send until nothing is left to do now, as the courier does."""
    while collecting.collect():
        pass
    for hook in courier.due():
        sending.drain(hook)


def all_due() -> None:
    """Let the time of every pause be over."""
    HookMessage.objects.filter(state="waiting").update(due=0.0)


def states(hook: Hook) -> list[tuple[str, str, int]]:
    return list(hook.messages.order_by("id").values_list("type", "state", "attempts"))


def again(hook: Hook) -> Hook:
    return Hook.objects.get(pk=hook.pk)


@here
def test_a_user_is_told_how_his_jobs_go_and_others_are_not_told_of(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika)
    number, recorder = started(erika)
    recorder.record([result("boots")])
    recorder.finish(outcome="complete")
    submit(make_user("max"))
    deliver()

    assert receiver.types == ["job.submitted", "job.started", "job.finished"]
    assert receiver.forged == []
    headers, body = receiver.came[-1]
    event = body["data"]["event"]
    assert headers["webhook-id"] == f"msg_{hook.pk}_{event['position']}"
    assert (body["timestamp"], event["stream"]) == (event["at"], f"job/{number}")
    assert body["data"]["job"]["counts"]["pass"] == 1
    assert body["data"]["job"]["url"] == f"https://lab.example.org/jobs/{number}/"
    assert body["data"]["lab"] == "https://lab.example.org"
    assert [state for _, state, _ in states(hook)] == ["delivered"] * 3
    assert again(hook).position == store.head()
    assert again(hook).last_ok is not None
    deliver()
    assert len(receiver.came) == 3, "each once"


@here
def test_nobody_is_told_what_he_may_not_see_even_if_he_could_before(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika, mine=False, types=["*"])
    other = make_user("max")
    submit(other, definition(visibility="private"))
    mine = submit(other)
    while collecting.collect():
        pass
    assert set(hook.messages.values_list("job", flat=True)) == {mine}
    Job.objects.filter(pk=mine).update(public=0, visibility="private")
    deliver()
    assert receiver.came == []
    message = hook.messages.get()
    assert (message.state, message.body) == ("withheld", "")

    Job.objects.filter(pk=mine).update(public=1, visibility="public")
    job_commands.request_cancel(mine, "enough", user=other, cause="test")
    while collecting.collect():
        pass
    User.objects.filter(pk=erika.pk).update(is_active=False)
    deliver()
    submit(other)
    deliver()
    assert receiver.came == [], "an account that is closed is told nothing"
    User.objects.filter(pk=erika.pk).update(is_active=True)
    deliver()
    assert "job.canceled" in receiver.types or "job.finished" in receiver.types


@here
def test_how_boards_are_reached_is_told_to_those_only_who_keep_them(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika, mine=False, types=["board.*"], board="alpha")
    board_commands.change_board("alpha", config={"ssh": {"host": "192.0.2.77"}}, actor="lab")
    deliver()
    assert "192.0.2.77" not in str(receiver.came)
    User.objects.filter(pk=erika.pk).update(is_superuser=True, is_staff=True)
    board_commands.change_board("alpha", config={"ssh": {"host": "192.0.2.78"}}, actor="lab")
    deliver()
    assert "192.0.2.78" in str(receiver.came)
    message = hook.messages.select_related("hook__user").latest("id")
    assert "192.0.2.78" in payload.shown(message)
    User.objects.filter(pk=erika.pk).update(is_superuser=False, is_staff=False)
    message = hook.messages.select_related("hook__user").latest("id")
    assert "192.0.2.78" not in payload.shown(message), "what was sent is shown only as far as it may be seen"


@here
def test_a_receiver_that_is_gone_holds_up_all_and_then_gets_all_in_order(
    erika: User, receiver: Receiver, settings: Settings
) -> None:
    settings.LABBOOK = {**settings.LABBOOK, "WEBHOOK_DELAYS": [60.0] * 4}
    receiver.answers = [503]
    receiver.headers = {"Retry-After": "3000"}
    hook = hook_to(receiver, erika, types=["job.submitted"])
    for _ in range(3):
        submit(erika)
    deliver()
    assert [(state, tries) for _, state, tries in states(hook)] == [
        ("waiting", 1),
        ("waiting", 0),
        ("waiting", 0),
    ]
    first = hook.messages.earliest("id")
    assert (first.due or 0) > timezone.now().timestamp() + 2000, "as the receiver asked"
    assert first.tries[0]["words"] == "the server answered 503 Service Unavailable: said with 503"
    assert again(hook).failing_since is not None
    assert courier.due() == [], "nobody is asked before the time"
    all_due()
    deliver()
    assert receiver.positions == [
        receiver.positions[0],
        *[one.position for one in hook.messages.order_by("id")],
    ]
    assert again(hook).failing_since is None
    assert receiver.came[0][0]["webhook-id"] == receiver.came[1][0]["webhook-id"], "the same at each attempt"


@here
def test_a_message_that_is_refused_is_put_aside_and_given_up_and_the_others_go_on(
    erika: User, receiver: Receiver
) -> None:
    hook = hook_to(receiver, erika, types=["job.submitted"])
    receiver.answers = [500, 400, 500]
    submit(erika), submit(erika)
    deliver()
    assert len(receiver.positions) == 5, "three refusals, then the other one, then it again"
    bad, good = sorted(set(receiver.positions))
    assert receiver.positions == [bad, bad, bad, good, bad]
    receiver.answers = [500, 500, 500, 204, 500, 500]
    submit(erika), submit(erika)
    deliver()
    assert [state for _, state, _ in states(hook)] == ["delivered", "delivered", "failed", "delivered"]
    assert again(hook).state == "on", "others got through"


@here
def test_a_webhook_that_nothing_gets_through_to_is_switched_off_and_goes_on_where_it_stopped(
    erika: User, receiver: Receiver, settings: Settings
) -> None:
    User.objects.filter(pk=erika.pk).update(email="erika@example.org")
    with Mailbox() as mailbox:
        settings.EMAIL_BACKEND = mail.SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mailbox.port
        receiver.always = 502
        hook = hook_to(receiver, User.objects.get(pk=erika.pk), types=["job.submitted"])
        submit(erika), submit(erika)
        deliver()
        assert states(hook) == [("job.submitted", "failed", 5), ("job.submitted", "waiting", 0)]
        assert again(hook).state == "broken"
        assert "nothing got through any more; the last attempt: the server answered 502" in again(hook).reason
        assert (courier.tell_owners(), courier.tell_owners()) == (1, 0)
        (told,) = mailbox.wait("erika@example.org")
        assert "'mine' is switched off" in told["Subject"]
        assert f"https://lab.example.org/profile/webhooks/{hook.pk}/" in told.get_content()
    submit(erika)
    receiver.always, receiver.came = 204, []
    deliver()
    assert receiver.came == []
    hooks.switch_on(erika, hook.pk)
    deliver()
    assert len(receiver.came) == 2, "what waited, and what it missed"
    assert again(hook).reason == ""

    hooks.switch_off(erika, hook.pk)
    submit(erika)
    deliver()
    hooks.switch_on(erika, hook.pk, skip=True)
    submit(erika)
    deliver()
    assert len(receiver.came) == 3, "only what came afterwards"


@here
def test_a_receiver_may_say_that_it_wants_nothing_any_more(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika)
    receiver.always = 410
    submit(erika)
    deliver()
    assert len(receiver.came) == 1
    assert (again(hook).state, again(hook).reason) == (
        "broken",
        "the server answered 410 Gone: said with 410",
    )
    assert (states(hook), courier.due()) == ([("job.submitted", "waiting", 1)], [])
    receiver.always = 204
    deliver()
    assert len(receiver.came) == 1
    hooks.switch_on(erika, hook.pk)
    deliver()
    assert len(receiver.came) == 2, "also the message that it was switched off at"
    assert receiver.came[0][0]["webhook-id"] == receiver.came[1][0]["webhook-id"]


@here
def test_a_message_that_waited_for_its_webhook_counts_its_attempts_anew(
    erika: User, receiver: Receiver
) -> None:
    hook = hook_to(receiver, erika)
    receiver.always = 410
    submit(erika)
    deliver()
    receiver.always = 502
    hooks.switch_on(erika, hook.pk)
    deliver()
    assert states(hook) == [("job.submitted", "failed", 5)]
    assert (again(hook).state, len(receiver.came)) == ("broken", 6)


@here
def test_nothing_goes_to_the_labs_own_machine_nor_to_networks_it_keeps_to_itself(
    erika: User, receiver: Receiver, settings: Settings
) -> None:
    hook = hook_to(receiver, erika)
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": False, "NO_POST_TO": ["192.0.2.0/24"]}
    submit(erika)
    deliver()
    assert receiver.came == []
    assert (again(hook).state, again(hook).reason) == (
        "broken",
        "127.0.0.1 is the lab's own machine: nothing is sent there",
    )
    for url, words in (
        ("http://127.0.0.1:8000/", "the lab's own machine"),
        ("http://[::1]/", "the lab's own machine"),
        ("https://localhost/x", "the lab's own machine"),
        ("http://192.0.2.9/off", r"LABBOOK_NO_POST_TO"),
        ("ftp://example.org/", "must be an http"),
        ("http:///x", "must be an http"),
        ("http://[1", "must be an http"),
        ("http://exa mple/\0", "is no URL"),
        ("https://me:secret@example.org/", "leave them out"),
        ("", "must be an http"),
        ("http://example.org:99999/", "port is 99999"),
        ("http://example.org:0/", "port is 0"),
    ):
        with pytest.raises(hooks.BadHook, match=words):
            hooks.make_hook(erika, name="x", url=url)


@here
def test_a_bug_of_the_lab_is_a_failed_attempt_like_any_other(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_to(receiver, erika)
    Hook.objects.update(url="http://127.0.0.1:99999/")  # from before ports were checked
    submit(erika)
    deliver()
    assert states(hook) == [("job.submitted", "failed", 5)]
    assert "Labbook itself failed: " in again(hook).reason
    Hook.objects.update(url=receiver.url)
    hooks.switch_on(erika, hook.pk)
    submit(erika)
    with monkeypatch.context() as broken:
        broken.setattr(payload, "body", lambda message: 1 // 0)
        deliver()
    failed = hook.messages.latest("id")
    assert (failed.state, failed.tries[-1]["words"]) == (
        "failed",
        "Labbook itself failed: ZeroDivisionError",
    )
    assert again(hook).state == "broken"


@here
def test_a_slow_answer_ends_in_time(erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.5)
    receiver.slow = 0.1
    hook = hook_to(receiver, erika)
    message = hooks.send_test(erika, hook.pk)
    deliver()
    message.refresh_from_db()
    assert message.state == "failed"
    assert message.tries[0]["words"] == "127.0.0.1 did not answer within 0.5 s"
    assert message.tries[0]["seconds"] < 5


@here
def test_a_redirect_is_not_followed(erika: User, receiver: Receiver) -> None:
    receiver.always, receiver.headers = 302, {"Location": f"{receiver.url}/elsewhere"}
    hook = hook_to(receiver, erika)
    hooks.send_test(erika, hook.pk)
    deliver()
    assert len(receiver.came) == 1
    assert hook.messages.get().tries[0]["status"] == 302


@here
def test_a_test_and_a_message_again_are_one_attempt_also_while_it_is_off(
    erika: User, receiver: Receiver
) -> None:
    hook = hook_to(receiver, erika, types=["job.submitted"])
    submit(erika)
    deliver()
    hooks.switch_off(erika, hook.pk, "holidays")
    submit(erika)
    test = hooks.send_test(erika, hook.pk)
    sent = hook.messages.get(type="job.submitted")
    hooks.send_again(erika, hook.pk, sent.key)
    with pytest.raises(Rejected, match="is on its way"):
        hooks.send_again(erika, hook.pk, sent.key)
    deliver()
    assert receiver.types == ["job.submitted", TEST, "job.submitted"]
    assert receiver.came[0][0]["webhook-id"] == receiver.came[2][0]["webhook-id"] == sent.key
    assert receiver.came[1][0]["webhook-id"] == test.key
    receiver.always = 500
    hooks.send_test(erika, hook.pk)
    deliver()
    assert hook.messages.latest("id").state == "failed"
    assert again(hook).state == "off"
    other = make_user("max")
    for do in (hooks.send_test, hooks.switch_on, hooks.switch_off, hooks.new_secret, hooks.remove_hook):
        with pytest.raises(NotFound):
            do(other, hook.pk)


@here
def test_a_webhook_for_one_job_is_told_all_of_it_and_then_is_done(erika: User, receiver: Receiver) -> None:
    number, recorder = started(erika)
    submit(erika)
    hook = hook_to(receiver, erika, job=number)
    deliver()
    assert receiver.types == ["job.submitted", "job.started"], "also what had happened before"
    recorder.finish(outcome="complete")
    submit(erika)
    deliver()
    assert receiver.types == ["job.submitted", "job.started", "job.finished"]
    assert (again(hook).state, again(hook).reason) == ("done", f"job {number} has ended")
    Hook.objects.update(created_at=timezone.now() - timedelta(days=31))
    HookMessage.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert keeping.tidy() >= 4
    assert not Hook.objects.exists()
    private = submit(make_user("max"), definition(visibility="private"))
    with pytest.raises(NotFound):
        hook_to(receiver, erika, job=private)


@here
def test_of_what_is_settled_the_newest_is_kept_and_all_that_waits(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT_MOST", 3)
    monkeypatch.setattr(keeping, "AT_ONCE", 2)
    busy, quiet = (hook_to(receiver, erika) for _ in range(2))
    for hook, count in ((busy, 9), (quiet, 2)):
        for _ in range(count):
            hooks.send_test(erika, hook.pk)
    first, *_ = keys = list(busy.messages.order_by("id").values_list("key", flat=True))
    HookMessage.objects.exclude(key=first).update(state="delivered", due=None)
    with CaptureQueriesContext(connection) as asked:
        assert keeping.tidy() == 5
    deleted = [one["sql"] for one in asked if one["sql"].startswith("DELETE")]
    assert len(deleted) == 3, "a few at a time"
    left = busy.messages.order_by("id").values_list("key", flat=True)
    assert (list(left), quiet.messages.count()) == ([first, *keys[-3:]], 2)
    assert keeping.tidy() == 0
    hooks.remove_hook(erika, busy.pk)
    assert list(Hook.objects.all()) == [quiet]
    assert HookMessage.objects.count() == 2


@here
def test_what_never_arrived_is_not_pushed_out_by_what_did(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT_MOST", 2)
    hook = hook_to(receiver, erika)
    for _ in range(7):
        hooks.send_test(erika, hook.pk)
    *failed, _, _, c, d = hook.messages.order_by("id").values_list("key", flat=True)
    HookMessage.objects.filter(key__in=failed).update(state="failed", due=None)
    HookMessage.objects.exclude(key__in=failed).update(state="delivered", due=None)
    assert keeping.tidy() == 3
    assert list(hook.messages.order_by("id").values_list("key", flat=True)) == [*failed[1:], c, d]
    HookMessage.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert keeping.tidy() == 4


@here
def test_a_removal_that_was_broken_off_is_finished_later(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_to(receiver, erika)
    hooks.send_test(erika, hook.pk)

    def locked(*_: Any, **__: Any) -> int:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "_forget", locked)
        with pytest.raises(OperationalError):
            hooks.remove_hook(erika, hook.pk)
    assert queries.hooks(erika) == [], "for its owner it is gone"
    with pytest.raises(NotFound):
        hooks.switch_on(erika, hook.pk)
    assert courier.due() == []
    assert sending.drain(hook.pk) == 0
    assert Hook.objects.filter(pk=hook.pk).exists()
    assert keeping.tidy() == 2
    assert not Hook.objects.exists()


@here
def test_a_new_secret_signs_and_the_old_one_too_for_a_day(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika)
    old = receiver.secret
    _, new = hooks.new_secret(erika, hook.pk)
    assert new != old
    assert new not in str(Hook.objects.values().get())
    for receiver.secret in (old, new):
        hooks.send_test(erika, hook.pk)
        deliver()
    assert (len(receiver.came), receiver.forged) == (2, [])
    Hook.objects.update(old_until=timezone.now() - timedelta(seconds=1))
    receiver.secret = old
    hooks.send_test(erika, hook.pk)
    deliver()
    assert receiver.forged == ["the signature is not the lab's"]


@here
def test_after_a_change_of_the_labs_key_a_webhook_says_that_it_needs_a_new_secret(
    erika: User, receiver: Receiver, settings: Settings
) -> None:
    hook = hook_to(receiver, erika)
    settings.SECRET_KEY = "another"
    submit(erika)
    deliver()
    assert (receiver.came, receiver.forged) == ([], [])
    assert "make a new secret" in again(hook).reason
    _, receiver.secret = hooks.new_secret(erika, hook.pk)
    Hook.objects.update(old_until=None)
    hooks.switch_on(erika, hook.pk)
    submit(erika)
    deliver()
    assert receiver.types == ["job.submitted"] * 2, "what waited for the new secret, too"


@here
def test_a_message_whose_sender_died_is_sent_again(erika: User, receiver: Receiver) -> None:
    hook = hook_to(receiver, erika)
    submit(erika)
    while collecting.collect():
        pass
    message = hook.messages.get()
    message.state, message.attempts, message.due = "sending", 1, timezone.now().timestamp() + 60
    message.save()
    assert courier.due() == []
    HookMessage.objects.update(due=0.0)
    deliver()
    assert receiver.types == ["job.submitted"]
    assert states(hook) == [("job.submitted", "delivered", 2)]


@here
def test_what_waits_for_a_receiver_that_is_gone_is_bounded_and_nothing_is_lost(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "STEP", 2)
    monkeypatch.setattr(collecting, "HELD", 3)
    hook = hook_to(receiver, erika, types=["*"])
    Hook.objects.update(state="on")
    for _ in range(8):
        submit(erika)
    while collecting.collect():
        pass
    assert hook.messages.count() == 4
    for _ in range(4):
        deliver()
    assert receiver.types == ["job.submitted"] * 8
    assert receiver.positions == sorted(receiver.positions)


@here
def test_how_many_messages_wait_is_counted_along_those_that_do(erika: User, receiver: Receiver) -> None:
    hook_to(receiver, erika, types=["job.started"])
    hook = hook_to(receiver, erika, types=["job.submitted"])
    submit(erika)
    deliver()
    submit(erika)
    collecting.collect()
    with CaptureQueriesContext(connection) as asked:
        found = queries.hooks(erika)
    assert [one["waiting"] for one in found] == [0, 1]
    assert queries.hook(hook)["waiting"] == 1
    (counting,) = [one["sql"] for one in asked.captured_queries if "hooks_hookmessage" in one["sql"]]
    assert "JOIN" not in counting, "settled messages are many"


@here
def test_a_large_event_is_cut_and_says_so(
    erika: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "LARGEST", 1200)
    hook_to(receiver, erika)
    submit(erika)
    deliver()
    event = receiver.came[0][1]["data"]["event"]
    assert (event["data"], event["cut"], event["type"]) == (None, True, "job.submitted")


@here
def test_there_is_a_limit_to_webhooks_and_settings_are_checked(erika: User, receiver: Receiver) -> None:
    for _ in range(hooks.MOST):
        hook_to(receiver, erika)
    with pytest.raises(Rejected, match="remove one first"):
        hook_to(receiver, erika)
    number = Hook.objects.earliest("id").pk
    for setting, value, words in (
        ("types", ["job.finnished"], r"no events of type job\.finnished"),
        ("types", [], "Choose from 1"),
        ("name", "", "needs its name"),
        ("name", "x" * 101, "up to 100"),
        ("url", "nowhere", "must be an http"),
    ):
        with pytest.raises(hooks.BadHook, match=words) as bad:
            hooks.change_hook(erika, number, **{setting: value})
        assert bad.value.problems[0].field == setting
    changed = hooks.change_hook(erika, number, types=["job.*", "job.*"], mine=False, name=" a  name ")
    assert (changed.types, changed.mine, changed.name) == (["job.*"], False, "a name")


def test_couriers_that_race_send_everything_once_and_in_order_while_others_write(
    database: Database, settings: Settings
) -> None:
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": True}
    make_inventory("alpha")
    users = [make_user(f"user{n}") for n in range(3)]
    boss = make_user("boss", is_superuser=True, is_staff=True)
    written = threading.Event()
    with Receiver() as receiver:
        hook = hook_to(receiver, boss, mine=False, types=["*"])
        couriers = [courier.Courier() for _ in range(2)]
        first = hook.position

        def write(user: User) -> None:
            for _ in range(8):
                submit(user)

        def watch() -> None:
            receiver.wait(lambda: written.is_set() and receiver.positions[-1:] == [store.head()])
            for one in couriers:
                one.stop()

        def write_all() -> None:
            run_at_once(*(lambda user=user: write(user) for user in users))
            written.set()
            submit(users[0])

        run_at_once(*(one.run for one in couriers), write_all, watch)
        assert receiver.positions == list(range(first + 1, store.head() + 1))
        assert receiver.forged == []
