"""Commands, read rows and queries of the inventory, on a database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connections
from django_q.models import OrmQ

from devices import board_commands, deciding, loading, projections, queries, type_commands
from devices.domain import board as boards
from devices.domain.events import BoardReleased, BoardReserved
from devices.domain.parse_config import BadConfig
from devices.models import Board, DeviceType
from lab.actors import authorise
from lab.eventstore.store import store
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import Conflict, NotFound, NotPermitted, Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append
from tests.support.databases import Database
from tests.support.inventory import HOST, HOST_TYPE, KVM, register_board, register_types

LAB = Meta(actor="lab")


def do(name: str, decide: Callable[[boards.Board], list[Event]]) -> None:
    """Do what jobs do: load, decide and append in one go, without a second try."""
    found = loading.load_board(name)
    store.append(Append(stream=found.stream, expected=found.version, events=decide(found.state)), meta=LAB)


def reserve(name: str, job: int) -> None:
    do(name, lambda board: boards.reserve(board, job))


# -- commands -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_board_of_a_type_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound, match="There is no device type 'ssh-host'"):
        register_board()


@pytest.mark.django_db
def test_a_type_may_only_run_vm_types_that_are_there() -> None:
    with pytest.raises(BadConfig, match=r"there is no VM type 'kvm' .register the type first"):
        type_commands.register_device_type("ssh-host", "board", "", HOST_TYPE, actor="lab")
    register_types()
    with pytest.raises(BadConfig, match="did you mean kvm"):
        type_commands.change_device_type("ssh-host", config={"runs": ["kmv"]}, actor="lab")
    with pytest.raises(BadConfig, match="did you mean kvm"):
        register_board(config=HOST | {"runs": ["kmv"]})
    register_board()
    with pytest.raises(BadConfig, match="did you mean kvm"):
        board_commands.change_board("b1", config=HOST | {"runs": ["kmv"]}, actor="lab")


@pytest.mark.django_db
def test_a_type_cannot_be_changed_so_that_a_board_of_it_breaks() -> None:
    register_types()
    type_commands.change_device_type("ssh-host", config={"ssh": {"host": "shared"}}, actor="lab")
    register_board(config={})
    with pytest.raises(Rejected, match="board b1 of the type could not be used: ssh: this is missing"):
        type_commands.change_device_type("ssh-host", config={}, actor="lab")
    board_commands.retire_board("b1", "burnt", actor="lab")
    type_commands.change_device_type("ssh-host", config={}, actor="lab")
    type_commands.change_device_type("ssh-host", description="only words", actor="lab")


@pytest.mark.django_db
def test_a_type_is_retired_after_its_boards() -> None:
    register_types()
    register_board()
    with pytest.raises(Rejected, match=r"has boards in use .b1.: retire them"):
        type_commands.retire_device_type("ssh-host", "old", actor="lab")
    assert not DeviceType.objects.get(pk="ssh-host").retired_reason
    board_commands.retire_board("b1", "burnt", actor="lab")
    type_commands.retire_device_type("ssh-host", "old", actor="lab")
    with pytest.raises(Rejected, match=r"is retired .old.: choose another"):
        register_board("b2")
    with pytest.raises(NotFound):
        type_commands.retire_device_type("nix", "old", actor="lab")


@pytest.mark.django_db
def test_a_change_based_on_an_old_version_is_refused_only_after_an_edit() -> None:
    register_types()
    register_board()
    reserve("b1", 7)
    board_commands.change_board("b1", tags=["x"], expected_version=1, actor="worker:w1")
    with pytest.raises(deciding.EditedMeanwhile, match=r"worker:w1 changed its tags at .* UTC .event 5."):
        board_commands.change_board("b1", tags=["y"], expected_version=1, actor="lab")
    board_commands.change_board("b1", tags=["y"], expected_version=3, actor="lab")
    board_commands.change_board("b1", tags=["z"], actor="lab")
    do("b1", lambda board: boards.release(board, 7, "done"))
    board_commands.retire_board("b1", "burnt", actor="lab")
    with pytest.raises(deciding.EditedMeanwhile, match="lab retired it"):
        board_commands.change_board("b1", tags=["y"], expected_version=5, actor="lab")
    type_commands.change_device_type("kvm", description="x", expected_version=1, actor="lab")
    with pytest.raises(deciding.EditedMeanwhile, match="Device type kvm was edited after you opened it"):
        type_commands.change_device_type("kvm", description="y", expected_version=1, actor="lab")


@pytest.mark.django_db
def test_a_change_to_another_type_is_recorded() -> None:
    register_types()
    register_board()
    type_commands.register_device_type("arndale", "board", "", {}, actor="lab")
    board_commands.change_board("b1", device_type="arndale", reason="swapped", actor="lab")
    assert queries.board("b1").device_type == "arndale"
    with pytest.raises(NotFound):
        board_commands.change_board("b1", device_type="nix", actor="lab")
    with pytest.raises(NotFound):
        board_commands.change_board("nix", tags=[], actor="lab")


@pytest.mark.django_db
def test_a_command_that_loses_a_race_decides_again(monkeypatch: pytest.MonkeyPatch) -> None:
    register_types()
    register_board()
    load = loading.load_board
    faster: list[list[Event]] = [[BoardReserved(job=7)], [BoardReleased(job=7, reason="done")]]

    def overtaken(name: str) -> Loaded[boards.Board]:
        found = load(name)
        if faster:
            store.append(Append(stream=found.stream, expected=found.version, events=faster.pop(0)), meta=LAB)
        return found

    monkeypatch.setattr(board_commands, "load_board", overtaken)
    board_commands.take_board_offline("b1", "dust", actor="lab")
    assert [one.event.type for one in store.read("board/b1")] == [
        "board.registered",
        "board.reserved",
        "board.released",
        "board.taken_offline",
    ]


@pytest.mark.django_db
def test_a_command_that_always_loses_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    register_types()
    register_board()

    def lose(*batches: Append, **rest: Any) -> Any:
        raise Conflict("board/b1", 1, 2)

    monkeypatch.setattr(store, "append", lose)
    with pytest.raises(Rejected, match="Others change board/b1 faster than this command"):
        board_commands.take_board_offline("b1", "dust", actor="lab")


def test_two_who_reserve_at_once_do_not_both_get_it(database: Database) -> None:
    register_types()
    register_board()
    start, outcomes = threading.Barrier(4), []

    def take(job: int) -> None:
        try:
            start.wait(30)
            reserve("b1", job)
            outcomes.append("reserved")
        except (Rejected, Conflict):
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take, args=(job,)) for job in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["refused"] * 3 + ["reserved"]
    assert len(store.read("board/b1")) == 2


def test_no_board_is_registered_of_a_type_that_is_retired_at_once(database: Database) -> None:
    register_types()
    start, outcomes = threading.Barrier(2), {}

    def attempt(what: str, command: Any) -> None:
        try:
            start.wait(30)
            command()
            outcomes[what] = True
        except Rejected:
            outcomes[what] = False
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=attempt, args=("register", register_board)),
        threading.Thread(
            target=attempt,
            args=("retire", lambda: type_commands.retire_device_type("ssh-host", "old", actor="lab")),
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes["register"] != outcomes["retire"]
    assert Board.objects.exists() == outcomes["register"]


@pytest.mark.django_db
def test_whoever_waits_for_boards_is_told_when_one_may_be_free() -> None:
    register_types()
    told: list[tuple[str, bool]] = []

    def does(what: str, command: Callable[..., None], *words: Any, **named: Any) -> None:
        OrmQ.objects.all().delete()
        command(*words, **named, actor="lab")
        told.append((what, OrmQ.objects.exists()))

    does("register", board_commands.register_board, "b1", "ssh-host", "here", [], "", HOST)
    does("offline", board_commands.take_board_offline, "b1", "dust")
    does("online", board_commands.bring_board_online, "b1")
    does("bad", board_commands.set_board_health, "b1", "bad", "no prompt")
    does("good", board_commands.set_board_health, "b1", "good")
    does("change", board_commands.change_board, "b1", tags=["fast"])
    does("no change", board_commands.change_board, "b1", tags=["fast"])
    does("retire", board_commands.retire_board, "b1", "burnt")
    assert [what for what, woken in told if woken] == ["register", "online", "good", "change"]


# -- permissions --------------------------------------------------------------------------------


def user(*permissions: str) -> User:
    one = User.objects.create_user("ada")
    one.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return one


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("permission", "command"),
    [
        ("add_devicetype", lambda a: type_commands.register_device_type("arm", "vm", "", KVM, actor=a)),
        ("change_devicetype", lambda a: type_commands.change_device_type("kvm", description="x", actor=a)),
        ("delete_devicetype", lambda a: type_commands.retire_device_type("kvm", "old", actor=a)),
        ("add_board", lambda a: board_commands.register_board("b2", "ssh-host", "s", [], "", HOST, actor=a)),
        ("change_board", lambda a: board_commands.change_board("b1", tags=[], actor=a)),
        ("change_board", lambda a: board_commands.take_board_offline("b1", "dust", actor=a)),
        ("change_board", lambda a: board_commands.bring_board_online("b1", actor=a)),
        ("change_board", lambda a: board_commands.set_board_health("b1", "good", actor=a)),
        ("delete_board", lambda a: board_commands.retire_board("b1", "burnt", actor=a)),
    ],
)
def test_every_command_needs_its_permission(permission: str, command: Any) -> None:
    register_types()
    register_board()
    all_others = set(Permission.objects.values_list("codename", flat=True)) - {permission}
    somebody = user(*all_others)
    head = store.head()
    with pytest.raises(NotPermitted, match=f"ada may not .*: that needs the permission devices.{permission}"):
        command(somebody)
    with pytest.raises(NotPermitted, match="Somebody who is not logged in may not"):
        command(AnonymousUser())
    assert store.head() == head
    if "online" in command.__code__.co_names[1]:
        board_commands.take_board_offline("b1", "dust", actor="lab")
    User.objects.all().delete()
    command(user(permission, "view_devicetype"))  # a new board would show what its type says
    assert store.read_all(after=head)[-1].meta.actor == "ada"


@pytest.mark.django_db
def test_who_is_not_active_may_nothing() -> None:
    somebody = user("change_board")
    somebody.is_active = False
    with pytest.raises(NotPermitted):
        authorise(somebody, "devices.change_board", "change boards")


@pytest.mark.parametrize("name", ["ada", "", "cli", "laboratory"])
def test_the_name_of_a_user_is_no_actor(name: str) -> None:
    with pytest.raises(ValueError, match="pass the user object of a person"):
        authorise(name, "devices.change_board", "change boards")


@pytest.mark.parametrize("name", ["lab", "worker:w1", "cli:ada"])
def test_labbook_itself_is_trusted(name: str) -> None:
    assert authorise(name, "devices.change_board", "change boards") == name


# -- read rows ----------------------------------------------------------------------------------


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (DeviceType, Board)]


@pytest.mark.django_db
def test_rows_drawn_anew_from_the_log_are_the_same() -> None:
    register_types()
    for name in ("b1", "b2", "b3"):
        register_board(name)
    reserve("b1", 7)
    board_commands.take_board_offline("b1", "dust", actor="lab")
    do("b1", lambda board: boards.quarantine(board, 7, "a qemu runs"))
    reserve("b2", 8)
    board_commands.set_board_health("b3", "bad", "no prompt", actor="lab")
    board_commands.bring_board_online("b1", "wiped", actor="lab")
    board_commands.change_board("b3", tags=["x"], config=HOST | {"kvm": "never"}, actor="lab")
    board_commands.retire_board("b3", "burnt", actor="lab")
    type_commands.change_device_type("kvm", description="new", actor="lab")
    live = rows()
    Board.objects.all().delete()
    DeviceType.objects.all().delete()
    for recorded in store.read_all():
        projections.inventory.apply(recorded)
    assert rows() == live


@pytest.mark.django_db
def test_a_board_loaded_from_its_row_is_the_fold_of_its_stream() -> None:
    register_types()
    register_board()
    reserve("b1", 7)
    board_commands.take_board_offline("b1", "dust", actor="lab")
    loaded = loading.load_board("b1")
    state = boards.Board()
    for recorded in store.read("board/b1"):
        state = boards.apply(state, recorded.event)
    assert (loaded.state, loaded.version, loaded.stream) == (state, 3, "board/b1")
    Board.objects.all().delete()
    again = loading.load_board("b1")
    assert (again.state, again.version) == (state, 3)


@pytest.mark.django_db
def test_loading_a_board_reads_no_history(django_assert_num_queries: Any) -> None:
    register_types()
    register_board()
    with django_assert_num_queries(2):
        loading.load_board("b1")


# -- queries ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_boards_are_seen_with_what_they_can_run_and_why_they_are_not_free() -> None:
    register_types()
    type_commands.register_device_type("arm", "vm", "", KVM, actor="lab")
    register_board("b2", config=HOST | {"runs": ["arm"]}, tags=["z", "a"])
    register_board("b1")
    register_board("b0")
    board_commands.retire_board("b0", "burnt", actor="lab")
    reserve("b2", 7)
    first, second = queries.boards_for_scheduling()
    assert (first.name, first.runs, first.free, first.reason) == ("b1", ("kvm",), True, "")
    assert (second.runs, second.tags, second.state) == (("arm",), ("a", "z"), "reserved")
    assert (second.reason, second.held_by_job, second.free) == ("reserved for job 7", 7, False)
    assert [view.name for view in queries.board_list()] == ["b1", "b2"]
    assert [view.name for view in queries.board_list(retired=True)] == ["b0", "b1", "b2"]
    (kind,) = queries.board_types()
    assert (kind.name, kind.runs, [view.name for view in kind.boards]) == (
        "ssh-host",
        ("arm", "kvm"),
        ["b1", "b2"],
    )


@pytest.mark.django_db
def test_a_type_without_boards_runs_what_it_says() -> None:
    register_types()
    (kind,) = queries.board_types()
    assert (kind.runs, kind.boards) == (("kvm",), ())


@pytest.mark.django_db
def test_vm_types_come_with_their_configuration() -> None:
    register_types()
    (kind,) = queries.vm_types()
    assert (kind.name, kind.config.qemu, kind.config.memory) == ("kvm", "qemu-system-x86_64", 192)
    type_commands.retire_device_type("kvm", "old", actor="lab")
    assert queries.vm_types() == []
    assert queries.vm_type_config("kvm").machine == "pc"
    for name in ("ssh-host", "nix"):
        with pytest.raises(NotFound, match=f"There is no type of virtual machines named '{name}'"):
            queries.vm_type_config(name)


@pytest.mark.django_db
def test_what_is_not_there_is_said_so() -> None:
    for query in (queries.board, queries.effective_config, queries.board_history):
        with pytest.raises(NotFound, match="There is no board 'nix'"):
            query("nix")
    with pytest.raises(NotFound, match="There is no device type 'nix'"):
        queries.device_type_history("nix")


@pytest.mark.django_db
def test_a_list_of_boards_takes_two_queries(django_assert_num_queries: Any) -> None:
    register_types()
    for number in range(5):
        register_board(f"b{number}")
    with django_assert_num_queries(2):
        queries.boards_for_scheduling()
