"""Jobs on an emulated ARM64 board that is treated like metal, one after the other while it is plugged in.

Its serial line, its boot loader, TFTP, its power switch and KVM on it are real: nothing stands in for them.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.demo.board.image import build
from lab.demo.images import ARCHITECTURES, GuestImages
from tests.e2e.definitions import shell
from tests.support.demos import demo, manage, prepare, processes_of
from tests.support.images import IMAGES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
Json = dict[str, Any]
BOARD = "demo-arm64"


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory, guest_images: Callable[[str], GuestImages]) -> Path:
    """A data folder in which nothing but the images is ready."""
    folder = tmp_path_factory.mktemp("metal")
    board = build(IMAGES)
    guests = [one for name in ARCHITECTURES for one in guest_images(name).folder.glob(f"guest-{name}.*")]
    prepare(folder, [*guests, *board.files, board.stamp])
    return folder


@pytest.fixture(scope="module")
def said(var: Path) -> Iterator[str]:
    """What the demo says until its example has ended; it goes on, with the board plugged in."""
    with demo(var, "--board", "arm64", "--port", "0") as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "goes on serving" in line:
                break
        try:
            yield "".join(lines)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            ended = process.wait(120)
    assert ended == 0, rest
    assert processes_of(var) == []


# -- the documentation's example -------------------------------------------------------------------------


def test_the_documentations_example_runs_on_a_board_treated_like_metal(var: Path, said: str) -> None:
    assert re.search(r"^job 1 complete: \d+ passed, 0 failed in \d+\.\d s$", said, re.MULTILINE), said
    assert re.search(r"vm-groups/transfer  \d+\.\d\d MB/s", said)
    job: Json = json.loads(manage(var, "job", "1", "--json"))
    it_was_deployed_switched_on_and_booted_over_its_console(var, job)
    its_vms_ran_under_kvm(var, job, "kvm-arm", starts=2)
    the_board_is_left_as_it_was(var, job)


def it_was_deployed_switched_on_and_booted_over_its_console(var: Path, job: Json) -> None:
    passed = [one["case"] for one in job["results"] if one["node"] == 0 and one["result"] == "pass"]
    way = ["deploy_linaro_image", "power-on", "boot-loader", "login-prompt", "shell-prompt", "ssh", "sftp"]
    assert [case for case in passed if case in way] == way
    console = manage(var, "console", "1", "0")
    words = [b"stop autoboot", b"=> tftpboot", b"Bytes transferred = ", b"Starting kernel", b"board login: "]
    places = [console.find(one) for one in words]
    assert -1 not in places, console
    assert places == sorted(places)


def its_vms_ran_under_kvm(var: Path, job: Json, probe: str, *, starts: int) -> None:
    """That the board can was tried with a guest, and they were told to."""
    assert {one["message"] for one in job["results"] if one["case"] == probe} == {"a guest ran under KVM"}
    commands = [one["data"]["command"] for one in events(var, job) if one["type"] == "job.vm_started"]
    assert len(commands) == starts
    assert all("-accel kvm" in one for one in commands), commands


def the_board_is_left_as_it_was(var: Path, job: Json) -> None:
    assert all(one["ok"] for one in job["checks"]), job["checks"]
    assert ("power", "off") in {(one["what"], one["found"]) for one in job["checks"]}
    assert list((var / "demo/board/disks").iterdir()) == []
    (board,) = (one for one in json.loads(manage(var, "boards", "--json")) if one["name"] == BOARD)
    assert board["state"] in ("free", "idle", "available"), board


def events(var: Path, job: Json) -> list[Json]:
    found: list[Json] = json.loads(manage(var, "job", str(job["id"]), "--events", "--json"))
    return found


# -- a job that does the rest of what a board can do -----------------------------------------------------

UNDER_KVM = """
result=fail
for process in $(pidof qemu-system-aarch64); do
    case $(readlink /proc/$process/fd/*) in *anon_inode:kvm-vcpu:0*) result=pass ;; esac
done
lava-test-case under-kvm --result $result
"""
"""A QEMU that emulates has no processor of KVM open."""
MARK = "cp /proc/sys/kernel/random/boot_id /root/mark; sync"
BOOTED_ANEW = (
    "lava-test-case kept --shell test -e /root/mark",
    "lava-test-case fresh --shell '! cmp -s /root/mark /proc/sys/kernel/random/boot_id'",
)


def definition(images: Path) -> str:
    """A 64-bit VM that the host's test starts late; a second shell for the host and the VM; a crash."""
    boots = {"host": "board-arm64.qcow2", "guest": "guest-arm64.rootfs.qcow2"}
    deploy = [
        {"command": "deploy_linaro_image", "parameters": {"role": role, "image": (images / name).as_uri()}}
        for role, name in boots.items()
    ]
    tests = [
        shell(
            MARK,
            "lava-test-case none-yet --shell '! pidof qemu-system-aarch64'",
            "lava-start-vms",
            "lava-sync up",
            UNDER_KVM,
            "lava-sync seen",
            "lava-wait-for-vms",
            "lava-test-case none-left --shell '! pidof qemu-system-aarch64'",
            role="host",
            name="begin",
        ),
        shell(MARK, "lava-sync up", "lava-sync seen", role="guest", name="first"),
        shell(*BOOTED_ANEW, role="guest", name="second"),
        shell(
            *BOOTED_ANEW,
            "lava-test-case unfinished --shell 'echo c >/proc/sysrq-trigger'",
            role="host",
            name="after",
        ),
    ]
    return json.dumps({
        "job_name": "what a board can do",
        "timeout": 1500,
        "vm_group": {
            "host": {"device_type": "qemu-arm64", "role": "host"},
            "auto_start_vms": False,
            "vms": [{"device_type": "kvm-aarch64", "role": "guest"}],
        },
        "actions": [*deploy, *tests],
    })  # fmt: skip


@pytest.mark.usefixtures("said")
def test_a_late_vm_second_shells_and_a_crash_on_a_board_that_was_used_before(var: Path) -> None:
    incomplete = 4
    text = definition(var / "images")
    job: Json = json.loads(manage(var, "submit", "-", "--wait", "--json", stdin=text, status=incomplete))

    cases = {(one["suite"], one["case"]): one["result"] for one in job["results"] if one["suite"] != "lava"}
    begin = ["none-yet", "under-kvm", "none-left", "lava-test-shell-run"]
    for suite, expected in (("begin", begin), ("second", ["kept", "fresh", "lava-test-shell-run"])):
        assert [case for at, case in cases if at == suite] == expected
    assert [case for at, case in cases if at == "after"] == ["kept", "fresh"], "in the third it crashed"
    assert set(cases.values()) == {"pass"}, cases
    its_vms_ran_under_kvm(var, job, "kvm-aarch64", starts=2)
    every_start_came_when_it_should(var, job)
    the_crash_is_named(job)
    the_board_is_left_as_it_was(var, job)


def every_start_came_when_it_should(var: Path, job: Json) -> None:
    """The VM's when the host's test asked for it, and between its two shells; the host's after the gate."""
    told = [(one["type"], one["data"]) for one in events(var, job)]
    asked = next(n for n, (kind, data) in enumerate(told) if data.get("case") == "none-yet")
    assert asked < next(n for n, (kind, data) in enumerate(told) if kind == "job.vm_started")
    gate = next(n for n, (kind, data) in enumerate(told) if kind == "job.gate_opened")
    on = [n for n, (kind, data) in enumerate(told) if data.get("case", "").startswith("power-on")]
    assert len(on) == 2
    assert on[0] < gate < on[1]


def the_crash_is_named(job: Json) -> None:
    assert job["outcome"] == "incomplete"
    message = job["failure"]["message"]
    assert "crashed in mid-test" in message
    assert "Kernel panic - not syncing: sysrq triggered crash" in message
    assert job["failure"]["kind"] == "test"


# -- and a person, between the jobs ----------------------------------------------------------------------

TOKEN = """
from django.contrib.auth.models import User
from lab.tokens.models import make_token
print(make_token(User.objects.get(username="admin"), "a test", scopes=["read", "admin"]))
"""


def test_somebody_sits_at_the_idle_board_and_talks_with_its_boot_loader(var: Path, said: str) -> None:
    base = re.search(r"goes on serving at (http://[^ ]+/)", said)
    assert base
    token = manage(var, "shell", "--no-imports", "-c", TOKEN).decode().split()[-1]
    url = f"{base[1]}api/v1/boards/{BOARD}/console/"
    with httpx.Client(headers={"Authorization": f"Token {token}"}, timeout=60) as client:
        taken = client.post(url, json={"minutes": 5, "power": "on"})
        assert taken.status_code == 201, taken.text
        errand = taken.json()["errand"]
        printed, after, remarks = b"", 0, list[str]()

        def follow(wanted: bytes | None, seconds: float = 120) -> None:
            """Read on until the board has printed this, or, with nothing wanted, until it is over."""
            nonlocal printed, after
            end = time.monotonic() + seconds
            while wanted is None or wanted not in printed:
                assert time.monotonic() < end, (wanted, printed, remarks)
                one = client.get(f"{url}{errand}/", params={"after": after}).json()
                for piece in one["pieces"]:
                    after = piece["id"]
                    data = base64.b64decode(piece["data"])
                    if piece["kind"] == "o":
                        printed += data
                    elif piece["kind"] == "n":
                        remarks.append(data.decode())
                if one["over"] and not one["pieces"]:
                    assert wanted is None, (wanted, printed, remarks)
                    return
                if not one["pieces"]:
                    time.sleep(0.1)

        def type_keys(text: str) -> None:
            assert client.post(f"{url}keys/", json={"errand": errand, "text": text}).status_code == 202

        follow(b"stop autoboot")
        type_keys(" ")
        follow(b"=> ")
        type_keys("echo by-$loadaddr-hand; version\r")
        follow(b"-hand\r\n")
        assert client.delete(url).status_code == 204
        follow(None)
        record = client.get(f"{url}{errand}.cast").text
    assert remarks == ["the serial console is open", "its power is on", "its power is off"]
    assert "echo by-$loadaddr" in record
    assert b"power is off" in manage(var, "board", BOARD, "power", "status")
    (board,) = (one for one in json.loads(manage(var, "boards", "--json")) if one["name"] == BOARD)
    assert board["state"] in ("free", "idle", "available"), board
