"""The pages of webhooks, without a browser: what forms say, what is shown once, what others see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.hooks import collecting, courier, keeping, sending
from jobs.hooks import commands as hooks
from jobs.hooks.models import Hook
from jobs.models import Job
from tests.support.jobs import make_inventory, make_user, submit

pytestmark = pytest.mark.django_db
PAGE = "/profile/webhooks/"
FORM = {"name": "mine", "url": "https://hook.test/x", "common": ["job.finished"], "whose": "mine"}


@pytest.fixture
def erika() -> User:
    make_inventory("alpha")
    return make_user()


@pytest.fixture
def browser(erika: User) -> Client:
    client = Client()
    client.force_login(erika)
    return client


def test_a_webhook_is_made_and_its_secret_shown_once(erika: User, browser: Client) -> None:
    assert "You have no webhook" in browser.get(PAGE).content.decode()
    answer = browser.post(PAGE, {**FORM, "others": "board.retired, job.lost", "board": "alpha"})
    (secret,) = re.findall(r"whsec_[\w+/=]+", answer.content.decode())
    assert answer["Cache-Control"].startswith("max-age=0")
    row = Hook.objects.get()
    assert (row.name, row.types, row.mine, row.board) == (
        "mine",
        ["job.finished", "board.retired", "job.lost"],
        True,
        "alpha",
    )
    for path in (PAGE, f"{PAGE}{row.pk}/"):
        page = browser.get(path).content.decode()
        assert "mine" in page
        assert secret not in page
    page = browser.post(f"{PAGE}{row.pk}/secret").content.decode()
    (other,) = re.findall(r"whsec_[\w+/=]+", page)
    assert other != secret


def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_stays(browser: Client) -> None:
    answer = browser.post(
        PAGE, {**FORM, "url": "https://me:pw@hook.test/", "others": "job.gone", "job": "99"}
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "There is no job 99, or you may not see it." in page
    page = browser.post(
        PAGE, {**FORM, "url": "https://me:pw@hook.test/", "others": "job.gone"}
    ).content.decode()
    assert "leave them out" in page
    assert "There are no events of type job.gone." in page
    assert 'value="https://me:pw@hook.test/"' in page
    assert not Hook.objects.exists()


def test_a_page_of_a_job_leads_to_a_webhook_for_it(erika: User, browser: Client) -> None:
    number = submit(erika)
    assert f"{PAGE}?job={number}" in browser.get(f"/jobs/{number}/").content.decode()
    page = browser.get(f"{PAGE}?job={number}").content.decode()
    assert f'value="{number}"' in page
    browser.post(f"{PAGE}?job={number}", {**FORM, "job": str(number), "others": "job.*"})
    assert Hook.objects.get().position < number + 5


def test_a_webhook_is_changed_switched_and_removed(erika: User, browser: Client) -> None:
    hook, _ = hooks.make_hook(erika, name="mine", url="https://hook.test/", types=["*"], mine=False)
    submit(erika)
    while collecting.collect():
        pass
    path = f"{PAGE}{hook.pk}/"
    assert "in line" in browser.get(path).content.decode()
    browser.post(path, {**FORM, "name": "yours"})
    browser.post(f"{path}switch", {"to": "off"})
    row = Hook.objects.get()
    assert (row.name, row.state, row.reason) == ("yours", "off", "switched off by erika")
    assert "switched off by erika" in browser.get(path).content.decode()
    refused = browser.post(f"{path}messages/{hook.messages.earliest('id').key}/again", follow=True)
    assert "waits for its webhook" in refused.content.decode()
    browser.post(f"{path}switch", {"to": "on-from-now"})
    assert set(hook.messages.values_list("state", flat=True)) == {"skipped"}
    browser.post(f"{path}test")
    assert hook.messages.filter(type="webhook.test", state="waiting").exists()
    assert "webhook.test" in browser.get(f"{path}?before={10**9}").content.decode()
    browser.post(f"{path}remove")
    assert not Hook.objects.exists()


def test_what_was_sent_is_shown_as_far_as_it_may_be_seen(erika: User, browser: Client) -> None:
    hook, _ = hooks.make_hook(erika, name="mine", url="https://hook.test/", mine=False)
    number = submit(make_user("max"))
    while collecting.collect():
        pass
    message = hook.messages.get()
    message.body = '{"type": "job.submitted", "data": {"event": {"the_old": "one"}}}'
    message.tries = [{"at": 1.0, "seconds": 0.2, "status": 500, "words": "it said 500", "text": "<b>"}]
    message.save()
    path = f"{PAGE}{hook.pk}/messages/{message.key}/"
    page = browser.get(path).content.decode()
    assert "it said 500" in page
    assert "&lt;b&gt;" in page
    assert "job.submitted" in page
    assert "the_old" not in page, "what differs from what may be seen today is not shown"
    Job.objects.filter(pk=number).update(public=0, visibility="private")
    assert "may not see any more" in browser.get(path).content.decode()


def test_the_admin_sees_whose_webhooks_there_are_and_switches_them_off(
    erika: User, django_capture_on_commit_callbacks: Any
) -> None:
    hook, secret = hooks.make_hook(erika, name="mine", url="https://hook.test/")
    boss = Client()
    boss.force_login(make_user("boss", is_superuser=True, is_staff=True))
    for path in ("/admin/hooks/hook/", f"/admin/hooks/hook/{hook.pk}/change/"):
        page = boss.get(path).content.decode()
        assert "https://hook.test/" in page
        assert secret not in page
        assert hook.salt not in page
    boss.post("/admin/hooks/hook/", {"action": "switch_off", "_selected_action": [hook.pk]})
    assert Hook.objects.get().reason == "switched off by boss"
    assert boss.get("/admin/hooks/hook/add/").status_code == 403
    for _ in range(3):
        hooks.send_test(erika, hook.pk)
    gone = f"/admin/hooks/hook/{hook.pk}/delete/"
    with CaptureQueriesContext(connection) as asked:
        page = boss.get(gone).content.decode()
    assert "Messages: 3" in page
    assert not [one for one in asked if "hooks_hookmessage" in one["sql"] and "COUNT(" not in one["sql"]]
    with django_capture_on_commit_callbacks(execute=True):
        boss.post(gone, {"post": "yes"})
        assert (Hook.objects.get().state, hook.messages.count()) == ("removed", 3), "not in its transaction"
    assert not Hook.objects.exists()


def test_who_is_deleted_leaves_webhooks_that_are_told_nothing_and_go_piece_by_piece(erika: User) -> None:
    hook, _ = hooks.make_hook(erika, name="mine", url="https://hook.test/")
    hooks.send_test(erika, hook.pk)
    boss = Client()
    boss.force_login(make_user("boss", is_superuser=True, is_staff=True))
    boss.post(f"/admin/auth/user/{erika.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=erika.pk).exists()
    assert hook.messages.count() == 1, "thousands, maybe: not in that transaction"
    assert courier.due() == []
    assert sending.drain(hook.pk) == 0
    assert boss.get(f"/admin/hooks/hook/{hook.pk}/change/").status_code == 200
    assert keeping.tidy() == 2
    assert not Hook.objects.exists()


def test_webhooks_are_nobody_elses(erika: User) -> None:
    hook, _ = hooks.make_hook(erika, name="mine", url="https://hook.test/")
    message = hooks.send_test(erika, hook.pk)
    path = f"{PAGE}{hook.pk}/"
    other = Client()
    other.force_login(make_user("boss", is_superuser=True, is_staff=True))
    for one in (path, f"{path}messages/{message.key}/"):
        assert other.get(one).status_code == 404
        assert "/login/" in Client().get(one)["Location"]
    for one in ("test", "switch", "secret", "remove", f"messages/{message.key}/again"):
        assert other.post(path + one).status_code == 404
        assert Client().post(path + one).status_code == 302
        assert other.get(path + one).status_code == 405
    assert Hook.objects.filter(state="on").count() == 1
