"""The part ``vm_group``: the host, the VMs, and whether the lab has what they name."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.domain.definition import values
from jobs.domain.definition.document import shown
from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.definition.model import Host, Vm
from jobs.domain.definition.reading import Fields, Value, did_you_mean, one_of

NO_HOST = Host(device_type="", role="")
_MAX_MEMORY = 1024 * 1024
_MAX_CPUS = 256


@dataclass(slots=True)
class GivenVm:
    """One entry of ``vms``, with its places."""

    value: Value
    vm: Vm
    fields: Fields


@dataclass(slots=True)
class Group:
    """What was read of ``vm_group``; names that could not be read are empty."""

    fields: Fields
    host: Host = NO_HOST
    host_fields: Fields | None = None
    given: list[GivenVm] = field(default_factory=list)
    auto_start_vms: bool = True
    complete: bool = True
    """Whether everything could be read that rules about roles look at."""
    board_type: BoardTypeView | None = None

    @property
    def vms(self) -> tuple[Vm, ...]:
        return tuple(given.vm for given in self.given)

    @property
    def roles(self) -> list[str]:
        return list(dict.fromkeys((self.host.role, *(vm.role for vm in self.vms))))


def read(value: Value) -> Group | None:
    fields = value.mapping("an object with host and vms")
    if fields is None:
        return None
    group = Group(fields)
    group.host = fields.need("host", lambda v: _host(v, group), NO_HOST, "device_type and role of the host")
    group.given = fields.need("vms", _vms, list[GivenVm](), "a list of VMs")
    group.auto_start_vms = fields.read("auto_start_vms", Value.boolean, True)
    group.complete = bool(group.host.role and group.given and all(vm.role for vm in group.vms))
    fields.done()
    return group


def _role(value: Value) -> str | None:
    return value.checked(values.role_name)


def _host(value: Value, group: Group) -> Host | None:
    fields = group.host_fields = value.mapping("an object with device_type and role")
    if fields is None:
        return None
    fields.refuse("tags", "tags do not belong to the host", "give tags at the top level")
    host = Host(
        device_type=fields.need("device_type", Value.string, "", "a type of boards"),
        role=fields.need("role", _role, "", "a name for the host in this group"),
        board=fields.read("board", Value.string, ""),
    )
    fields.done()
    return host


def _vms(value: Value) -> list[GivenVm] | None:
    items = value.items(of="VMs", empty=False)
    return None if items is None else [_vm(item) for item in items]


def _vm(value: Value) -> GivenVm:
    fields = value.mapping("an object with device_type and role")
    if fields is None:
        return GivenVm(value, Vm(device_type="", role=""), Fields.empty(value))
    fields.refuse("tags", "VMs have no tags", "tags at the top level choose the host's board")
    vm = Vm(
        device_type=fields.need("device_type", Value.string, "", "a type of VMs"),
        role=fields.need("role", _role, "", "a name for the VM in this group"),
        image=fields.read("image", Value.string, ""),
        count=fields.read("count", lambda v: v.integer(1), 1),
        launch_with=fields.read("launch_with", _launch_with, ()),
        shell_prompt=fields.read("shell_prompt", lambda v: v.checked(values.pattern, longest=1000), ""),
        memory=fields.read("memory", lambda v: v.integer(16, _MAX_MEMORY, unit="MiB"), None),
        cpus=fields.read("cpus", lambda v: v.integer(1, _MAX_CPUS), None),
    )
    fields.done()
    return GivenVm(value, vm, fields)


def _launch_with(value: Value) -> tuple[str, ...] | None:
    commands = value.strings("shell commands", lambda v: v.string(longest=16_384, lines=True), empty=False)
    last = commands[-1].rstrip() if commands else ""
    if "-daemonize" in last.split() or (last.endswith("&") and not last.endswith("&&")):
        value.warn("the last launch_with command goes into the background, but it has to stay on the console")
    return commands


def check_inventory(group: Group, tags_value: Value | None, tags: tuple[str, ...], lab: LabView) -> None:
    """Check what the group names against what the lab has, for this submitter."""
    board_type = _check_host_type(group, lab)
    for given in group.given:
        _check_vm_type(given, board_type, lab)
        if (image := given.fields.get("image")) and given.vm.image:
            image.checked(lambda text: values.vm_file(text, lab))
    if board_type is None:
        return
    group.board_type = board_type
    boards = tuple(board for board in board_type.boards if not board.barred)
    pinned = group.host_fields.get("board") if group.host_fields else None
    if pinned and group.host.board:
        named = next((board for board in board_type.boards if board.name == group.host.board), None)
        boards = (named,) if named and not named.barred else ()
        if named and named.barred:
            pinned.problem(f"you may not use the board {named.name}", f"{named.barred} can grant it")
        elif not boards:
            pinned.problem(
                f"there is no board {shown(group.host.board)} of the type {board_type.name}",
                lambda: did_you_mean(
                    group.host.board,
                    names := sorted(b.name for b in board_type.boards if not b.barred),
                    f"one of {one_of(names)}",
                ),
            )
    _check_tags(tags_value, tags, boards, group.host.board)


def _check_host_type(group: Group, lab: LabView) -> BoardTypeView | None:
    """Return the host's type if the lab has it and the submitter may use it."""
    name = group.host.device_type
    value = group.host_fields.get("device_type") if group.host_fields else None
    if not name or value is None:
        return None
    found = lab.board_types.get(name)
    if found is None:
        known = [t.name for t in lab.board_types.values() if t.boards and not t.barred]
        if name in lab.vm_types:
            value.problem(f"{name} is a type of VMs", f"the host is a board: {one_of(known)}")
        else:
            value.problem(
                f"there is no board type {shown(name)}",
                lambda: did_you_mean(name, known, f"one of {one_of(known)}"),
            )
        return None
    if found.barred:
        value.problem(f"you may not use boards of the type {name}", f"{found.barred} can grant it")
        return None
    if not found.boards:
        value.problem(f"the lab has no board of the type {name} at present", "the job would wait for ever")
        return None
    return found


def _check_vm_type(given: GivenVm, board_type: BoardTypeView | None, lab: LabView) -> None:
    name, value = given.vm.device_type, given.fields.get("device_type")
    if not name or value is None:
        return
    runs = sorted(board_type.runs & lab.vm_types) if board_type else sorted(lab.vm_types)
    if name not in lab.vm_types:
        what = (
            f"{name} is a type of boards" if name in lab.board_types else f"there is no VM type {shown(name)}"
        )
        value.problem(what, lambda: did_you_mean(name, runs, f"one of {one_of(runs)}"))
    elif granters := lab.barred_vm_types.get(name):
        value.problem(f"you may not use VMs of the type {name}", f"{granters} can grant it")
    elif board_type and name not in board_type.runs:
        value.problem(f"boards of the type {board_type.name} cannot run {name}", f"they run {one_of(runs)}")


def _check_tags(
    value: Value | None, tags: tuple[str, ...], boards: tuple[BoardView, ...], pinned: str
) -> None:
    if value is None or not tags or not boards or any(board.tags >= set(tags) for board in boards):
        return
    missing = [tag for tag in tags if not any(tag in board.tags for board in boards)]
    known = sorted(set().union(*(board.tags for board in boards)))
    who = f"the board {pinned} does not have" if pinned else "no board of this type has"
    hint = did_you_mean(missing[0], known, f"tags there: {one_of(known)}") if missing else ""
    value.problem(f"{who} {'the tag ' + shown(missing[0]) if missing else 'all of these tags at once'}", hint)
