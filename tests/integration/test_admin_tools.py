"""What the admin offers beside forms: clones, errands, releases, texts; and people with their powers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, OrmQ

from devices import board_commands, errands, queries, type_commands
from devices.models import Board
from jobs import commands as job_commands
from jobs.models import Job
from lab.eventstore.store import store
from tests.integration.test_inventory_admin import BOARDS, TYPES, errors, form_of, logged_in, messages, text
from tests.support.inventory import register_board, register_types
from tests.support.jobs import definition, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    """A superuser in a lab with one board."""
    register_types()
    register_board()
    return logged_in("ada", superuser=True)


def test_a_clone_begins_as_its_original_and_says_so(ada: Client) -> None:
    address = f"{BOARDS}add/?clone=b1"
    shown = form_of(ada, address)
    assert (shown["name"], shown["device_type"], shown["tags"]) == ("", "ssh-host", "fast")
    assert "host: 127.0.0.1" in shown["config"]
    assert ada.post(address, shown | {"name": "b2"}).status_code == 302
    assert queries.effective_config("b2") == queries.effective_config("b1")
    assert str(queries.board_history("b2")[0].changes[0]) == "cloned from: b1"


def test_who_may_not_see_a_configuration_cannot_clone_it(ada: Client) -> None:
    Group.objects.create(name="nobody-much")
    board_commands.change_board_access("b1", {"view": ["group:nobody-much"]}, actor="lab")
    adder = logged_in("adder", "add_board")
    assert adder.get(f"{BOARDS}add/?clone=b1").status_code in (403, 404)
    values = {
        "name": "b2",
        "device_type": "ssh-host",
        "site": "x",
        "tags": "",
        "description": "",
        "reason": "",
    }
    sent = values | {"config": "ssh: {host: a}", "cloned_from": "b1"}
    assert "may clone" in errors(adder.post(f"{BOARDS}add/", sent), "__all__")[0]


def test_a_test_is_asked_for_and_shown(ada: Client) -> None:
    assert "Test connections" in text(ada.get(f"{BOARDS}b1/change/"))
    page = ada.get(f"{BOARDS}b1/do/test/")
    assert 'name="reason"' not in text(page)
    response = ada.post(f"{BOARDS}b1/do/test/", follow=True)
    assert response.redirect_chain[-1][0] == f"{BOARDS}b1/errands/"
    assert messages(response) == ["Board b1 is to be tested."]
    assert "data-busy" in text(response)
    number = Board.objects.get(pk="b1").errand
    assert "Release" in [step.button for step in ada.get(f"{BOARDS}b1/change/").context["steps"]]
    errands.run("b1", number or 0)
    page = ada.get(f"{BOARDS}b1/errands/")
    assert "data-busy" not in text(page)
    assert "ssh" in text(page)
    viewer = logged_in("viewer", "view_board")
    assert viewer.get(f"{BOARDS}b1/errands/").status_code == 200
    assert viewer.post(f"{BOARDS}b1/do/test/").status_code == 403
    assert logged_in("guest").get(f"{BOARDS}b1/errands/").status_code == 403


def test_boards_are_tested_switched_and_retired_together(ada: Client) -> None:
    register_board("b2")
    chosen = {"_selected_action": ["b1", "b2"], "confirmed": "yes"}
    response = ada.post(BOARDS, chosen | {"action": "test_connections"}, follow=True)
    assert messages(response) == ["Board b1 is to be tested. Board b2 is to be tested."]
    response = ada.post(BOARDS, chosen | {"action": "power_on"}, follow=True)
    assert all("has no power switch" in words for words in messages(response))
    response = ada.post(BOARDS, chosen | {"action": "release", "reason": "no worker"}, follow=True)
    assert messages(response) == ["Board b1 is released. Board b2 is released."]
    response = ada.post(BOARDS, chosen | {"action": "retire_all", "reason": "old"}, follow=True)
    assert messages(response) == ["Board b1 is retired. Board b2 is retired."]


def test_a_board_is_released_from_its_page(ada: Client) -> None:
    number = submit(User.objects.get(username="ada"), definition(host_type="ssh-host"))
    assert job_commands.schedule()
    page = ada.get(f"{BOARDS}b1/do/release/")
    assert "The job ends" in text(page)
    assert "a reason is needed" in text(ada.post(f"{BOARDS}b1/do/release/", {"reason": ""}))
    response = ada.post(f"{BOARDS}b1/do/release/", {"reason": "the site is down"}, follow=True)
    assert messages(response) == ["Board b1 is released."]
    assert Job.objects.get(pk=number).outcome == "canceled"
    (forced,) = [entry for entry in queries.board_history("b1") if entry.type == "board.release_forced"]
    assert (forced.who, forced.why, forced.cause) == ("ada", "the site is down", "admin")


def test_what_changed_meanwhile_is_shown_and_overwritten_only_on_purpose(ada: Client) -> None:
    address = f"{BOARDS}b1/change/"
    mine = form_of(ada, address) | {"description": "mine", "overwrite": ""}
    board_commands.change_board("b1", description="Bob's", reason="moved", actor="cli:bob")
    refused = ada.post(address, mine)
    (entry,) = refused.context["meanwhile"]
    assert (entry.who, entry.why) == ("cli:bob", "moved")
    assert "Bob&#x27;s" in text(refused)
    version = refused.context["meanwhile_version"]
    # Somebody comes in between once more: that has to be seen, too.
    board_commands.change_board("b1", site="roof", actor="cli:bob")
    refused = ada.post(address, mine | {"overwrite": str(version)})
    assert [entry.text for entry in refused.context["meanwhile"]] == ["changed site"]
    final = mine | {"overwrite": str(refused.context["meanwhile_version"])}
    assert ada.post(address, final).status_code == 302
    assert Board.objects.get(pk="b1").description == "mine"
    type_ = f"{TYPES}ssh-host/change/"
    mine = form_of(ada, type_) | {"description": "mine", "overwrite": ""}
    type_commands.change_device_type("ssh-host", description="Bob's", actor="cli:bob")
    assert ada.post(type_, mine).context["meanwhile"][0].text == "changed description"


def test_the_inventory_leaves_as_a_file_and_comes_back_after_a_look(ada: Client) -> None:
    whole = ada.get(f"{BOARDS}export/")
    assert whole.headers["Content-Disposition"] == 'attachment; filename="inventory.yaml"'
    assert "ssh-host:" in text(whole)
    some = text(ada.post(TYPES, {"action": "export_yaml", "_selected_action": ["kvm"]}))
    assert "kvm:" in some
    assert "boards:" not in some
    changed = text(whole).replace("fast", "slow")
    looked = ada.post(f"{BOARDS}import/", {"text": changed, "reason": "tidy", "versions": "null"})
    assert [str(one) for done in looked.context["outcome"].changing for one in done.changes] == [
        "tags: fast → slow"
    ]
    head = store.head()
    seen: dict[str, Any] = looked.context["form"].initial
    versions = looked.context["form"]["versions"].value()
    sent = {"text": seen["text"], "reason": seen["reason"], "versions": versions, "apply": "Import"}
    done = ada.post(f"{BOARDS}import/", sent, follow=True)
    assert messages(done) == ["Imported: 1 changed, 2 as it is."]
    assert queries.board("b1").tags == ("slow",)
    assert store.read("board/b1")[-1].event.reason == "tidy"  # type: ignore[attr-defined]
    assert store.head() == head + 1
    # Without a look, or with one that is out of date, nothing is done.
    stale = ada.post(f"{BOARDS}import/", sent | {"text": changed.replace("slow", "new")})
    assert "Somebody changed it after you looked" in text(stale)
    assert "this is no inventory" in text(ada.post(f"{BOARDS}import/", {"text": "a: b", "versions": "null"}))
    assert "There is nothing to import" in text(ada.post(f"{BOARDS}import/", {"text": "", "versions": ""}))
    viewer = logged_in("viewer", "view_board")
    assert viewer.get(f"{BOARDS}export/").status_code == 200
    assert viewer.get(f"{BOARDS}import/").status_code == 403


def test_nobody_makes_themselves_more_than_they_are(ada: Client) -> None:
    clerk = logged_in("clerk", "view_user", "change_user", "delete_user", "view_group", "change_group")
    own, boss = User.objects.get(username="clerk"), User.objects.get(username="ada")
    group = Group.objects.create(name="kernel")
    page = clerk.get(f"/admin/auth/user/{own.pk}/change/")
    assert 'name="is_active"' in text(page)
    for power in ("is_staff", "is_superuser", "groups", "user_permissions"):
        assert f'name="{power}"' not in text(page)
    sent = {
        "username": "clerk",
        "is_active": "on",
        "is_superuser": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    clerk.post(f"/admin/auth/user/{own.pk}/change/", sent)
    own.refresh_from_db()
    assert not own.is_superuser
    assert clerk.post(f"/admin/auth/user/{boss.pk}/change/", sent).status_code == 403
    assert clerk.get(f"/admin/auth/user/{boss.pk}/password/").status_code == 403
    assert clerk.post(f"/admin/auth/user/{boss.pk}/delete/", {"post": "yes"}).status_code == 403
    clerk.post(
        "/admin/auth/user/", {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
    )
    assert User.objects.filter(pk=boss.pk).exists()
    assert 'name="permissions"' not in text(clerk.get(f"/admin/auth/group/{group.pk}/change/"))
    boss.groups.add(group)
    assert "kernel" in text(ada.get("/admin/auth/user/"))
    assert 'name="is_superuser"' in text(ada.get(f"/admin/auth/user/{own.pk}/change/"))


def test_background_tasks_are_looked_at_by_superusers_only_and_never_changed(ada: Client) -> None:
    queue = "/admin/django_q/"
    errands.request("b1", "test", actor="lab", cause="admin")
    assert "run_errand" in text(ada.get(f"{queue}ormq/"))
    waiting = next(one for one in OrmQ.objects.all() if "run_errand" in str(one.func()))
    assert text(ada.get(f"{queue}ormq/{waiting.pk}/change/")).count("b1") >= 1
    assert ada.post(f"{queue}ormq/{waiting.pk}/change/", {"lock_0": "2030-01-01"}).status_code == 403
    assert ada.post(f"{queue}ormq/{waiting.pk}/delete/", {"post": "yes"}).status_code == 403
    now = timezone.now()
    Failure.objects.create(
        id="f1", name="task-1", func="devices.tasks.run_errand", args=("b1",), started=now, stopped=now,
        success=False, result="no route to host <b1>\nTraceback: …",
    )  # fmt: skip
    assert "no route to host &lt;b1&gt;" in ada.get(f"{queue}failure/").content.decode()
    assert "Traceback" in text(ada.get(f"{queue}failure/f1/change/"))
    assert ada.get(f"{queue}success/").status_code == 404
    keeper = logged_in("keeper", "change_board", "view_board")
    assert keeper.get(f"{queue}ormq/").status_code == 403
    assert "Background tasks" not in text(keeper.get("/admin/"))
