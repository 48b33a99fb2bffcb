"""The inventory in the admin: real views, through Django's test client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import board_commands, histories, loading, queries, type_commands
from devices.domain import board as boards
from devices.forms import BoardForm
from devices.models import Board, DeviceType
from lab.eventstore.store import store
from lab.kernel.events import Meta
from lab.kernel.ports import Append
from tests.support.inventory import HOST, HOST_TYPE, register_board, register_types

BOARDS = "/admin/devices/board/"
TYPES = "/admin/devices/devicetype/"


def logged_in(name: str, *permissions: str, superuser: bool = False) -> Client:
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def lab(db: None) -> None:
    register_types()
    register_board()


@pytest.fixture
def ada(lab: None) -> Client:
    """A superuser."""
    return logged_in("ada", superuser=True)


def form_of(client: Client, address: str) -> dict[str, Any]:
    """Return what a browser would send back for the form on a page, untouched."""
    form = client.get(address).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: "" if value is None else value for name, value in values.items()}


def text(response: Any) -> str:
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def errors(response: Any, field: str) -> list[str]:
    return list(response.context["adminform"].form.errors.get(field, []))


def messages(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


NEW_BOARD = {
    "name": "b2",
    "device_type": "ssh-host",
    "site": "default",
    "tags": "fast, sata",
    "description": "rack B2",
    "config": "ssh:\n  host: 10.0.0.7\n",
}


def test_a_board_added_in_the_admin_is_registered_by_its_admin(ada: Client) -> None:
    response = ada.post(f"{BOARDS}add/", NEW_BOARD, follow=True)
    assert "was added successfully" in text(response)
    (registered,) = store.read("board/b2")
    assert (registered.event.type, registered.meta.actor, registered.meta.cause) == (
        "board.registered",
        "ada",
        "admin",
    )
    board = queries.board("b2")
    assert (board.tags, board.state, board.description) == (("fast", "sata"), "free", "rack B2")
    assert queries.effective_config("b2").ssh.host == "10.0.0.7"


def test_a_configuration_is_refused_at_its_field_with_lines(ada: Client) -> None:
    config = "ssh:\n  host: 10.0.0.7\n  prot: 22\nwork_dir: /\nruns: [kwm]\n"
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | {"config": config})
    assert response.status_code == 200
    assert errors(response, "config") == [
        "Line 3: ssh.prot: there is no such key (did you mean port?)",
        "Line 4: work_dir: '/' is no folder to work in (an absolute path below /, without .. and blanks)",
    ]
    config = "ssh:\n  host: 10.0.0.7\nruns: [kwm]\n"
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | {"config": config})
    assert errors(response, "config") == [
        "Line 3: runs[0]: there is no VM type 'kwm' (did you mean kvm?)",
    ]
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | {"config": "ssh: {host: 'a"})
    assert errors(response, "config") == [
        "line 1, column 15: found unexpected end of stream (expected YAML or JSON)"
    ]
    assert not Board.objects.filter(pk="b2").exists()


def test_problems_stand_in_the_order_of_the_text(ada: Client) -> None:
    config = "ssh:\n  hots: x\n  port: 0\nrun: []\n"
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | {"config": config})
    assert [words.split(": ")[:2] for words in errors(response, "config")] == [
        ["Line 2", "ssh.hots"],
        ["Line 3", "ssh.port"],
        ["Line 4", "run"],
        ["ssh.host", "this is missing (the host's name or address)"],
    ]


def test_every_field_says_what_is_wrong_with_it(ada: Client) -> None:
    wrong = {"name": "b 2", "site": "a/b", "tags": "ok, -no", "description": "x" * 5000, "device_type": "kvm"}
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | wrong)
    assert errors(response, "name")[0].startswith("'b 2' is no name for a board")
    assert errors(response, "site")[0].startswith("'a/b' is no name for a site")
    assert errors(response, "tags")[0].startswith("'-no' is no tag")
    assert errors(response, "description") == ["The description has 5000 characters; the most is 4000."]
    assert errors(response, "device_type")


def test_a_name_that_is_taken_is_refused_in_words(ada: Client) -> None:
    response = ada.post(f"{BOARDS}add/", NEW_BOARD | {"name": "b1"})
    assert errors(response, "__all__") == [
        "There is a board b1 already: change that one, or choose another name."
    ]


def test_a_form_that_is_saved_untouched_changes_nothing(ada: Client) -> None:
    for address, stream in (
        (f"{BOARDS}b1/change/", "board/b1"),
        (f"{TYPES}ssh-host/change/", "device-type/ssh-host"),
    ):
        assert ada.post(address, form_of(ada, address)).status_code == 302
        assert len(store.read(stream)) == 1


def test_a_change_holds_what_changed_and_why(ada: Client) -> None:
    address = f"{BOARDS}b1/change/"
    changed = form_of(ada, address) | {"tags": "slow", "reason": "new cable"}
    assert ada.post(address, changed).status_code == 302
    event = store.read("board/b1")[-1].event
    assert (event.changes, event.reason) == ({"tags": ["slow"]}, "new cable")  # type: ignore[attr-defined]


def test_what_somebody_else_saved_meanwhile_is_not_overwritten(ada: Client) -> None:
    address = f"{BOARDS}b1/change/"
    mine = form_of(ada, address) | {"description": "mine"}
    bob = logged_in("bob", superuser=True)
    assert bob.post(address, form_of(bob, address) | {"description": "Bob's"}).status_code == 302
    response = ada.post(address, mine)
    (words,) = errors(response, "__all__")
    assert words.startswith("Board b1 was edited after you opened it: bob changed its description at ")
    assert Board.objects.get(pk="b1").description == "Bob's"


def test_a_job_that_takes_the_board_meanwhile_is_no_edit(ada: Client) -> None:
    address = f"{BOARDS}b1/change/"
    mine = form_of(ada, address) | {"description": "mine"}
    board_commands.set_board_health("b1", "good", actor="lab")
    assert ada.post(address, mine).status_code == 302
    assert Board.objects.get(pk="b1").description == "mine"


def test_delete_is_retire_and_needs_a_reason(ada: Client) -> None:
    address = f"{BOARDS}b1/delete/"
    assert "leaves the inventory for good" in text(ada.get(address))
    assert "Say why: a reason is needed to retire board b1." in text(ada.post(address, {"reason": " "}))
    response = ada.post(address, {"reason": "burnt"}, follow=True)
    assert messages(response) == ["Board b1 is retired."]
    assert (queries.board("b1").state, queries.board("b1").reason) == ("retired", "retired: burnt")
    assert "b1" not in [row.name for row in ada.get(BOARDS).context["cl"].result_list]
    assert "b1" in [row.name for row in ada.get(f"{BOARDS}?state=retired").context["cl"].result_list]
    page = ada.get(f"{BOARDS}b1/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in text(page)
    assert ada.post(f"{BOARDS}b1/change/", {}).status_code == 403


def test_nothing_is_deleted_in_bulk(ada: Client) -> None:
    assert [name for name, _ in ada.get(BOARDS).context["action_form"].fields["action"].choices] == [
        "",
        "take_offline",
        "bring_online",
        "check_health",
        "test_connections",
        "power_on",
        "power_off",
        "power_cycle",
        "release",
        "retire_all",
        "export_yaml",
    ]
    ada.post(BOARDS, {"action": "delete_selected", "_selected_action": ["b1"], "post": "yes"})
    assert Board.objects.filter(pk="b1").exists()


def test_boards_go_offline_together_with_one_reason(ada: Client) -> None:
    register_board("b2")
    chosen = {"action": "take_offline", "_selected_action": ["b1", "b2"]}
    page = ada.post(BOARDS, chosen)
    assert "b1" in text(page)
    assert "No new job gets it" in text(page)
    assert queries.board("b1").state == "free"
    response = ada.post(BOARDS, chosen | {"confirmed": "yes", "reason": "power cut"}, follow=True)
    assert messages(response) == ["Board b1 is offline. Board b2 is offline."]
    assert queries.board("b2").reason == "offline: power cut"
    response = ada.post(
        BOARDS, {"action": "bring_online", "_selected_action": ["b1"], "confirmed": "yes"}, follow=True
    )
    assert messages(response) == ["Board b1 is online."]
    response = ada.post(
        BOARDS, {"action": "bring_online", "_selected_action": ["b1", "b2"], "confirmed": "yes"}, follow=True
    )
    assert messages(response) == ["Board b1 is online already.", "Board b2 is online."]


def test_a_board_is_taken_offline_from_its_own_page(ada: Client) -> None:
    page = ada.get(f"{BOARDS}b1/change/")
    assert [step.button for step in page.context["steps"]] == [
        "Take offline",
        "Health good",
        "Health bad",
        "Test connections",
        "Retire",
    ]
    response = ada.post(f"{BOARDS}b1/do/offline/", {"reason": "dust"}, follow=True)
    assert messages(response) == ["Board b1 is offline."]
    assert "dust" in text(response)
    response = ada.post(f"{BOARDS}b1/do/bad/", {"reason": "no prompt"}, follow=True)
    assert queries.board("b1").health == "bad"
    response = ada.post(f"{BOARDS}b1/do/online/", {}, follow=True)
    assert queries.board("b1").reason == "unhealthy: no prompt"
    response = ada.post(f"{BOARDS}b1/do/good/", {}, follow=True)
    assert queries.board("b1").free
    response = ada.post(f"{BOARDS}b1/do/online/", {}, follow=True)
    assert messages(response) == ["Nothing done: that cannot be done to b1 as it is now."]


def test_a_board_that_is_offline_may_get_another_reason(ada: Client) -> None:
    board_commands.take_board_offline("b1", "dust", actor="lab")
    assert "It stays offline" in text(ada.get(f"{BOARDS}b1/do/offline/"))
    ada.post(f"{BOARDS}b1/do/offline/", {"reason": "mud"})
    assert queries.board("b1").reason == "offline: mud"
    assert "offline for that very reason" in text(ada.post(f"{BOARDS}b1/do/offline/", {"reason": "mud"}))


def test_a_board_held_by_a_job_says_so(ada: Client) -> None:
    found = loading.load_board("b1")
    events = boards.reserve(found.state, 57)
    store.append(Append(stream=found.stream, expected=found.version, events=events), meta=Meta(actor="lab"))
    assert '<a href="/jobs/57/"' in text(ada.get(BOARDS))
    address = f"{BOARDS}b1/change/"
    response = ada.post(address, form_of(ada, address) | {"site": "elsewhere"})
    assert errors(response, "__all__")[0].startswith(
        "Board b1 is reserved for job 57, which relies on its site"
    )
    board_commands.take_board_offline("b1", "dust", actor="lab")
    assert "reserved</span> then" in text(ada.get(BOARDS))
    found = loading.load_board("b1")
    events = boards.quarantine(found.state, 57, "a qemu runs")
    store.append(Append(stream=found.stream, expected=found.version, events=events), meta=Meta(actor="lab"))
    response = ada.post(f"{BOARDS}b1/do/online/", {"reason": ""})
    assert "a reason is needed to end the quarantine of board b1" in text(response)


def test_a_configuration_that_rules_no_longer_allow_is_shown_with_its_problems(ada: Client) -> None:
    Board.objects.update(config={"ssh": {"host": "b1"}, "kvm": "once allowed"})
    assert "kvm: &#x27;once allowed&#x27; is not known here" in text(ada.get(f"{BOARDS}b1/change/"))


def test_history_is_the_event_stream(ada: Client) -> None:
    address = f"{BOARDS}b1/change/"
    ada.post(
        address, form_of(ada, address) | {"config": "ssh: {host: 127.0.0.1, port: 2223}", "reason": "moved"}
    )
    ada.post(f"{BOARDS}b1/do/offline/", {"reason": "<b>dust</b>"})
    page = ada.get(f"{BOARDS}b1/history/")
    entries = list(page.context["page"])
    assert [entry.text for entry in entries] == ["taken offline", "changed config", "registered"]
    assert [(entry.who, entry.cause, entry.why) for entry in entries] == [
        ("ada", "admin", "<b>dust</b>"),
        ("ada", "admin", "moved"),
        ("lab", "", ""),
    ]
    assert [str(change) for change in entries[1].changes] == ["config.ssh.port: 2222 → 2223"]
    assert f"#{store.head()}" in text(page)
    assert "&lt;b&gt;dust" in text(page)
    types = ada.get(f"{TYPES}kvm/history/")
    assert [entry.text for entry in types.context["page"]] == ["registered"]


def test_history_comes_in_pages(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(110):
        board_commands.set_board_health("b1", "good", f"check {number}", actor="lab")
    read: list[int] = []
    recorded = type(store)._recorded

    def counted(self: Any, row: Any) -> Any:
        read.append(row.version)
        return recorded(self, row)

    monkeypatch.setattr(type(store), "_recorded", counted)
    first = ada.get(f"{BOARDS}b1/history/")
    assert [entry.version for entry in first.context["page"]] == list(range(111, 11, -1))
    assert set(read) <= set(range(11, 112)), "of older ones at most what tells the oldest of the page"
    last = ada.get(f"{BOARDS}b1/history/?p=2")
    assert [entry.version for entry in last.context["page"]] == list(range(11, 0, -1))
    assert [entry.text for entry in last.context["page"]][-1] == "registered"
    assert "111 events" in text(last)
    # Who edits while somebody else does is shown what came after the page that he saw.
    address = f"{BOARDS}b1/change/"
    form = form_of(ada, address) | {"description": "mine"}
    board_commands.change_board("b1", site="rack-9", actor="lab")
    read.clear()
    (entry,) = ada.post(address, form).context["meanwhile"]
    assert (entry.version, str(entry.changes[0])) == (112, "site: default → rack-9")
    assert set(read) <= {112, 1}


def test_a_long_history_of_a_type_is_read_no_further_than_it_is_told(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "STEP", 2)
    for number in range(20):
        type_commands.change_device_type("kvm", description=f"the {number}.", actor="lab")
    whole = queries.device_type_history("kvm")
    for before, limit in ((None, 3), (15, 3), (3, 5), (1, 5)):
        told = queries.device_type_history("kvm", before=before, limit=limit)
        assert told == [one for one in whole if before is None or one.version < before][:limit]
    with CaptureQueriesContext(connection) as asked:
        (last,) = queries.device_type_history("kvm", limit=1)
    assert [str(change) for change in last.changes] == ["description: the 18. → the 19."]
    assert all("LIMIT" in one["sql"] for one in asked if "es_event" in one["sql"])


def test_device_types_are_added_changed_and_retired(ada: Client) -> None:
    vm = {"name": "arm", "kind": "vm", "description": "", "config": "qemu: qemu-system-arm"}
    response = ada.post(f"{TYPES}add/", vm)
    assert errors(response, "config") == [
        "machine: this is missing (qemu's machine, such as virt)",
        "cpu: this is missing (the model of the processor under emulation, such as cortex-a15 or max)",
    ]
    vm["config"] = '{"qemu": "qemu-system-arm", "machine": "virt", "cpu": "cortex-a15"}'
    assert ada.post(f"{TYPES}add/", vm).status_code == 302
    address = f"{TYPES}arm/change/"
    ada.post(address, form_of(ada, address) | {"description": "32 bits"})
    assert DeviceType.objects.get(pk="arm").description == "32 bits"
    ada.post(f"{TYPES}arm/delete/", {"reason": "slow"})
    assert "arm" not in [view.name for view in queries.vm_types()]
    response = ada.post(f"{TYPES}ssh-host/delete/", {"reason": "old"})
    assert "has boards in use (b1)" in text(response)
    names = [row.name for row in ada.get(TYPES).context["cl"].result_list]
    assert names == ["ssh-host", "kvm"]


def test_a_type_cannot_break_its_boards(ada: Client) -> None:
    address = f"{TYPES}ssh-host/change/"
    response = ada.post(address, form_of(ada, address) | {"config": "ssh: {host: x}\nruns: [kvm, kvm]"})
    assert errors(response, "config") == ["Line 2: runs[1]: 'kvm' is there twice (once is enough)"]


def test_what_nobody_has_gives_a_way_back(ada: Client) -> None:
    for page in ("history/", "delete/", "do/offline/"):
        response = ada.get(f"{BOARDS}nix/{page}", follow=True)
        assert messages(response) == ["There is no board nix."]


def test_lists_are_filtered_and_searched(ada: Client) -> None:
    register_board("b2", tags=["sata"], description="rack B2")
    board_commands.take_board_offline("b2", "dust", actor="lab")

    def found(query: str) -> list[str]:
        return [row.name for row in ada.get(f"{BOARDS}?{query}").context["cl"].result_list]

    assert found("state=offline") == ["b2"]
    assert found("state=free") == ["b1"]
    assert found("state=reserved") == found("state=quarantined") == []
    assert found("tag=sata") == ["b2"]
    assert found("q=rack") == found("q=SATA") == found("q=dust") == ["b2"]
    assert found("device_type__name__exact=ssh-host&site=default") == ["b1", "b2"]
    assert "dust" in text(ada.get(BOARDS))


def test_staff_without_permissions_sees_nothing(lab: None) -> None:
    nobody = logged_in("nobody")
    for page in ("", "add/", "b1/change/", "b1/history/", "b1/delete/", "b1/do/offline/"):
        assert nobody.get(BOARDS + page).status_code == 403, page


def test_staff_that_may_look_can_only_look(lab: None) -> None:
    viewer = logged_in("viewer", "view_board", "view_devicetype")
    page = viewer.get(f"{BOARDS}b1/change/")
    assert page.context["steps"] == []
    assert 'name="_save"' not in text(page)
    assert "127.0.0.1" in text(page)
    assert viewer.get(f"{BOARDS}b1/history/").status_code == 200
    assert viewer.get(f"{TYPES}ssh-host/change/").status_code == 200
    actions = viewer.get(BOARDS).context["action_form"].fields["action"].choices
    assert [name for name, _ in actions] == ["", "export_yaml"]
    for page_ in ("add/", "b1/change/", "b1/delete/", "b1/do/offline/", "b1/do/delete/"):
        assert viewer.post(BOARDS + page_, {"reason": "x"}).status_code == 403, page_
    viewer.post(
        BOARDS, {"action": "take_offline", "_selected_action": ["b1"], "confirmed": "1", "reason": "x"}
    )
    assert len(store.read("board/b1")) == 1


def test_who_loses_the_permission_while_the_form_is_open_is_refused_by_the_command(lab: None) -> None:
    form = BoardForm(NEW_BOARD)
    form.actor = User.objects.create_user("late", is_staff=True)
    with pytest.raises(PermissionDenied, match="late may not register boards"):
        form.is_valid()


def test_staff_that_may_change_cannot_add_or_retire(lab: None) -> None:
    carer = logged_in("carer", "view_board", "change_board")
    assert carer.post(f"{BOARDS}b1/do/offline/", {"reason": "dust"}).status_code == 302
    assert queries.board("b1").state == "offline"
    address = f"{BOARDS}b1/change/"
    assert carer.post(address, form_of(carer, address) | {"tags": ""}).status_code == 302
    offered = [step.key for step in carer.get(address).context["steps"]]
    assert offered == ["online", "offline", "good", "bad", "test"]
    assert carer.post(f"{BOARDS}add/", NEW_BOARD).status_code == 403
    assert carer.post(f"{BOARDS}b1/delete/", {"reason": "x"}).status_code == 403
    assert queries.board("b1").state == "offline"


# -- types based on others -----------------------------------------------------------------------


NEW_TYPE = {"name": "big", "kind": "vm", "base": "kvm", "description": "", "config": "memory: 4096\n"}


def test_a_vm_type_is_added_on_top_of_another_one(ada: Client) -> None:
    page = text(ada.get(f"{TYPES}add/"))
    assert "Seconds from start to prompt." in page, "what can be configured is told below the form"
    response = ada.post(f"{TYPES}add/", NEW_TYPE, follow=True)
    assert "was added successfully" in text(response)
    assert queries.vm_type_config("big").memory == 4096
    page = text(ada.get(f"{TYPES}big/change/"))
    assert "device type big, instead of" not in page
    assert "device type kvm" in page, "it says where each setting comes from"
    assert "big" in text(ada.get(f"{TYPES}kvm/change/")), "and who is based on it"
    listed = text(ada.get(f"{TYPES}?base=kvm"))
    assert "big" in listed
    assert "ssh-host" not in listed.partition("changelist-filter")[0].partition("result_list")[2]


def test_a_base_of_the_wrong_kind_is_refused_at_its_field(ada: Client) -> None:
    response = ada.post(f"{TYPES}add/", NEW_TYPE | {"base": "ssh-host"})
    assert errors(response, "base") == [
        "ssh-host is a type of boards, and this one of virtual machines: choose one of its own kind."
    ]


def test_a_change_that_would_break_a_board_is_refused_at_the_line_with_the_board(ada: Client) -> None:
    type_commands.change_device_type("ssh-host", config={**HOST_TYPE, **HOST}, actor="lab")
    board_commands.change_board("b1", config={"boot": {"address": ""}}, actor="lab")
    address = f"{TYPES}ssh-host/change/"
    config = "runs: [kvm]\nssh:\n  user: lab\n  host: ''\nboot:\n  address: 'inet (.*)'\n"
    response = ada.post(address, form_of(ada, address) | {"config": config})
    (told,) = errors(response, "config")
    assert told.startswith("With this, board b1 could not be used: Line 4: ssh.host: this is missing")


def test_a_board_is_shown_with_where_its_settings_come_from(ada: Client) -> None:
    page = text(ada.get(f"{BOARDS}b1/change/"))
    assert "board b1, instead of 22 of device type ssh-host" in page
    assert "<code>work_dir</code>" in page


def test_a_board_is_checked_from_the_admin(ada: Client) -> None:
    assert "do/check/" not in text(ada.get(f"{BOARDS}b1/change/"))
    shell = {
        "command": "lava_test_shell",
        "parameters": {"testdef": "{metadata: {name: a}, run: {steps: [b]}}"},
    }
    definition = {
        "job_name": "well?",
        "timeout": 60,
        "vm_group": {
            "host": {"role": "host"},
            "vms": [{"device_type": "kvm", "role": "g", "image": "http://images.test/x.img"}],
        },
        "actions": [{"command": "dummy_deploy", "parameters": {"role": "host"}}, shell],
    }
    health = {"definition": json.dumps(definition)}
    board_commands.change_board("b1", config={**HOST, "health": health}, actor="lab")
    assert "do/check/" in text(ada.get(f"{BOARDS}b1/change/"))
    response = ada.post(f"{BOARDS}b1/do/check/", {"reason": "pale"}, follow=True)
    assert messages(response) == ["Board b1 is to be checked."]
    assert queries.board("b1").check_job == 1
    assert "being checked by" in text(response)
    assert "do/check/" not in text(response)
    bulk = {"action": "check_health", "_selected_action": ["b1"], "confirmed": "yes", "reason": ""}
    assert "is being checked already" in messages(ada.post(BOARDS, bulk, follow=True))[0]


def test_a_wrong_health_check_is_refused_at_its_line(ada: Client) -> None:
    address = f"{TYPES}ssh-host/change/"
    config = "runs: [kvm]\nhealth:\n  definition: |\n    job_name: x\n    timeout: soon\n"
    response = ada.post(address, form_of(ada, address) | {"config": config})
    told = errors(response, "config")
    assert all(one.startswith("Line 3: health.definition: line ") for one in told), told
    assert any("line 2, column 10: timeout" in one for one in told), told
