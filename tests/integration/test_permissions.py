"""Lists of rights at work: what is refused, in which words; who gets a board; what is on record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import access as rights
from devices import availability as waking
from devices import board_commands, deciding, exchange, seen, type_commands
from devices.domain.events import BoardAccessChanged, DeviceTypeAccessChanged
from devices.models import Board
from jobs import access, availability, commands, feed, queries
from jobs.domain.definition.model import Invalid
from jobs.models import Job
from lab.kernel.errors import NotFound, NotPermitted, Rejected
from lab.kernel.events import Event
from lab.tokens.models import make_token
from tests.support.jobs import add_board, definition, make_inventory, make_user, started, submit

pytestmark = pytest.mark.django_db
VISITOR = AnonymousUser()


@pytest.fixture
def erika() -> User:
    return make_user()


@pytest.fixture
def kernel() -> Group:
    return Group.objects.create(name="kernel")


def lists(board: str, reason: str = "", **access: list[str]) -> None:
    board_commands.change_board_access(board, access, reason, actor="lab")


def type_lists(name: str, **access: list[str]) -> None:
    type_commands.change_device_type_access(name, access, actor="lab")


def problem(user: User, text: str) -> tuple[str, str]:
    with pytest.raises(Invalid) as invalid:
        commands.submit_job(text, user=user, cause="test")
    (one,) = invalid.value.problems
    return one.message, one.hint


def test_a_type_that_one_may_not_use_is_refused_with_who_can_grant_it(erika: User, kernel: Group) -> None:
    make_inventory("alpha")
    make_user("ada")
    type_lists("bench", use=["group:kernel"], administer=["user:ada"])
    told = problem(erika, definition())
    assert told == (
        "you may not use boards of the type bench",
        "ada or the lab's administrators can grant it",
    )
    erika.groups.add(kernel)
    assert submit(User.objects.get(pk=erika.pk)) == 1


def test_one_board_may_be_open_though_its_type_is_not(erika: User) -> None:
    make_inventory("alpha", "beta")
    type_lists("bench", use=["nobody"])
    lists("beta", use=["user:erika"])
    assert problem(erika, definition(board="alpha"))[0] == "you may not use the board alpha"
    assert problem(erika, definition(board="nix"))[1] == "one of beta"
    submit(erika)
    assert [(one.job, one.board) for one in commands.schedule()] == [(1, "beta")]


def test_vm_types_have_lists_too(erika: User) -> None:
    make_inventory("alpha")
    type_lists("kvm", use=["nobody"])
    message, hint = problem(erika, definition())
    assert message == "you may not use VMs of the type kvm"
    assert hint == "the lab's administrators can grant it"
    assert "kvm" in seen.board(erika, "alpha").runs
    type_lists("kvm", view=["nobody"])
    assert "there is no VM type" in problem(erika, definition())[0]
    (of_type,) = seen.board_types(erika)
    shown = [one.runs for one in (seen.board(erika, "alpha"), *seen.boards(erika), *of_type.boards)]
    assert not any("kvm" in runs for runs in (*shown, of_type.runs))
    assert "kvm" in seen.board("lab", "alpha").runs


def test_what_one_may_not_view_is_no_board_and_no_type(erika: User) -> None:
    make_inventory("alpha", "beta")
    lists("beta", view=["nobody"])
    unknown = problem(erika, definition(board="beta"))
    assert unknown[0].startswith("there is no board")
    assert unknown[1] == "one of alpha"
    with pytest.raises(NotFound, match="There is no board 'beta'"):
        board_commands.take_board_offline("beta", "x", actor=erika)
    type_lists("bench", view=["nobody"])
    assert problem(erika, definition())[0].startswith("there is no board type")
    assert availability.availability(erika)["board_types"] == []


def test_a_board_whose_list_changes_is_not_given_to_who_waits_and_the_reason_says_so(erika: User) -> None:
    make_inventory("alpha")
    number = submit(erika)
    make_user("ada")
    lists("alpha", use=["user:ada"], administer=["user:ada"])
    assert commands.schedule() == []
    (told,) = queries.waiting_for(erika, Job.objects.get(pk=number))["waiting"]
    reason = "may not be used by erika: ada or the lab's administrators can grant it"
    assert told == {"board": "alpha", "reason": reason}
    assert availability.availability(erika)["board_types"][0]["free"] == 0
    lists("alpha")
    assert [one.job for one in commands.schedule()] == [number]


@pytest.mark.parametrize("event", [BoardAccessChanged(access={}), DeviceTypeAccessChanged(access={})])
def test_a_change_of_lists_wakes_the_scheduler(event: Event) -> None:
    assert waking.follow_ups([event])


def test_jobs_on_a_hidden_board_are_hidden_but_for_who_submitted_them(erika: User) -> None:
    make_inventory("alpha")
    number, _ = started(erika)
    otto, steve = make_user("otto"), make_user("steve", is_staff=True)
    lists("alpha", view=["nobody"])
    for user, sees in ((otto, False), (VISITOR, False), (erika, True), (steve, True)):
        assert queries.may_see(user, number) is sees
        assert bool(queries.job_list(user)) is sees
        assert bool(queries.seen(user, Q(pk=number))) is sees
    assert not access.may(otto, "see", number)
    lists("alpha", view=["user:otto"])
    assert queries.may_see(otto, number)


def test_a_list_of_the_console_is_for_all_jobs_on_the_board_and_its_handlers_cancel(erika: User) -> None:
    make_inventory("alpha")
    number, _ = started(erika)
    kim, harry = make_user("kim"), make_user("harry")
    assert access.may(erika, "console", number)
    assert not access.may(kim, "console", number)
    lists("alpha", console=["user:kim"], handle=["user:harry"])
    assert access.may(kim, "console", number)
    assert access.may(kim, "hold", number)
    assert not access.may(erika, "console", number)
    with pytest.raises(NotPermitted, match="needs the right console of board alpha, which the lab's admin"):
        access.require(erika, "console", number)
    with pytest.raises(NotPermitted, match="only erika, who submitted it"):
        commands.request_cancel(number, user=kim, cause="test")
    commands.request_cancel(number, user=harry, cause="test")
    assert Job.objects.get(pk=number).state == "canceling"


def test_a_handler_handles_and_only_an_administrator_changes(kernel: Group) -> None:
    make_inventory("alpha")
    harry, ada = make_user("harry"), make_user("ada")
    ada.groups.add(kernel)
    lists("alpha", handle=["user:harry"], administer=["group:kernel"])
    board_commands.take_board_offline("alpha", "dust", actor=harry)
    words = "may not change board alpha: that needs the permission devices.change_board, or the right to"
    with pytest.raises(NotPermitted, match=words):
        board_commands.change_board("alpha", description="x", actor=harry)
    board_commands.change_board("alpha", description="x", actor=ada)
    make = "may not make board alpha one of the type other"
    type_commands.register_device_type("other", "board", "", {}, actor="lab")
    with pytest.raises(NotPermitted, match=make):
        board_commands.change_board("alpha", device_type="other", actor=ada)
    board_commands.retire_board("alpha", "burnt", actor=ada)


def test_a_permission_of_the_lab_is_not_one_to_retire() -> None:
    make_inventory("alpha")
    carl = make_user("carl")
    carl.user_permissions.add(Permission.objects.get(codename="change_board"))
    carl = User.objects.get(pk=carl.pk)
    lists("alpha", view=["nobody"])
    board_commands.take_board_offline("alpha", "dust", actor=carl)
    with pytest.raises(NotPermitted, match=r"devices\.delete_board"):
        board_commands.retire_board("alpha", "x", actor=carl)
    lists("alpha", administer=["user:carl"])
    board_commands.retire_board("alpha", "x", actor=carl)


def test_nobody_reads_a_type_by_basing_something_on_it(erika: User) -> None:
    make_inventory("alpha")
    type_commands.register_device_type(
        "secret", "board", "", {"ssh": {"host": "10.9.8.7"}}, access={"view": ["nobody"]}, actor="lab"
    )
    type_lists("bench", administer=["user:erika"])
    with pytest.raises(NotFound, match="There is no device type 'secret'"):
        type_commands.change_device_type("bench", base="secret", actor=erika)
    Group.objects.create(name="kernel")
    type_lists("secret", administer=["group:kernel"])
    with pytest.raises(
        NotPermitted, match=r"erika may not base .* which the group kernel or the lab's admin"
    ):
        type_commands.change_device_type("bench", base="secret", actor=erika)
    erika.user_permissions.add(
        *Permission.objects.filter(
            codename__in=["add_devicetype", "add_board"], content_type__app_label="devices"
        )
    )
    erika = User.objects.get(pk=erika.pk)
    with pytest.raises(NotPermitted, match="may not base a device type on secret"):
        type_commands.register_device_type("mine", "board", "", {}, base="secret", actor=erika)
    with pytest.raises(NotPermitted, match="may not register a board of the type secret"):
        board_commands.register_board("mine", "secret", "default", [], "", {}, actor=erika)
    with pytest.raises(NotPermitted, match="may not register a board of the type secret"):
        board_commands.register_board(
            "mine", "secret", "default", [], "", {}, cloned_from="alpha", actor=erika
        )
    type_lists("secret", administer=["user:erika"])
    type_commands.register_device_type("mine", "board", "", {}, base="secret", actor=erika)
    type_commands.change_device_type("mine", description="As before.", base="secret", actor="lab")


def test_lists_name_those_who_exist_and_nobody_shuts_himself_out() -> None:
    make_inventory("alpha")
    ada = make_user("ada")
    lists("alpha", administer=["user:ada"])
    with pytest.raises(Rejected, match="there is no user 'aad'"):
        board_commands.change_board_access("alpha", {"use": ["user:aad"]}, actor=ada)
    with pytest.raises(Rejected, match="there is no group 'ada'"):
        board_commands.change_board_access("alpha", {"use": ["group:ada"]}, actor=ada)
    with pytest.raises(Rejected, match="you could not change it back: keep user:ada"):
        board_commands.change_board_access("alpha", {"use": ["user:ada"]}, actor=ada)
    board_commands.change_board_access("alpha", {"use": ["nobody"], "administer": ["user:ada"]}, actor=ada)
    User.objects.filter(username="ada").delete()
    kept = {"use": ["everybody"], "administer": ["user:ada"]}
    board_commands.change_board_access("alpha", kept, actor="lab")  # who was there may stay
    assert Board.objects.get(pk="alpha").access == kept


def test_two_who_change_the_lists_do_not_overwrite_each_other() -> None:
    make_inventory("alpha")
    seen_version = Board.objects.get(pk="alpha").version
    lists("alpha", "lent", use=["nobody"])
    with pytest.raises(deciding.EditedMeanwhile, match="lab changed who may do what with it"):
        board_commands.change_board_access("alpha", {}, actor="lab", expected_version=seen_version)


def test_the_history_tells_who_changed_what_to_those_who_may_know() -> None:
    make_inventory("alpha")
    otto, root = make_user("otto"), make_user("root", is_superuser=True)
    lists("alpha", "lent", use=["user:otto"])
    told = seen.board_history(root, "alpha")[0]
    assert (told.text, told.why, told.who) == ("changed who may do what", "lent", "lab")
    assert [str(one) for one in told.changes] == ["access.use: user:otto"]
    assert seen.board_history(otto, "alpha")[0].changes == ()


def test_a_history_does_not_name_what_its_reader_may_not_know_of(client: Client) -> None:
    make_inventory("alpha", "beta")
    type_commands.register_device_type("secret", "board", "", {}, base="bench", actor="lab")
    board_commands.clone_board("beta", "gamma", actor="lab")
    for one in ("secret", "bench"):
        board_commands.change_board("gamma", device_type=one, actor="lab")
    type_commands.register_device_type("open", "board", "", {}, base="secret", actor="lab")
    type_commands.change_device_type("open", base="bench", actor="lab")
    otto, root = make_user("otto"), make_user("root", is_superuser=True)
    lists("beta", view=["nobody"])
    type_lists("secret", view=["nobody"])

    def told(user: User) -> list[str]:
        entries = [*seen.board_history(user, "gamma"), *seen.device_type_history(user, "open")]
        return [f"{one.text}: {change}" for one in entries for change in one.changes]

    assert told(root) == [
        "changed device type: device type: secret → bench",
        "changed device type: device type: bench → secret",
        "registered: cloned from: beta",
        "registered: device type: bench",
        "registered: site: default",
        "changed base: base: secret → bench",
        "registered: kind: board",
        "registered: base: secret",
    ]
    assert told(otto) == [
        "changed device type: device type: bench",
        "registered: device type: bench",
        "registered: site: default",
        "changed base: base: bench",
        "registered: kind: board",
    ]
    client.force_login(otto)
    events = client.get("/api/v1/events/").json()["events"]
    assert not {"beta", "secret"} & set(re.findall(r"\w+", str(events)))
    (first, to_secret, back) = [one["data"] for one in events if one["stream"] == "board/gamma"]
    assert (first["cloned_from"], to_secret["changes"]) == ("", {})
    assert back["changes"] == {"device_type": "bench"}


def test_a_board_may_be_closed_from_its_first_moment_and_rebuilding_keeps_the_lists(erika: User) -> None:
    make_inventory("alpha")
    type_lists("kvm", use=["user:erika"])
    board_commands.register_board(
        "hush", "bench", "default", [], "", {}, access={"view": ["nobody"]}, actor="lab"
    )
    assert not rights.may(erika, "view", "hush")
    call_command("rebuild_projections", verbosity=0)
    assert Board.objects.get(pk="hush").access == {"view": ["nobody"]}
    assert not rights.may(erika, "view", "hush")
    assert rights.may_type(erika, "use", "kvm")
    assert not rights.may_type(make_user("otto"), "use", "kvm")


def test_the_lists_of_the_lab_hold_where_nothing_else_is_said(erika: User, settings: Any) -> None:
    make_inventory("alpha", "beta")
    type_commands.register_device_type("special", "board", "", {}, base="bench", actor="lab")
    add_board("gamma", host_type="special")
    type_lists("bench", handle=["user:erika"])
    lists("beta", use=["everybody"])
    settings.LABBOOK = settings.LABBOOK | {"ACCESS": {"use": ["nobody"]}}
    may = {name: rights.may(erika, "use", name) for name in ("alpha", "beta", "gamma")}
    assert may == {"alpha": False, "beta": True, "gamma": False}
    assert rights.may(erika, "handle", "gamma"), "its type is based on one that says so"


def test_rest_tells_one_s_rights_and_changes_the_lists() -> None:
    make_inventory("alpha")
    root, otto = make_user("root", is_superuser=True), make_user("otto")
    api = Client(headers={"Authorization": f"Token {make_token(root, 'x')}"})
    url = "/api/v1/boards/alpha/access/"
    before = api.get(url)
    assert before.json()["access"] == {}
    body = json.dumps({"access": {"use": ["user:otto"], "administer": ["user:otto"]}, "reason": "lent"})
    options: dict[str, Any] = {"data": body, "content_type": "application/json"}
    assert api.put(url, **options).status_code == 428
    done = api.put(url, **options, headers={"If-Match": before["ETag"]})
    assert done.json()["effective"] == {"use": ["user:otto"], "administer": ["user:otto"]}
    assert api.put(url, **options, headers={"If-Match": '"1"'}).status_code == 412
    bad = json.dumps({"access": {"fly": ["user:otto"]}})
    answer = api.put(url, bad, content_type="application/json", headers={"If-Match": "*"})
    assert answer.status_code == 409
    assert "'fly' is no right" in answer.json()["detail"]
    his = Client(headers={"Authorization": f"Token {make_token(otto, 'x')}"}).get(url).json()
    assert his["rights"] == ["view", "use", "console", "handle", "administer"]
    other = Client().get(url).json()
    assert other == {
        "access": None,
        "effective": None,
        "rights": ["view"],
        "granted_by": "otto or the lab's administrators",
    }


def test_many_boards_cost_no_more_queries_than_few(erika: User) -> None:
    make_inventory("alpha", "beta")
    lists("beta", view=["nobody"])

    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            rights.hidden(erika)
            seen.boards(erika)
            queries.job_list(erika)
            feed.feed(erika, 0)
            exchange.export_text(erika)
        return len(captured)

    lists("alpha", administer=["user:erika"])
    asked()  # what a person may do in the whole lab is looked up once
    few = asked()
    for number in range(20):
        add_board(f"more-{number}")
        lists(f"more-{number}", view=["user:erika"] if number % 2 else ["nobody"])
        if number > 15:
            lists(f"more-{number}", administer=["user:erika"])
    assert asked() <= few
    assert set(re.findall(r"alpha|beta|more-\d+", exchange.export_text(erika))) == {
        "alpha",
        *(f"more-{number}" for number in range(16, 20)),
    }
    assert len(seen.boards(erika)) == 13


def test_the_terminal_shows_lists_and_changes_some_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    make_inventory("alpha")
    make_user("ada")
    type_lists("bench", handle=["user:ada"])
    lists("alpha", use=["user:ada"])
    call_command("board", "alpha", "access", "--view", "user:ada, everybody", "--use", "")
    assert Board.objects.get(pk="alpha").access == {"view": ["everybody", "user:ada"]}
    told = capsys.readouterr().out
    assert "view        everybody, user:ada\n" in told
    assert "use         (the default)\n" in told
    assert "handle      user:ada  (says its type, or the lab)\n" in told


def test_the_admin_shows_lists_and_changes_them() -> None:
    make_inventory("alpha")
    inge, ada = make_user("inge", is_staff=True), make_user("ada")
    type_lists("bench", handle=["user:ada"])
    lists("alpha", administer=["user:inge"])
    client, page = Client(), "/admin/devices/board/alpha/access/"
    client.force_login(inge)
    assert "Permissions…" in client.get("/admin/devices/board/alpha/change/").content.decode()
    shown = client.get(page)
    assert "as its type or the lab says: user:ada" in shown.content.decode()
    form = {field.name: field.value() or "" for field in shown.context["form"]}
    assert form["administer"] == "user:inge"
    refused = client.post(page, form | {"use": "ada"})
    assert "&#x27;ada&#x27; names nobody" in refused.content.decode()
    assert client.post(page, form | {"use": "user:ada\n", "reason": "lent"}).status_code == 302
    assert rights.may(ada, "use", "alpha")
    assert Board.objects.get(pk="alpha").access == {"use": ["user:ada"], "administer": ["user:inge"]}
    assert "edited after you opened it" in client.post(page, form).content.decode()
    assert client.get("/admin/devices/devicetype/bench/access/").status_code in (302, 403)
