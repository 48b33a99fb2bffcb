"""The inventory as a text: out, compared, and in again, by the commands of everything else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import board_commands, exchange, queries, type_commands
from devices.domain import history, inventory_text
from devices.domain.parse_config import BadConfig
from devices.models import Board
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected
from lab.tokens.models import make_token
from tests.support.inventory import HOST, HOST_TYPE, register_board, register_types
from tests.support.jobs import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lab(db: None) -> None:
    register_types()
    register_board()


def bring(text: str, **options: Any) -> exchange.Outcome:
    told: dict[str, Any] = {"dry_run": False, "actor": "cli:root", "cause": "cli"} | options
    return exchange.import_text(text, **told)


def done(outcome: exchange.Outcome) -> dict[str, str]:
    return {one.entry.name: one.doing for one in outcome.done}


def test_what_is_written_is_read_as_the_same() -> None:
    Group.objects.create(name="kernel")
    board_commands.change_board_access("b1", {"use": ["group:kernel"]}, actor="lab")
    type_commands.register_device_type(
        "fast", "board", "Über\nzwei", {"boot": {"login_prompt": "on: "}}, base="ssh-host", actor="lab"
    )
    text = exchange.export_text("lab")
    head = store.head()
    outcome = bring(text)
    assert done(outcome) == {"kvm": "as it is", "ssh-host": "as it is", "fast": "as it is", "b1": "as it is"}
    assert (outcome.summary, store.head()) == ("4 as it is", head)


def test_a_dry_run_shows_the_differences_and_does_nothing() -> None:
    text = """
inventory: 1
boards:
  b1:
    tags: [slow]
    config: {ssh: {host: 10.0.0.9, port: 2222}}
  b2:
    type: bench
    config: {ssh: {host: 10.0.0.7}}
types:
  bench: {kind: board, base: ssh-host, config: {runs: [kvm-2]}}
  kvm-2: {kind: vm, base: kvm}
"""
    head = store.head()
    dry = bring(text, dry_run=True)
    assert done(dry) == {"kvm-2": "added", "bench": "added", "b1": "changed", "b2": "added"}
    assert [str(change) for change in dry.done[2].changes] == [
        "tags: fast → slow",
        "config.ssh.host: 127.0.0.1 → 10.0.0.9",
    ]
    assert (store.head(), dry.applied, dry.summary) == (head, False, "3 added, 1 changed")
    real = bring(text, reason="moved to rack 9", expected=dry.versions)
    assert real.applied
    assert queries.effective_config("b2").runs == ("kvm-2",)
    entry = queries.board_history("b1")[0]
    assert (entry.why, entry.who, entry.cause) == ("moved to rack 9", "cli:root", "cli")
    # What an entry left out stays.
    assert queries.board("b1").site == "default"


def test_who_came_in_between_is_not_overwritten() -> None:
    text = "inventory: 1\nboards:\n  b1: {description: mine}\n"
    dry = bring(text, dry_run=True)
    board_commands.change_board("b1", description="Bob's", actor="lab")
    outcome = bring(text, expected=dry.versions)
    assert not outcome.applied
    assert outcome.refused[0].problems == (
        ["Line 3: Somebody changed it after you looked at the differences: look at them again."]
    )
    assert Board.objects.get(pk="b1").description == "Bob's"


def test_nobody_waits_while_a_text_is_compared_and_edits_meanwhile_are_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compare = history.differences
    held: list[bool] = []
    outside = len(connection.savepoint_ids)  # the test itself runs in a transaction

    def edited_meanwhile(*args: Any) -> Any:
        held.append(len(connection.savepoint_ids) > outside)
        board_commands.change_board("b1", tags=["new"], actor="lab")
        return compare(*args)

    monkeypatch.setattr(exchange, "differences", edited_meanwhile)
    text = "inventory: 1\nboards:\n  b1: {description: mine, access: {use: [everybody]}}\n"
    outcome = bring(text)
    assert (held, outcome.applied) == ([False], False)
    assert "Line 3: Board b1 was edited after you opened it" in outcome.refused[0].problems[0]
    monkeypatch.undo()
    assert bring(text).summary == "1 changed"
    row = Board.objects.get(pk="b1")
    assert (row.description, row.tags, row.access) == ("mine", ["new"], {"use": ["everybody"]})


def test_what_is_as_the_text_says_must_be_so_still_when_the_rest_goes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_board("b2")
    text = "inventory: 1\nboards:\n  b1: {description: mine}\n  b2: {tags: [fast]}\n"
    bring_in = exchange._brought_in
    meanwhile: list[Callable[[], None]] = [
        lambda: board_commands.take_board_offline("b2", "smells", actor="lab"),
        lambda: board_commands.change_board("b2", tags=["new"], actor="lab"),
    ]

    def moved_meanwhile(found: Any, *rest: Any) -> Any:
        if found.entry.name == "b1":
            meanwhile.pop()()
        return bring_in(found, *rest)

    monkeypatch.setattr(exchange, "_brought_in", moved_meanwhile)
    outcome = bring(text)
    assert (outcome.applied, done(outcome)) == (False, {"b1": "changed", "b2": "refused"})
    assert "Line 4: Board b2 was edited after you opened it" in outcome.refused[0].problems[0]
    # What happens to a board is no edit.
    assert done(bring(text)) == {"b1": "changed", "b2": "as it is"}
    assert meanwhile == []


@pytest.mark.parametrize("who", ["keeper", "guest"])
def test_a_long_text_is_compared_with_as_few_questions_as_a_short_one(who: str) -> None:
    for number in range(5):
        register_board(f"n{number}")
        type_commands.register_device_type(f"t{number}", "vm", "", {}, base="kvm", actor="lab")
    user = make_user(who)
    if who == "keeper":
        wanted = ["view_board", "view_devicetype", "change_board"]
        user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    else:
        board_commands.change_board_access("b1", {"view": ["nobody"]}, actor="lab")

    def questions(text: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            bring(text, dry_run=True, actor=User.objects.get(pk=user.pk))
        return len(asked)

    short = "inventory: 1\nboards: {n0: {tags: [fast]}}\ntypes: {t0: {kind: vm}}\n"
    long = exchange.export_text("lab", boards=[f"n{number}" for number in range(5)])
    assert questions(long) == questions(short) < 20


def test_one_text_brings_in_only_so_much(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LABBOOK = settings.LABBOOK | {"MAX_IMPORT": 2}
    known = exchange.export_text("lab")
    assert bring(known).summary == "3 as it is"
    new = "".join(f"  n{number}: {{kind: vm}}\n" for number in range(3))
    with pytest.raises(Rejected, match="adds or changes 3 types and boards; at most 2 go in at once"):
        bring(f"inventory: 1\ntypes:\n{new}", dry_run=True)
    monkeypatch.setattr(inventory_text, "MOST", 2)
    with pytest.raises(BadConfig, match="the text names 3 types and boards, and may name 2"):
        bring(known)


def test_all_or_nothing_and_each_problem_with_its_line() -> None:
    text = """inventory: 1
types:
  new: {kind: board, base: ssh-host}
boards:
  b1:
    config:
      ssh: {host: 10.0.0.9}
      work_dri: /tmp
  b2: {tags: []}
  b3: {type: nowhere}
"""
    head = store.head()
    outcome = bring(text)
    assert done(outcome) == {"new": "added", "b1": "refused", "b2": "refused", "b3": "refused"}
    assert [problem for one in outcome.refused for problem in one.problems] == [
        "Line 8: work_dri: there is no such key (did you mean work_dir?)",
        "Line 9: It is new: say its type.",
        "Line 10: There is no device type 'nowhere'.",
    ]
    assert (store.head(), outcome.applied) == (head, False)


def test_a_text_that_is_no_inventory_is_refused_as_a_whole() -> None:
    text = "inventory: 2\nbords: {}\nboards:\n  b1: {tpye: x, tags: a, config: []}\ntypes: {t: {kind: dog}}\n"
    with pytest.raises(BadConfig) as refused:
        bring(text)
    assert [problem.message for problem in refused.value.problems] == [
        "Line 1: inventory: this is no inventory that can be read here (inventory: 1)",
        "Line 2: bords: there is no such key (did you mean boards?)",
        "Line 5: types.t.kind: this must be board or vm",
        "Line 4: boards.b1.tpye: there is no such key (did you mean type?)",
        "Line 4: boards.b1.tags: this must be a list of texts",
        "Line 4: boards.b1.config: this must be keys with values",
    ]


def test_retired_names_and_other_kinds_are_refused() -> None:
    board_commands.retire_board("b1", "burnt", actor="lab")
    outcome = bring("inventory: 1\nboards: {b1: {site: x}}\ntypes: {kvm: {kind: board}}\n")
    kvm, board = outcome.refused
    assert kvm.problems == ["Line 3: There is a type of that name for something else (vm)."]
    assert "Board b1 is retired (burnt)" in board.problems[0]
    assert "b1" not in exchange.export_text("lab")


def test_the_command_writes_a_file_and_brings_it_in(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    call_command("inventory", "export", "-o", str(file))
    file.write_text(file.read_text().replace("fast", "slow"))
    out = io.StringIO()
    call_command("inventory", "import", str(file), "--dry-run", stdout=out)
    assert "board b1: changed\n    tags: fast → slow\n" in out.getvalue()
    assert "Nothing was done, this was a dry run: 1 changed, 2 as it is." in out.getvalue()
    assert queries.board("b1").tags == ("fast",)
    call_command("inventory", "import", str(file), stdout=out)
    assert out.getvalue().endswith("Done: 1 changed, 2 as it is.\n")
    assert queries.board("b1").tags == ("slow",)
    call_command("inventory", "export", "--board", "b1", "-o", str(file))
    assert "types" not in file.read_text()
    with pytest.raises(CommandError, match="There is no board 'b7' in use"):
        call_command("inventory", "export", "--board", "b7")
    file.write_text("inventory: 1\nboards: {b9: {}}\n")
    with pytest.raises(CommandError, match=r"Nothing was done: 1 refused\."):
        call_command("inventory", "import", str(file), stdout=out)


def test_programs_see_and_change_only_what_their_user_may() -> None:
    keeper, guest = make_user("keeper"), make_user("guest")
    wanted = [f"{do}_{what}" for do in ("add", "change", "view") for what in ("board", "devicetype")]
    keeper.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    api = Client(headers={"Authorization": f"Token {make_token(keeper, 'test')}"})
    other = Client(headers={"Authorization": f"Token {make_token(guest, 'test')}"})
    path = "/api/v1/inventory/"
    told = api.get(path)
    assert told.headers["Content-Type"] == "application/yaml"
    assert "host: 127.0.0.1" in told.content.decode()
    assert other.get(path).content.decode() == "inventory: 1\n"
    assert other.get(f"{path}?boards=b1").status_code == 404
    assert api.get(f"{path}?boards=b1").content.decode().count("\n") > 3

    def post(client: Client, **body: Any) -> Any:
        return client.post(path, json.dumps(body), "application/json")

    text = "inventory: 1\nboards:\n  b1: {config: {ssh: {host: 10.0.0.9, port: 2222}}}\n"
    (refused,) = post(other, text=text).json()["entries"]
    assert (refused["doing"], refused["changes"]) == ("refused", [])
    dry = post(api, text=text, dry_run=True).json()
    assert (dry["applied"], dry["versions"]) == (False, {"board/b1": 1})
    real = post(api, text=text, expected=dry["versions"]).json()
    assert (real["applied"], real["summary"]) == (True, "1 changed")
    assert post(api, text=text, dry_run="yes").status_code == 400
    assert post(api, text="inventory: [").status_code == 400
    with pytest.raises(NotFound):
        exchange.export_text(guest, boards=["b1"])


def test_a_dry_run_tells_nobody_what_is_hidden() -> None:
    board_commands.change_board_access("b1", {"view": ["nobody"]}, actor="lab")
    type_commands.change_device_type_access("kvm", {"view": ["nobody"]}, actor="lab")
    text = """
inventory: 1
types:
  KVM: {kind: vm}
boards:
  BOARD: {type: ssh-host}
"""

    def told(kvm: str, board: str) -> list[tuple[str, int, list[str]]]:
        outcome = bring(text.replace("KVM", kvm).replace("BOARD", board), dry_run=True, actor=guest)
        return [(one.doing, one.version, list(one.problems)) for one in outcome.done]

    guest = make_user("guest")
    assert told("kvm", "b1") == told("none", "b9")
    assert [doing for doing, *_ in told("kvm", "b1")] == ["refused", "refused"]


def test_what_a_change_would_break_or_hold_up_is_named_only_to_who_may_know_of_it() -> None:
    type_commands.change_device_type("ssh-host", config={**HOST_TYPE, **HOST}, actor="lab")
    type_commands.register_device_type("secret-vm", "vm", "", {}, base="kvm", actor="lab")
    type_commands.register_device_type("secret-arm", "board", "", {}, base="ssh-host", actor="lab")
    register_board("b7", device_type="secret-arm", config={})
    nobody = {"view": ["nobody"], "administer": ["nobody"]}
    for name in ("secret-vm", "secret-arm"):
        type_commands.change_device_type_access(name, nobody, actor="lab")
    keeper = make_user("keeper")
    type_commands.change_device_type_access(
        "ssh-host", {"view": ["everybody"], "administer": ["user:keeper"]}, actor="lab"
    )

    def refused(config: str, actor: Any) -> str:
        text = f"inventory: 1\ntypes: {{ssh-host: {{config: {config}}}}}"
        outcome = bring(text, dry_run=True, actor=actor)
        return " ".join(problem for one in outcome.refused for problem in one.problems)

    broken = "{runs: [kvm]}"
    assert "ssh: this is missing" in refused(broken, "lab")
    told = refused(broken, keeper)
    assert "With this configuration, a board that you may not see could not be used" in told
    assert ("b7" in told, "ssh:" in told) == (False, False)
    board_commands.change_board_access("b7", {"view": ["everybody"], "administer": ["nobody"]}, actor="lab")
    told = refused(broken, keeper)
    assert "board b7, whose configuration you may not see, could not be used" in told
    assert "this is missing" not in told
    # Neither is a VM type told as what may have been meant.
    typo = "{runs: [secret-vn]}"
    assert "did you mean secret-vm?" in refused(typo, "lab")
    assert "secret-vm" not in refused(typo, keeper)

    board_commands.change_board_access("b1", nobody, actor="lab")
    with pytest.raises(Rejected, match=r"has boards in use \(a board that you may not see\)"):
        type_commands.retire_device_type("ssh-host", "old", actor=keeper)
    board_commands.retire_board("b1", "burnt", actor="lab")
    board_commands.change_board_access("b7", nobody, actor="lab")
    with pytest.raises(Rejected, match=r"based on \(a device type that you may not see\)"):
        type_commands.retire_device_type("ssh-host", "old", actor=keeper)
    with pytest.raises(Rejected, match=r"based on \(secret-arm\)"):
        type_commands.retire_device_type("ssh-host", "old", actor="lab")
