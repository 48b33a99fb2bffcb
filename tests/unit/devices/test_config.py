"""Configurations of boards and VM types: what may be written, and how all that is wrong is said."""

from __future__ import annotations

import base64
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.domain import parse_config
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
)
from devices.domain.parse_config import (
    BadConfig,
    board_config,
    checked_board_config,
    checked_vm_type_config,
    known_vm_types,
    overlay,
    validate_board_config,
    validate_vm_type_config,
)

VM: dict[str, Any] = {"qemu": "qemu-system-arm", "machine": "virt", "cpu": "cortex-a15"}
BOARD: dict[str, Any] = {"ssh": {"host": "10.0.0.7"}}
BLOB = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32
KEY = "ssh-ed25519 " + base64.b64encode(BLOB).decode()


def board(**changed: Any) -> list[str]:
    return validate_board_config(BOARD | changed)


def ssh(**changed: Any) -> list[str]:
    return validate_board_config({"ssh": BOARD["ssh"] | changed})


def vm(**changed: Any) -> list[str]:
    return validate_vm_type_config(VM | changed)


def test_what_is_left_out_has_defaults() -> None:
    assert checked_board_config(BOARD) == BoardConfig(ssh=SshConfig(host="10.0.0.7"))
    assert checked_vm_type_config(VM) == VmTypeConfig(**VM)


def test_everything_that_can_be_written_is_read() -> None:
    config = checked_board_config(
        {
            "ssh": {
                "host": "b.example",
                "port": 2222,
                "user": "lab",
                "key_file": "/k",
                "host_key": f"{KEY} me@b",
            },
            "deploy": "none",
            "runs": ["kvm", "kvm-arm"],
            "work_dir": "/srv//lab/",
            "connect_timeout": 1.5,
            "command_timeout": 2,
            "kvm": "never",
            "cleanup_timeout": 3,
            "cache_limit": 1,
        }
    )
    assert config is not None
    assert config.ssh == SshConfig(host="b.example", port=2222, user="lab", key_file="/k", host_key=KEY)
    assert (config.runs, config.work_dir, config.connect_timeout) == (("kvm", "kvm-arm"), "/srv/lab", 1.5)


def test_all_problems_are_said_at_once_with_path_and_hint() -> None:
    with pytest.raises(BadConfig) as caught:
        checked_board_config({"ssh": {"prot": 1, "port": "22"}, "run": [], "kvm": True, "work_dir": None})
    assert [str(problem) for problem in caught.value.problems] == [
        "run: there is no such key (did you mean runs?)",
        "ssh.prot: there is no such key (did you mean port?)",
        "ssh.port: this is a text (expected a whole number from 1 to 65535)",
        "work_dir: this is null (expected a text; put quotes around it if it looks like a number)",
        "kvm: a yes or no is not known here (one of auto, never)",
        "ssh.host: this is missing (the host's name or address)",
    ]
    assert "ssh.host: this is missing (the host's name or address)." in str(caught.value)


def test_a_type_may_leave_gaps_but_not_errors() -> None:
    assert checked_board_config({}, partial=True) is None
    assert checked_board_config({"ssh": {"port": 22}}, partial=True) == BoardConfig(ssh=SshConfig(port=22))
    assert checked_board_config(BOARD, partial=True) is not None
    assert validate_board_config({"ssh": {"port": -1}}, partial=True) == [
        "ssh.port: -1 is out of range (from 1 to 65535)"
    ]
    assert validate_board_config({}) == [
        "ssh: this is missing (how to reach the host, such as ssh: {host: 10.0.0.7, user: lab})"
    ]
    with pytest.raises(BadConfig):
        checked_vm_type_config({})


def test_passwords_have_no_place() -> None:
    assert ssh(password="x") == [
        "ssh.password: there is no such key "
        "(Labbook logs in with keys only: name the private key's file as key_file)"
    ]
    assert "keep the key in a file" in ssh(key_file="-----BEGIN OPENSSH PRIVATE KEY-----\n")[0]


def test_not_a_mapping_is_said_so() -> None:
    assert board(ssh=["host"]) == ["ssh: this is a list (expected keys with values)"]


def test_unknown_keys_far_from_all_others_get_the_list() -> None:
    assert ssh(zzz=1)[0].startswith("ssh.zzz: there is no such key (known are host, port, user, ")


@pytest.mark.parametrize("host", ["10.0.0.7", "::1", "fe80::1", "b", "b-1.lab.example.", "under_score"])
def test_hosts(host: str) -> None:
    assert ssh(host=host) == []


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "user@b", "b:22", "b..c", "a" * 64, "b-"])
def test_no_hosts(host: str) -> None:
    assert "is no host" in ssh(host=host)[0]


@pytest.mark.parametrize(
    "folder", ["/", "//", "/.", "tmp", "/a/../b", "/a b", "/a\nb", "", "~/x", "/$HOME", "/a'b"]
)
def test_no_folders_to_work_in(folder: str) -> None:
    assert "is no folder to work in" in board(work_dir=folder)[0]


@pytest.mark.parametrize(
    "key",
    [
        "AAAA",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 ****",
        f"host {KEY}",
        "ssh-dss " + base64.b64encode(BLOB).decode(),
        KEY[:40],
        KEY.replace("ssh-ed25519 ", "ssh-rsa "),
        f"{KEY}\n{KEY}",
    ],
)
def test_no_host_keys(key: str) -> None:
    assert ssh(host_key=key)


def test_no_host_key_is_allowed() -> None:
    assert ssh(host_key="", key_file="") == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"port": True}, "ssh.port: this is a yes or no"),
        ({"port": 1.0}, "ssh.port: this is the number 1.0"),
        ({"user": "a b"}, "ssh.user: 'a b' cannot be used"),
        ({"key_file": "id"}, "ssh.key_file: 'id' is no absolute path"),
        ({"authorized_keys": "../keys"}, "ssh.authorized_keys: '../keys' is no path of a file"),
        ({"host": "a\x00"}, "ssh.host: this text holds '\\x00'"),
        ({"host": "a" * 5000}, "ssh.host: this text has 5000 characters"),
        ({"host": object()}, "ssh.host: this is a object"),
        ({"host": {}}, "ssh.host: this is a mapping"),
    ],
)
def test_wrong_values_of_ssh(changed: dict[str, Any], words: str) -> None:
    assert ssh(**changed)[0].startswith(words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"connect_timeout": 0}, "connect_timeout: 0 is out of range"),
        ({"connect_timeout": float("nan")}, "connect_timeout: this is the number nan"),
        ({"connect_timeout": "1"}, "connect_timeout: this is a text"),
        ({"deploy": "tftp"}, "deploy: 'tftp' is not known here (one of none, qemu, netboot, command)"),
        ({"runs": "kvm"}, "runs: this is a text (expected a list)"),
        ({"runs": ["kvm", "a b", 3]}, "runs[1]: 'a b' cannot be used"),
        ({"runs": ["kvm", "kvm"]}, "runs[1]: 'kvm' is there twice"),
        ({"cache_limit": 0}, "cache_limit: 0 is out of range"),
    ],
)
def test_wrong_values_of_boards(changed: dict[str, Any], words: str) -> None:
    assert board(**changed)[0].startswith(words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"qemu": "qemu -enable-kvm"}, "qemu: 'qemu -enable-kvm' cannot be used"),
        ({"qemu": "qemu;reboot"}, "qemu: "),
        ({"machine": ""}, "machine: this is missing"),
        ({"memory": 1}, "memory: 1 is out of range"),
        ({"bus": "isa"}, "bus: 'isa' is not known here (one of pci, device)"),
        ({"prompts": []}, "prompts: this list has 0 entries"),
        ({"prompts": ["(", "x*", "[[a]", "\\uZ"]}, "prompts[0]: '(' is no regular expression"),
        ({"kernel": "/boot/vmlinuz"}, "kernel: '/boot/vmlinuz' is no address of a file"),
        ({"kernel_args": "a\nb"}, "kernel_args: this holds a line break or tab"),
        ({"reboot_between_shells": "yes"}, "reboot_between_shells: this is a text (expected true or false)"),
        ({"extra": []}, "extra: this is a list"),
        ({"extra": {"a b": "x"}}, "extra.a b: 'a b' cannot be used"),
        ({"extra": {"a": 1}}, "extra.a: this is the number 1"),
        ({"extra_args": ["-smp", 2]}, "extra_args[1]: this is the number 2"),
        ({"username": 5}, "username: this is the number 5"),
    ],
)
def test_wrong_values_of_vm_types(changed: dict[str, Any], words: str) -> None:
    assert vm(**changed)[0].startswith(words)


def test_several_wrong_entries_of_a_list_are_all_said() -> None:
    assert [line.split(":")[0] for line in vm(prompts=["(", "x*", "[[a]", "ok"])] == [
        "prompts[0]",
        "prompts[1]",
    ]


def test_the_machine_of_a_vm_type_may_carry_options() -> None:
    changed = {
        "kvm_machine": "virt,gic-version=host",
        "firmware": "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
        "kernel": "file:///images/kernel",
        "ramdisk": "lab:ramdisk",
        "login_prompt": "login: $",
        "password_prompt": "",
        "extra": {"a": "b"},
        "network": False,
    }
    assert vm(**changed) == []
    assert checked_vm_type_config(VM | changed).extra == {"a": "b"}


# -- overlay ------------------------------------------------------------------------------------


def test_the_boards_own_is_laid_over_its_types_key_by_key() -> None:
    of_type = {"ssh": {"user": "lab", "port": 22}, "runs": ["kvm"], "kvm": "never"}
    own = {"ssh": {"host": "b1", "port": 2222}, "runs": ["kvm-arm"], "kvm": None}
    config = board_config(of_type, own)
    assert config.ssh == SshConfig(host="b1", port=2222, user="lab")
    assert (config.runs, config.kvm) == (("kvm-arm",), "auto")
    with pytest.raises(BadConfig):
        board_config(of_type, {"ssh": None})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPING = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(base=MAPPING, own=MAPPING)
def test_an_overlay_is_laid_once(base: dict[str, Any], own: dict[str, Any]) -> None:
    once = overlay(base, own)
    assert overlay(once, own) == once
    assert overlay(base, {}) == base


@given(raw=st.dictionaries(st.sampled_from([f.name for f in fields(BoardConfig)] + ["x"]), JSON))
def test_whatever_a_board_config_is_it_gives_values_or_problems(raw: dict[str, Any]) -> None:
    problems = validate_board_config(raw)
    try:
        assert isinstance(checked_board_config(raw), BoardConfig)
    except BadConfig as bad:
        said = [str(problem) for problem in bad.problems]
    else:
        said = []
    assert said == problems


@given(raw=st.dictionaries(st.sampled_from([f.name for f in fields(VmTypeConfig)] + ["x"]), JSON))
def test_whatever_a_vm_type_config_is_it_gives_values_or_problems(raw: dict[str, Any]) -> None:
    problems = validate_vm_type_config(VM | raw)
    assert all(problems)
    if not problems:
        assert isinstance(checked_vm_type_config(VM | raw), VmTypeConfig)


# -- the tables ---------------------------------------------------------------------------------


CLASSES: list[Any] = [
    SshConfig,
    ConsoleConfig,
    PowerConfig,
    LoaderStep,
    BootConfig,
    DeployCommands,
    HealthCheck,
    BoardConfig,
    VmTypeConfig,
]


@pytest.mark.parametrize("cls", CLASSES)
def test_defaults_follow_their_own_rules(cls: Any) -> None:
    readers = parse_config._readers(cls)
    for field in fields(cls):
        if field.default is not MISSING and not is_dataclass(field.default):
            problems: list[Any] = []
            readers[field.name](field.default, field.name, problems, False)
            assert problems == [], field.name


@pytest.mark.parametrize("cls", CLASSES)
def test_refined_rules_are_for_fields_that_exist(cls: Any) -> None:
    assert set(parse_config.REFINED[cls]) <= {field.name for field in fields(cls)}


def test_a_field_of_a_kind_nobody_thought_of_is_a_bug() -> None:
    with pytest.raises(TypeError, match="no rule for a configuration field"):
        parse_config._by_type(bytes)
    assert parse_config._by_type(int | None)(3) == 3
    assert parse_config._by_type(tuple[float, ...])([0.5]) == (0.5,)


# -- names of VM types --------------------------------------------------------------------------


def test_runs_names_types_that_are_there() -> None:
    names = ["kvm", "kvm-arm"]
    assert known_vm_types({"runs": ["kvm"]}, names) == []
    assert known_vm_types({}, names) == known_vm_types({"runs": "kvm"}, names) == []
    assert [str(problem) for problem in known_vm_types({"runs": ["kvm-amr", "xen"]}, names)] == [
        "runs[0]: there is no VM type 'kvm-amr' (did you mean kvm-arm?)",
        "runs[1]: there is no VM type 'xen' (known are kvm, kvm-arm)",
    ]
    assert [problem.hint for problem in known_vm_types({"runs": ["xen"]}, [])] == ["register the type first"]
