"""Rules that look at more than one place: roles, what a VM boots, the order of actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.domain import testdef
from jobs.domain.definition import values
from jobs.domain.definition.actions import COMMANDS
from jobs.domain.definition.document import shown
from jobs.domain.definition.group import GivenVm, Group
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import Action, TestShell
from jobs.domain.definition.nodes import node_names
from jobs.domain.definition.reading import Fields, Value, did_you_mean, one_of
from jobs.domain.definition.shells import MAX_INLINE
from lab.kernel.errors import DefinitionFault

STARTERS = ("lava_test_shell", "lava_command_run")
"""Actions of the host that can call ``lava-start-vms``."""


@dataclass(slots=True)
class GivenAction:
    """One entry of ``actions``, as far as it could be read."""

    place: Value
    command: str = ""
    """Empty: unreadable or unknown."""
    parameters: Fields | None = None
    role: str = ""
    """Empty: for all roles."""
    role_known: bool = False
    """False: nobody can say which roles it is meant for."""
    action: Action | None = None

    def for_role(self, role: str) -> bool:
        return self.role_known and self.role in ("", role)

    @property
    def deploys(self) -> bool:
        return bool(self.command) and COMMANDS[self.command].deploys

    @property
    def needs_system(self) -> bool:
        return bool(self.command) and COMMANDS[self.command].needs_system

    def problem(self, message: str, hint: str | Callable[[], str] = "") -> None:
        """Report at the action's role if it names one, else at the action."""
        value = self.parameters.get("role") if self.parameters else None
        (value or self.place).problem(message, hint)

    def warn(self, key: str, message: str) -> None:
        value = self.parameters.get(key) if self.parameters else None
        place = value or self.place
        place.problems.warn(place.node.at, place.path, message)


def check(group: Group, actions: list[GivenAction], timeout: int, lab: LabView) -> None:
    """Report everything that is wrong between the group and its actions."""
    _check_tests(actions)
    if not _has_good_size(group, lab):
        return
    _check_names(group)
    if not group.complete:
        return  # whatever is said about roles now would be guessing
    _check_roles(group, actions)
    _check_host(group, actions)
    _check_host_files(group, actions)
    for given in group.given:
        _check_vm(given, actions, lab)
    if group.auto_start_vms:
        _check_made_files(group, actions)
    _check_timeouts(actions, timeout)


def _check_tests(actions: list[GivenAction]) -> None:
    """Read the test definitions that stand in the actions, as a node would have to."""
    left = MAX_INLINE
    for given in actions:
        if not isinstance(given.action, TestShell) or not given.action.sources:
            continue
        text = given.action.sources[-1].inline
        value = given.parameters.get("testdef") if given.parameters and text else None
        if value is None:
            continue
        left -= len(text)
        if left < 0:
            value.problem(
                f"the test definitions here have more than {MAX_INLINE} characters together",
                "put them into files: testdef_urls, testdef_repos",
            )
            return
        try:
            testdef.parse(text)
        except DefinitionFault as fault:
            value.problem(str(fault))


def _has_good_size(group: Group, lab: LabView) -> bool:
    total, vms = sum(vm.count for vm in group.vms), group.fields.get("vms")
    if vms and total > lab.max_vms:
        vms.problem(f"the group has {total} VMs", f"at most {lab.max_vms} are allowed in this lab")
        return False
    return True


def _check_names(group: Group) -> None:
    """No two nodes may have one name; names are compared as the host names they become."""
    roles, taken = set[str](), dict[str, str]()
    places = [(group.host.role, 1, group.host_fields)] + [
        (g.vm.role, g.vm.count, g.fields) for g in group.given
    ]
    for role, count, fields in places:
        value = fields.get("role") if fields and role else None
        if value is None:
            continue
        names = [name.lower() for name in node_names(role, count)]
        clash = next((name for name in names if name in taken), "")
        if role in roles:
            value.problem(
                f"the role {role} is used twice", "every role needs a name of its own; count makes copies"
            )
        elif clash:
            value.problem(
                f"the roles {taken[clash]} and {role} both make a node named {clash}", "rename one of them"
            )
        roles.add(role)
        taken |= dict.fromkeys(names, role)


def _check_roles(group: Group, actions: list[GivenAction]) -> None:
    roles = group.roles
    for given in actions:
        if given.role and given.role not in roles:
            given.problem(
                f"nobody in this group has the role {shown(given.role)}",
                lambda role=given.role: did_you_mean(role, roles, f"the roles are {one_of(roles)}"),  # type: ignore[misc]
            )
            given.role_known = False


def _check_host(group: Group, actions: list[GivenAction]) -> None:
    role = group.host.role
    shells = [given for given in actions if given.command in STARTERS and given.for_role(role)]
    unclear = [given for given in actions if not given.role_known or not given.command]
    start = group.fields.get("auto_start_vms")
    if start and not group.auto_start_vms and not shells and not unclear:
        start.problem(
            "nothing would start the VMs: the host has no lava_test_shell or lava_command_run that could call"
            " lava-start-vms",
            "leave auto_start_vms out, or give the host a test shell",
        )


def _check_host_files(group: Group, actions: list[GivenAction]) -> None:
    """Files on the host are for its VMs; before it has booted there is nothing on it."""
    for given in actions:
        if given.parameters is None or not given.for_role(group.host.role):
            continue
        also = "" if given.role else "also "
        for key in _files(given, ""):
            given.parameters.problem_at(
                key,
                f"host: names a file on the host, and this action is {also}for the host {group.host.role}",
                "give the action the role of a VM",
            )


def _check_made_files(group: Group, actions: list[GivenAction]) -> None:
    """What lies in the job's folder is made by the host's test; VMs that start by themselves are early."""
    words = "nobody has made this file when the VMs start by themselves: set auto_start_vms to false"
    for vm in group.given:
        if (image := vm.fields.get("image")) and values.in_folder_of_job(vm.vm.image):
            image.warn(words)
    for given in actions:
        for key in _files(given, "/"):
            given.warn(key, words)


def _files(given: GivenAction, but: str) -> list[str]:
    """The keys of a deploy action that name files on the host, except those whose path begins with `but`."""
    if not given.deploys or not given.action:
        return []
    found = []
    for key in ("image", "kernel", "ramdisk", "dtb", "rootfs", "firmware"):
        url = str(getattr(given.action, key, ""))
        if url.startswith("host:") and not (but and url.startswith(f"host:{but}")):
            found.append(key)
    return found


def check_host_deploy(group: Group, actions: list[GivenAction]) -> None:
    """A board without a deploy method runs the system that is installed on it."""
    if group.board_type is None or group.board_type.deploy != "none":
        return
    for given in actions:
        if given.deploys and given.for_role(group.host.role):
            whom = (
                ""
                if given.role
                else f" This action is for all roles, so for the host {group.host.role}, too."
            )
            given.problem(
                f"boards of the type {group.board_type.name} use their installed system: "
                f"use dummy_deploy for the host instead of {given.command}.{whom}",
                "" if given.role else "give the action the role of a VM",
            )


def _check_vm(vm: GivenVm, actions: list[GivenAction], lab: LabView) -> None:
    role = vm.vm.role
    mine = [given for given in actions if given.for_role(role)]
    for given in mine:
        if given.command == "dummy_deploy":
            given.problem(
                f"the VM {role} has no installed system that dummy_deploy could leave alone",
                "give the action the host's role" if not given.role else "deploy an image or a kernel",
            )
    deploys = [given for given in mine if given.deploys]
    unclear = [given for given in actions if not given.command or (given.deploys and not given.role_known)]
    image = vm.fields.get("image")
    if image and deploys:
        image.problems.warn(
            image.node.at,
            image.path,
            f"not used: action {_number(actions, deploys[0])} deploys for the role {role}",
        )
    starts_itself = "launch_with" in vm.fields or lab.launched is None or vm.vm.device_type in lab.launched
    if not image and not deploys and not unclear and not starts_itself:
        vm.value.problem(
            f"the role {role} has nothing to boot",
            "give it an image, a deploy_linaro_image or deploy_linaro_kernel action, or launch_with commands"
            " that need none",
        )
    for more in deploys[1:]:
        first = _number(actions, deploys[0])
        more.problem(
            f"the role {role} has a deploy action already (action {first})", "a VM boots from exactly one"
        )
    _check_order(role, mine, deploys, actions)


def _check_order(
    role: str, mine: list[GivenAction], deploys: list[GivenAction], actions: list[GivenAction]
) -> None:
    users = [given for given in mine if given.needs_system]
    if deploys and users and _number(actions, users[0]) < _number(actions, deploys[0]):
        deploys[0].problem(
            f"comes too late for the role {role}: action {_number(actions, users[0])} "
            f"({users[0].command}) needs what it deploys",
            "move it up",
        )


def _number(actions: list[GivenAction], given: GivenAction) -> int:
    """The action's number as people count, from 1."""
    return 1 + next(index for index, other in enumerate(actions) if other is given)


def _check_timeouts(actions: list[GivenAction], timeout: int) -> None:
    for given in actions:
        own = getattr(given.action, "timeout", None)
        if own and timeout and own > timeout:
            given.warn("timeout", f"longer than the whole job may take ({timeout} s)")
