"""From what people write to `BoardConfig` and `VmTypeConfig`: all problems at once, each with its path.

What a key may hold follows from the field's type in `devices.domain.config`; a table refines it where that is
not enough. So a new field needs no second mention, unless it has rules of its own.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from functools import partial as partial_of
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from devices.domain import config_rules as rules
from devices.domain import line_rules
from devices.domain.config import (
    BoardConfig,
    BootConfig,
    ConsoleConfig,
    DeployCommands,
    HealthCheck,
    LoaderStep,
    PowerConfig,
    SshConfig,
    VmTypeConfig,
    Waits,
)
from devices.domain.config_rules import Bad
from lab.kernel.errors import Rejected

T = TypeVar("T")
Rule = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong with a configuration."""

    path: str
    """For example ``ssh.port`` or ``prompts[1]``; empty for the whole."""
    message: str
    hint: str = ""
    """What is allowed, or a did-you-mean."""
    source: str = ""
    """Who says it, where that is not the one whose configuration was looked at: ``device type kvm``."""

    def __str__(self) -> str:
        return (
            (f"{self.path}: " if self.path else "")
            + self.message
            + (f" ({self.hint})" if self.hint else "")
            + (f", set by {self.source}" if self.source else "")
        )


class BadConfig(Rejected):
    """A configuration with problems."""

    lead = ""
    """Stands before each problem where they are shown one by one."""

    def __init__(
        self, problems: list[ConfigProblem], *, first: str = "The configuration cannot be used."
    ) -> None:
        self.problems = problems
        super().__init__(" ".join([first, *(f"{p}." for p in problems)]))


REFINED: Mapping[type, Mapping[str, Rule]] = {
    SshConfig: {
        "host": rules.optional(rules.host),
        "port": rules.whole(1, 65535),
        "user": rules.user,
        "key_file": rules.key_file,
        "host_key": rules.host_key,
        "authorized_keys": rules.file_on_host,
        "patience": rules.seconds(3600),
        "probe_every": rules.seconds(3600),
        "proof_timeout": rules.seconds(3600),
    },
    BoardConfig: {
        "deploy": rules.one_of("none", "qemu", "netboot", "command"),
        "runs": rules.several(rules.name, once=True),
        "work_dir": rules.folder,
        "connect_timeout": rules.seconds(3600),
        "command_timeout": rules.seconds(3600),
        "cleanup_timeout": rules.seconds(3600),
        "kvm": rules.one_of("auto", "never"),
        "kvm_timeout": rules.seconds(3600),
        "stuck_timeout": rules.seconds(3600),
        "cache_limit": rules.whole(1, 1024**3),
    },
    ConsoleConfig: {
        "url": rules.optional(line_rules.console_url),
        "command": line_rules.command,
        "baud": rules.whole(50, 16_000_000),
        "char_delay": rules.pause(10),
        "line_delay": rules.pause(60),
        "line_end": rules.one_of("cr", "lf", "crlf"),
        "reconnect": rules.pause(24 * 3600),
        "open_timeout": rules.seconds(3600),
        "speak_timeout": rules.seconds(3600),
        "taken_timeout": rules.pause(3600),
        "connect_timeout": rules.seconds(3600),
    },
    Waits: {field.name: rules.seconds(3600) for field in dataclasses.fields(Waits)},
    PowerConfig: {
        "method": rules.one_of("", "command", "http", "pdudaemon", "qmp"),
        "headers": rules.mapping(rules.line),
        "credentials": rules.optional(line_rules.file_on_worker),
        "certificate": rules.optional(line_rules.file_on_worker),
        "url": rules.optional(line_rules.switch_url),
        "socket": rules.optional(line_rules.monitor),
        "on_pattern": rules.pattern,
        "off_pattern": rules.pattern,
        "off_seconds": rules.pause(3600),
        "attempts": rules.whole(1, 100),
        "retry_delay": rules.pause(3600),
        "timeout": rules.seconds(3600),
    },
    LoaderStep: {"expect": rules.pattern, "send": rules.line, "within": rules.seconds(24 * 3600)},
    BootConfig: {
        "loader_prompt": rules.optional(rules.pattern),
        "loader_timeout": rules.seconds(24 * 3600),
        "login_prompt": rules.optional(rules.pattern),
        "password_prompt": rules.optional(rules.pattern),
        "login_commands": rules.several(rules.line),
        "prompts": rules.several(rules.pattern, least=1),
        "timeout": rules.seconds(24 * 3600),
        "attempts": rules.whole(1, 100),
        "address_command": rules.line,
        "address": rules.optional(rules.pattern),
        "host_key_command": rules.line,
        "ssh_timeout": rules.seconds(24 * 3600),
    },
    DeployCommands: {"timeout": rules.seconds(24 * 3600)},
    HealthCheck: {"definition": rules.long_text, "every": rules.pause(24 * 366)},
    VmTypeConfig: {
        "qemu": rules.optional(rules.program),
        "machine": rules.optional(rules.word),
        "cpu": rules.optional(rules.word),
        "kvm_qemu": rules.optional(rules.program),
        "kvm_machine": rules.optional(rules.word),
        "kvm_cpu": rules.word,
        "memory": rules.whole(16, 1024**2),
        "cpus": rules.whole(1, 256),
        "console": rules.name,
        "bus": rules.one_of("pci", "device"),
        "kernel_args": rules.line,
        "extra_args": rules.several(rules.line),
        "firmware": rules.optional(rules.program),
        "kernel": rules.optional(rules.url),
        "ramdisk": rules.optional(rules.url),
        "prompts": rules.several(rules.pattern, least=1),
        "login_prompt": rules.optional(rules.pattern),
        "password_prompt": rules.optional(rules.pattern),
        "boot_timeout": rules.seconds(24 * 3600),
        "start_timeout": rules.seconds(3600),
        "launch": rules.several(rules.command),
        "stop": rules.several(rules.command),
        "requires": rules.several(rules.program, once=True),
    },
}
"""What the type of a field does not say by itself."""

MISSING = {
    "ssh": "how to reach the host, such as ssh: {host: 10.0.0.7, user: lab}",
    "ssh.host": "the host's name or address",
    "qemu": "the program on the host, such as qemu-system-arm",
    "machine": "qemu's machine, such as virt",
    "cpu": "the model of the processor under emulation, such as cortex-a15 or max",
}
"""What to write for keys that nothing works without."""

SECRETS = {
    "ssh.password": "Labbook logs in with keys only: name the private key's file as key_file",
    "power.password": "write user:password into a file on the worker and give its path as credentials",
    "power.user": "write user:password into a file on the worker and give its path as credentials",
}
"""Keys that people expect, and what to do instead."""


def checked_board_config(raw: Mapping[str, Any], *, partial: bool = False) -> BoardConfig | None:
    """Return the values; `partial` allows required keys to be missing, and then there may be None.

    Raises `BadConfig` with all problems.
    """
    problems: list[ConfigProblem] = []
    config = _read(BoardConfig, raw, "", problems, partial=partial)
    if problems:
        raise BadConfig(problems)
    return config


def checked_vm_type_config(raw: Mapping[str, Any]) -> VmTypeConfig:
    """Return the values. Raises `BadConfig` with all problems."""
    problems: list[ConfigProblem] = []
    config = _read(VmTypeConfig, raw, "", problems, partial=False)
    if problems or config is None:
        raise BadConfig(problems)
    return config


def board_config(type_config: Mapping[str, Any], own: Mapping[str, Any]) -> BoardConfig:
    """Return the effective configuration of a board: its type's with its own laid over it.

    Raises `BadConfig` with all problems.
    """
    config = checked_board_config(overlay(type_config, own))
    assert config is not None  # only a partial one may be
    return config


def validate_board_config(raw: Mapping[str, Any], *, partial: bool = False) -> list[str]:
    """Return the problems as sentences, none if all is well."""
    problems: list[ConfigProblem] = []
    _read(BoardConfig, raw, "", problems, partial=partial)
    return [str(p) for p in problems]


def validate_vm_type_config(raw: Mapping[str, Any]) -> list[str]:
    """Return the problems as sentences, none if all is well."""
    problems: list[ConfigProblem] = []
    _read(VmTypeConfig, raw, "", problems, partial=False)
    return [str(p) for p in problems]


def overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `own` over `base`, key by key, also in nested mappings; a null takes the base's value away.

    >>> overlay({"ssh": {"user": "root", "port": 22}}, {"ssh": {"port": 2222}})
    {'ssh': {'user': 'root', 'port': 2222}}
    """
    result = dict(base)
    for key, value in own.items():
        under = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = overlay(under if isinstance(under, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def _read(cls: type[T], raw: object, path: str, problems: list[ConfigProblem], *, partial: bool) -> T | None:
    """Return an instance made of `raw`, or None where a problem or (if `partial`) a gap prevents it."""
    if not isinstance(raw, Mapping):
        problems.append(_problem(path, f"this is {rules.kind_of(raw)}", "expected keys with values"))
        return None
    before, gap = len(problems), False
    readers = _readers(cls)  # type: ignore[arg-type]  # a class is hashable
    values: dict[str, Any] = {}
    for key in raw:
        if key not in readers:
            problems.append(_unknown(_join(path, key), key, list(readers)))
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        here = _join(path, field.name)
        if field.name not in raw:
            if _required(field):
                gap = True
                if not partial:
                    problems.append(_problem(here, "this is missing", MISSING.get(here, "it is needed")))
        else:
            values[field.name] = readers[field.name](raw[field.name], here, problems, partial)
            gap = gap or values[field.name] is None
    if not partial:
        problems += [_problem(_join(path, p.path), p.message, p.hint) for p in _together(cls, raw)]
    return None if gap or len(problems) > before else cls(**values)


def _together(cls: type, raw: Mapping[str, Any]) -> list[ConfigProblem]:
    """Return what is wrong only because of something else that is there, or is not there either."""
    missing: list[str] = []
    if cls is BoardConfig and isinstance(ssh := raw.get("ssh"), Mapping) and not ssh.get("host"):
        boot = raw.get("boot")
        if not (isinstance(boot, Mapping) and boot.get("address")):
            missing = ["ssh.host"]
    if cls is VmTypeConfig and not raw.get("launch"):
        missing = [key for key in ("qemu", "machine", "cpu") if not raw.get(key)]
    problems = [_problem(key, "this is missing", MISSING[key]) for key in missing]
    if cls is ConsoleConfig:
        problems += [_problem(*fault) for fault in line_rules.console_faults(raw)]
    if cls is BoardConfig and isinstance(power := raw.get("power"), Mapping):
        faults = line_rules.power_faults(power, raw.get("extra"))
        problems += [_problem(_join("power", below), message, hint) for below, message, hint in faults]
    if cls is VmTypeConfig:
        problems += _launching(raw)
    return problems


def _launching(raw: Mapping[str, Any]) -> list[ConfigProblem]:
    """Return what is wrong between the keys of a VM type by which it is started in its own way."""
    launch = raw.get("launch")
    if not launch:
        return [
            _problem(key, f"{key} goes with launch, which is not there", "leave it out, or give launch")
            for key in ("stop", "requires")
            if raw.get(key)
        ]
    last = launch[-1].rstrip() if isinstance(launch, list | tuple) and isinstance(launch[-1], str) else ""
    if last.endswith("&") and not last.endswith("&&"):
        path = f"launch[{len(launch) - 1}]"
        return [_problem(path, "this goes into the background", "the last command stays on the console")]
    return []


Reader = Callable[[Any, str, list[ConfigProblem], bool], Any]


@cache
def _readers(cls: type) -> dict[str, Reader]:
    hints = get_type_hints(cls)
    return {name: _reader(hint, REFINED.get(cls, {}).get(name)) for name, hint in hints.items()}


def _reader(hint: Any, rule: Rule | None) -> Reader:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        nested: type[Any] = hint
        return lambda raw, path, problems, partial: _read(nested, raw, path, problems, partial=partial)
    if get_origin(hint) is tuple and dataclasses.is_dataclass(get_args(hint)[0]):
        return partial_of(_read_list, get_args(hint)[0])
    checked = rule or _by_type(hint)

    def read(raw: Any, path: str, problems: list[ConfigProblem], partial: bool) -> Any:
        try:
            return checked(raw)
        except Bad as bad:
            for one in bad.all:
                problems.append(_problem(path + one.below, one.message, one.hint))
            return None

    return read


def _read_list(cls: type[Any], raw: object, path: str, problems: list[ConfigProblem], partial: bool) -> Any:
    """Return the instances of `cls` that a list of mappings describes. A list is never partial."""
    if not isinstance(raw, list | tuple):
        problems.append(_problem(path, f"this is {rules.kind_of(raw)}", "expected a list"))
        return None
    return tuple(
        _read(cls, entry, f"{path}[{index}]", problems, partial=False) for index, entry in enumerate(raw)
    )


def _by_type(hint: Any) -> Rule:
    simple: dict[Any, Rule] = {str: rules.text, int: rules.whole(0, 2**53), bool: rules.yes_or_no}
    simple[float] = rules.seconds(2**53)
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is tuple:
        return rules.several(_by_type(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return rules.mapping(_by_type(get_args(hint)[1]))
    if get_origin(hint) in (Union, types.UnionType):  # X | None; a null is never read, see `overlay`
        return _by_type(next(arg for arg in get_args(hint) if arg is not types.NoneType))
    raise TypeError(f"no rule for a configuration field of type {hint}")


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _unknown(path: str, key: object, known: list[str]) -> ConfigProblem:
    if path in SECRETS:
        return _problem(path, "there is no such key", SECRETS[path])
    near = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
    return _problem(path, "there is no such key", hint)


def _problem(path: str, message: str, hint: str) -> ConfigProblem:
    return ConfigProblem(path=path, message=message, hint=hint)


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def known_vm_types(
    config: Mapping[str, Any], names: list[str], hidden: Collection[str] = ()
) -> list[ConfigProblem]:
    """Return a problem for every entry of ``runs`` that is not among `names`, all VM types there are.

    `hidden`: those of them that are not told to whoever reads it.
    """
    told = [name for name in names if name not in hidden]
    found = config.get("runs")
    problems = []
    for index, entry in enumerate(found if isinstance(found, list | tuple) else ()):
        if entry not in names:
            near = difflib.get_close_matches(str(entry), told, n=1)
            known = "known are " + ", ".join(sorted(told)) if told else "register the type first"
            hint = f"did you mean {near[0]}?" if near else known
            problems.append(_problem(f"runs[{index}]", f"there is no VM type {entry!r}", hint))
    return problems
