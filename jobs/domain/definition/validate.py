"""From text to `Definition`: every rule of the format, all problems at once, in the order of the text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jobs.domain.definition import group, rules, values
from jobs.domain.definition.action_values import Common
from jobs.domain.definition.actions import ALIASES, COMMANDS
from jobs.domain.definition.document import ROOT, Scalar, Sequence, plain, shown
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.limits import MAX_TEXT
from jobs.domain.definition.model import Definition, Invalid
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.parse import Document, parse
from jobs.domain.definition.reading import Fields, Problems, Value, did_you_mean, one_of
from jobs.domain.definition.rules import GivenAction

__all__ = ["plan_nodes", "read_accepted", "validate"]

PRIORITIES = {"low": 0, "medium": 50, "high": 100}
MAX_METADATA = 16 * 1024
"""Characters of one action's metadata: every node keeps it."""
MAX_ADDRESSES = 20
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ELSEWHERE = {
    "device_group": (
        "a MultiNode group of boards (device_group) cannot be run yet",
        "describe one host and its VMs in vm_group",
    ),
    "device_type": ("a job is a VM group here", "name the host's type in vm_group.host.device_type"),
    "target": ("a job is a VM group here", "pin one board with vm_group.host.board"),
    "health_check": ("health checks are not submitted by users", ""),
    "group_size": ("the lab sets this by itself", "leave it out"),
    "target_group": ("the lab sets this by itself", "leave it out"),
    "sub_id": ("the lab sets this by itself", "leave it out"),
    "role": ("roles belong to vm_group.host and to each of vm_group.vms", ""),
}


def validate(text: str, lab: LabView) -> Definition:
    """Return the definition in `text`, checked against the inventory and limits of `lab`.

    Raises `Invalid` with all problems. There is no text for which anything else happens.
    """
    return _definition(parse(text, max_bytes=lab.max_bytes), lab, against_inventory=True)


def read_accepted(text: str) -> Definition:
    """Return the definition in a text that was accepted earlier, whatever the inventory is by now."""
    lab = LabView(max_timeout=2**31, max_vms=2**15, max_bytes=64 * MAX_TEXT, launched=None)
    return _definition(parse(text, max_bytes=lab.max_bytes), lab, against_inventory=False)


def _definition(document: Document, lab: LabView, *, against_inventory: bool) -> Definition:
    problems = Problems(document.places, document.problems)
    fields = Value(document.root, ROOT, problems).mapping(
        "an object with timeout, job_name, vm_group and actions"
    )
    definition = _Reading(fields, lab, problems, against_inventory).definition() if fields else None
    if len(problems) or definition is None:
        raise Invalid(problems.listed())
    return definition


@dataclass(slots=True)
class _Reading:
    fields: Fields
    lab: LabView
    problems: Problems
    against_inventory: bool

    def definition(self) -> Definition:
        fields, lab = self.fields, self.lab
        for key, (message, hint) in _ELSEWHERE.items():
            fields.refuse(key, message, hint)
        timeout = fields.need(
            "timeout", lambda v: v.integer(1, lab.max_timeout, unit="seconds"), 0, "in seconds"
        )
        read = fields.need("vm_group", group.read, None, "the host and its VMs")
        given = fields.need("actions", self._actions, None, "what is to be done")
        actions = given or []
        tags = fields.read("tags", lambda v: v.strings("board tags", Value.string, unique=True), ())
        if read is not None:
            read.complete = read.complete and given is not None
            rules.check(read, actions, timeout, lab)
            if self.against_inventory:
                group.check_inventory(read, fields.get("tags"), tags, lab)
                rules.check_host_deploy(read, actions)
        definition = Definition(
            job_name=fields.need(
                "job_name", lambda v: v.string(longest=200), "", "what the job is to be called"
            ),
            timeout=timeout,
            host=read.host if read else group.NO_HOST,
            vms=read.vms if read else (),
            actions=tuple(one.action for one in actions if one.action),
            auto_start_vms=read.auto_start_vms if read else True,
            logging_level=fields.read("logging_level", lambda v: v.choice(LEVELS, "a logging level"), "INFO"),
            priority=fields.read("priority", _priority, PRIORITIES["medium"]),
            tags=tags,
            notify=fields.read("notify", self._addresses, ()),
            notify_on_incomplete=fields.read("notify_on_incomplete", self._addresses, ()),
            visibility=fields.read("visibility", self._visibility, ()),
            warnings=tuple(sorted(self.problems.warnings, key=lambda w: (w.line, w.column))),
        )
        fields.done()
        return definition

    def _visibility(self, value: Value) -> tuple[str, ...] | None:
        if isinstance(value.node, Scalar):
            text = value.choice(("public", "private"), "public, private or a list of groups")
            return (text,) if text else None
        names = value.strings("group names", Value.string, empty=False, unique=True)
        if names is None:
            return None
        for item, name in zip(value.items() or (), names, strict=False):
            if name in ("public", "private"):
                item.problem(f"{name} is not a group", f"write visibility: {name}, without a list")
            elif self.against_inventory and name not in self.lab.groups:
                item.problem(
                    f"there is no group {shown(name)}",
                    lambda name=name: did_you_mean(
                        name, self.lab.groups, "groups are kept by the administrators"
                    ),  # type: ignore[misc]
                )
        return names

    def _addresses(self, value: Value) -> tuple[str, ...] | None:
        found = value.strings("e-mail addresses", lambda v: v.checked(values.email, longest=254), unique=True)
        if found and len(found) > MAX_ADDRESSES:
            value.problem(f"{len(found)} addresses", f"at most {MAX_ADDRESSES}; a mailing list takes more")
        if found and not self.lab.sends_mail:
            value.warn("nobody will be told: this lab sends no mail", "ask the lab's administrators")
        return found

    def _actions(self, value: Value) -> list[GivenAction] | None:
        items = value.items(of="actions", empty=False)
        return None if items is None else [self._action(index, item) for index, item in enumerate(items)]

    def _action(self, index: int, value: Value) -> GivenAction:
        fields = value.mapping("an object with command and parameters")
        if fields is None:
            return GivenAction(place=value)
        command = fields.need("command", _command, "", one_of(COMMANDS))
        given = GivenAction(place=value, command=command)
        if not command:
            return given
        row = COMMANDS[command]
        metadata = fields.get("metadata")
        found = fields.get("parameters")
        parameters = found.mapping("an object") if found else Fields.empty(fields)
        if parameters is not None:
            given.parameters = parameters
            given.role = parameters.read("role", lambda v: _role(v, command), "") if row.has_role else ""
            given.role_known = "role" not in parameters or bool(given.role)
            common = Common(
                command=command,
                index=index,
                role=given.role,
                metadata=_metadata(metadata) if metadata else {},
            )
            given.action = row.read(parameters, common, self.lab)
            parameters.done(row.hints)
        else:
            given.role_known = False
        known = set(parameters.asked) if parameters else set()
        fields.done(lambda key: f"{key} belongs into parameters" if key in known else "")
        return given


def _metadata(value: Value) -> dict[str, Any]:
    """Whatever an action says about itself; it is kept with each node that takes part."""
    if value.mapping() is None:
        return {}
    found: dict[str, Any] = plain(value.node)
    if (size := len(json.dumps(found))) > MAX_METADATA:
        value.problem(f"has {size} characters as JSON", f"at most {MAX_METADATA}")
    return found


def _priority(value: Value) -> int | None:
    if isinstance(value.node, Scalar) and isinstance(value.node.value, str):
        name = value.node.value.lower()
        if name in PRIORITIES:
            return PRIORITIES[name]
        value.problem(f"{shown(value.node.value)} is not a priority", "low, medium, high or a number 0 … 100")
        return None
    return value.integer(0, 100)


def _command(value: Value) -> str | None:
    text = value.string()
    name = ALIASES.get(text, text) if text else None
    if name is None or name in COMMANDS:
        return name
    value.problem(
        f"unknown command {shown(name)}", lambda: did_you_mean(name, COMMANDS, f"one of {one_of(COMMANDS)}")
    )
    return None


def _role(value: Value, command: str) -> str | None:
    if isinstance(value.node, Sequence):
        what = "test shell" if command == "lava_test_shell" else "action"
        value.problem(
            f"one {what} belongs to a single role or to all roles, not to a list of them",
            "leave role out for all, or write the action once for each role",
        )
        return None
    return value.string()
