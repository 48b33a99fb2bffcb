"""What a definition can ask for beyond the example: VMs started late or in their own way, results sent.

Few runs, each of many things: host files and ``launch_with``, ``count``, two shells with a reboot between; VM
types that an administrator made up; logins; mails and results that are delivered.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.demo.images import GuestImages
from lab.demo.images.tree import Tree
from lab.kernel.deadline import Deadline
from tests.e2e.definitions import KERNEL, RAMDISK, boot, group, shell
from tests.support.images import IMAGES
from tests.support.mailbox import Inbox, Mailbox
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
Json = dict[str, Any]

QEMU = (
    'exec qemu-system-x86_64 -nodefaults -display none -M pc -accel tcg -m "$LABBOOK_MEMORY" -serial stdio'
    " -no-reboot"
    ' -drive file="$LABBOOK_OVERLAY",format=raw,readonly=on,if=none,id=overlay'
    " -device virtio-blk-pci,drive=overlay,serial=labbook"
    ' -netdev "$LABBOOK_NETDEV" -device "virtio-net-pci,netdev=group,mac=$LABBOOK_MAC,romfile="'
)
"""How the tests' own commands start a VM; the kernel comes behind it."""

ATTACH = """
import os, socket, sys, threading, time
for _ in range(600):
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
def typed():
    while data := os.read(0, 4096):
        line.sendall(data)
threading.Thread(target=typed, daemon=True).start()
while data := line.recv(65536):
    os.write(1, data)
"""

VM_TYPES: dict[str, Json] = {
    # A machine without a machine: the guest's files in a name space of its own.
    "sandbox": {
        "launch": [
            "mkdir $LABBOOK_NODE && cd $LABBOOK_NODE",
            "busybox cpio -idm <$LABBOOK_RAMDISK 2>/dev/null || [ -x bin/busybox ]",
            "mkdir -p proc dev tmp && stty sane -echo",
            "exec unshare --user --map-root-user --mount --pid --fork sh -c 'mount -t proc proc proc &&"
            ' mount --rbind /dev dev && exec env -i HOME=/ PATH=/bin:/sbin PS1="sandbox> "'
            " LABBOOK_HANDLE=$LABBOOK_HANDLE chroot . /bin/sh -i'",
        ],
        "requires": ["unshare", "busybox"],
        "prompts": ["sandbox> $"],
        "network": False,
        "boot_timeout": 40,
    },
    # One that does not die with its console, as Xen's do not: nothing of the job's is in its environment.
    "detached": {
        "launch": [
            'env -i PATH="$PATH" setsid $LABBOOK_EXTRA_PROGRAM -nodefaults -display none -M pc -accel tcg'
            " -m $LABBOOK_MEMORY -kernel $LABBOOK_KERNEL -initrd $LABBOOK_RAMDISK -daemonize"
            ' -append "$LABBOOK_KERNEL_ARGS" -pidfile $LABBOOK_FOLDER/$LABBOOK_NODE.daemon'
            " -serial unix:$LABBOOK_FOLDER/$LABBOOK_NODE.console,server=on,wait=off",
            f"exec {shlex.quote(sys.executable)} $LABBOOK_EXTRA_ATTACH $LABBOOK_FOLDER/$LABBOOK_NODE.console",
        ],
        "stop": [
            "pid=$(cat $LABBOOK_NODE.daemon 2>/dev/null) && kill $pid && rm -f $LABBOOK_NODE.daemon",
            'tries=0; while [ -n "$pid" ] && kill -0 $pid 2>/dev/null && [ $tries -lt 50 ]; do'
            " tries=$((tries + 1)); sleep 0.1; done",
            '[ -z "$pid" ] || ! kill -0 $pid 2>/dev/null',
        ],
        "requires": ["qemu-system-x86_64", "setsid"],
        "prompts": [r"root@[^ ]*:[^ ]*# "],
        "network": False,
        "memory": 128,
        "extra": {"program": "qemu-system-x86_64"},
    },
    # A type whose prompt is not that of the guests: who uses it must say what theirs is.
    "kvm-foreign": {"prompts": ["never> "], "boot_timeout": 60},
}

REGISTER = """
import json, os
from django.contrib.auth.models import User
from devices import type_commands
from lab.demo import lab
types = json.loads(os.environ["VM_TYPES"])
admin = User.objects.get(username="engineer")
for name, config in types.items():
    base = "kvm" if name.startswith("kvm-") else ""
    type_commands.register_device_type(name, "vm", "Of the tests.", config, base=base, actor=admin)
runs = [*lab.VM_TYPES, *types]
runs = {"runs": runs, "deploy": "none"}
type_commands.change_device_type(lab.HOST_TYPE, config=runs, actor=admin, cause="test")
"""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as one:
        yield one


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Inbox() as one:
        yield one


@pytest.fixture(scope="module")
def lab(guest_images: Callable[[str], GuestImages], mailbox: Mailbox) -> Iterator[RunningLab]:
    """A lab that sends mail, with VM types that its administrator added."""
    for architecture in ("amd64", "armhf", "arm64"):
        guest_images(architecture)
    settings = {
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mailbox.port),
        "EMAIL_FROM": "lab@lab.example.org",
        "LABBOOK_URL": "https://lab.example.org",
        "LABBOOK_DELIVERY_DELAYS": "0.1,0.1",
        "LABBOOK_ALLOW_LOCAL_HTTP": "1",
    }
    with RunningLab("", workers=3, **settings) as one:
        attach = one.folder / "attach.py"
        attach.write_text(ATTACH)
        types = json.loads(json.dumps(VM_TYPES))
        types["detached"]["extra"]["attach"] = str(attach)
        one.manage("shell", "-c", REGISTER, VM_TYPES=json.dumps(types))
        yield one


def results(job: Json, suite: str, node: int) -> dict[str, str]:
    return {
        one["case"]: one["result"] for one in job["results"] if (one["suite"], one["node"]) == (suite, node)
    }


def failed(lab: RunningLab, definition: Json) -> Json:
    """Run it; see that it is incomplete and that nothing of it is left."""
    job = lab.run(definition)
    assert job["outcome"] == "incomplete", job["failure"]
    assert lab.traces(job["id"]) == []
    assert all(check["ok"] for check in job["checks"]), job["checks"]
    return job


def test_a_host_makes_images_then_starts_its_vms_and_everybody_is_told(
    lab: RunningLab, mailbox: Mailbox, inbox: Inbox
) -> None:
    kernel, ramdisk = KERNEL.removeprefix("file://"), RAMDISK.removeprefix("file://")
    make = shell(
        f"cp {IMAGES}/guest-amd64.rootfs.qcow2 $LABBOOK_FOLDER/made.qcow2",
        f"cp {kernel} $LABBOOK_FOLDER/my-kernel",
        f"cp {ramdisk} $LABBOOK_FOLDER/my-ramdisk",
        "lava-start-vms",
        "lava-sync up",
        "lava-test-case group --shell 'lava-group | grep -c worker | grep -qx 2'",
        "lava-wait-vms",
        "lava-wait-for-vms",
        "lava-test-case waited --result pass",
        role="host",
        name="make",
    )
    definition = group(
        make,
        shell(
            "cp /proc/sys/kernel/random/boot_id /root/mark; sync", "lava-sync up", role="made", name="first"
        ),
        shell(
            "lava-test-case kept --shell test -e /root/mark",
            "lava-test-case fresh --shell '! cmp -s /root/mark /proc/sys/kernel/random/boot_id'",
            role="made",
            name="second",
        ),
        shell(
            "lava-sync up",
            "lava-test-case reach --shell ping -c 1 -w 20 worker-1",
            role="worker",
            name="first",
        ),
        {
            "command": "lava_command_run",
            "parameters": {
                "role": "worker",
                "commands": ["here=$(lava-self)", 'echo "speed of $here = 3 MB/s"', "false", "echo disk OK"],
                "parser": r"(?P<test_case_id>speed|disk)"
                r"(?: of \S+ = (?P<measurement>\d+) (?P<units>\S+)| (?P<result>\w+))",
                "fixupdict": {"OK": "skip"},
            },
            "metadata": {"commit": "abc123", "build": {"number": 7}},
        },
        shell("lava-test-case after-the-gate --result pass", role="host", name="after"),
        {"command": "submit_results", "parameters": {"server": f"{inbox.url}/put", "stream": "/nightly/"}},
        vms=[
            {"device_type": "kvm", "role": "made", "image": "host:made.qcow2"},
            {
                "device_type": "kvm-foreign",
                "role": "worker",
                "count": 2,
                "shell_prompt": r"root@[^ ]*:[^ ]*# ",
                "launch_with": [
                    'test -s my-kernel && echo "$LABBOOK_NODE begins"',
                    f'{QEMU} -kernel my-kernel -initrd my-ramdisk -append "console=ttyS0 panic=-1"',
                ],
            },
        ],
        auto_start_vms=False,
    )
    inbox.answers = [(503, "busy")]
    job = lab.run({**definition, "notify": ["team@example.org"], "notify_on_incomplete": ["no@example.org"]})

    assert job["outcome"] == "complete", job["failure"]
    assert [node["name"] for node in job["nodes"]] == ["host", "made", "worker-1", "worker-2"]
    assert results(job, "make", 0) == {"group": "pass", "waited": "pass", "lava-test-shell-run": "pass"}
    assert results(job, "second", 1) == {"kept": "pass", "fresh": "pass", "lava-test-shell-run": "pass"}
    for node in (2, 3):
        assert f"{job['nodes'][node]['name']} begins" in lab.console(job["id"], node).decode()
        assert results(job, "first", node)["reach"] == "pass"
        assert results(job, "lava-command", node) == {
            "here=$(lava-self)": "pass",
            'echo "speed of $here = 3 MB/s"': "pass",
            "speed": "pass",
            "false": "fail",
            "echo disk OK": "pass",
            "disk": "skip",
            "lava-test-shell-run": "pass",
        }
        assert job["nodes"][node]["metadata"] == {"commit": "abc123", "build": {"number": 7}}
    speed = next(one for one in job["results"] if one["case"] == "speed")
    assert (speed["measurement"], speed["units"]) == ("3", "MB/s")
    assert job["nodes"][0]["metadata"] == {}
    events = lab.client.get(f"jobs/{job['id']}/events/", params={"limit": 5000}).json()["events"]
    order = [one["text"] for one in events]
    gate = order.index("all VMs are closed: the host goes on")
    assert gate < order.index("host began after")
    started = [one["data"]["node"] for one in events if one["type"] == "job.vm_started"]
    assert sorted(started) == [1, 1, 2, 3], "a reboot between two shells, and none before a command run"

    (mail,) = mailbox.wait("team@example.org")
    total = sum(job["counts"].values())
    assert mail["Subject"] == f"[Labbook] job {job['id']} complete, 2 of {total} failed: a test"
    assert delivered(lab, job["id"]) == [("mail", 1), ("results", 2)]
    assert "no@example.org" not in [to for to, _ in mailbox.mails]
    _, _, document = inbox.posts[-1]
    assert (document["stream"], document["job"]["id"]) == ("/nightly/", job["id"])
    assert document["nodes"][2]["metadata"]["commit"] == "abc123"
    assert lab.traces(job["id"]) == []


def delivered(lab: RunningLab, number: int) -> list[tuple[str, int]]:
    """Wait until everything has arrived; returns (kind, attempts) of each."""
    deadline, pause = Deadline.after(60, f"the deliveries of job {number}"), threading.Event()
    while True:
        found = lab.job(number)["deliveries"]
        if all(one["state"] == "delivered" for one in found):
            return [(one["kind"], one["attempts"]) for one in found]
        deadline.check()
        pause.wait(0.2)


def locked_ramdisk(folder: Path) -> str:
    """The guests' initramfs with a password for root: a kernel unpacks archives one behind the other."""
    tree = Tree()
    # openssl passwd -6 -salt labbook hunter2
    secret = (
        "$6$labbook$AYKxWke1hUV2bDzzcVv3Qs/K.AJOgXWS9hbTQnq/TDVkVVL/ep.PHHruJ61PUV6ZwiVqk.S1ct0X3ntDncy4z0"
    )
    tree.file("etc/shadow", f"root:{secret}:19000:0:99999:7:::\n", 0o600)
    path = folder / "files" / "locked.initramfs"
    path.write_bytes(Path(RAMDISK.removeprefix("file://")).read_bytes() + tree.cpio())
    return path.as_uri()


def test_an_administrators_vm_types_and_logins(lab: RunningLab) -> None:
    login = {
        "login_prompt": "login: ",
        "username": "root",
        "password_prompt": "Password: ",
        "password": "hunter2",
        "login_commands": ["export WHO=me", "echo $WHO >/tmp/who"],
    }
    locked = boot("locked", ramdisk=locked_ramdisk(lab.folder))
    locked["parameters"] |= {"boot_cmds": ["guest.login"], **login}
    job = lab.run(
        group(
            locked,
            boot("box"),
            boot("daemon"),
            shell("lava-test-case logged-in --shell grep -qx me /tmp/who", role="locked", name="who"),
            shell(
                "lava-test-case inside --shell test -x /bin/busybox", "lava-sync up", role="box", name="in"
            ),
            shell("lava-sync up", role="locked", name="sync"),
            shell("lava-test-case up --shell uptime", "lava-sync up", role="daemon", name="in"),
            shell("lava-test-case again --shell uptime", role="daemon", name="again"),
            shell("lava-sync up", role="host", name="host"),
            vms=[
                {"device_type": "kvm", "role": "locked"},
                {"device_type": "sandbox", "role": "box"},
                {"device_type": "detached", "role": "daemon"},
            ],
        )
    )

    assert job["outcome"] == "complete", job["failure"]
    assert results(job, "who", 1)["logged-in"] == "pass"
    assert results(job, "in", 2)["inside"] == "pass"
    assert results(job, "in", 3)["up"] == results(job, "again", 3)["again"] == "pass"
    assert {"unshare", "busybox", "setsid"} <= set(results(job, "lava", 0)), (
        "what the types require was looked for"
    )
    assert lab.traces(job["id"]) == [], "the detached VM is gone as well"
    assert all(check["ok"] for check in job["checks"]), job["checks"]


def test_what_goes_wrong_with_such_vms_is_named(lab: RunningLab, mailbox: Mailbox) -> None:
    ok = shell("lava-test-case fine --result pass", "lava-start-vms", role="host")
    own = {"device_type": "kvm", "role": "guest", "launch_with": ["true", "cp /nowhere/disk .", "cat"]}
    job = failed(lab, group(ok, vms=[own]))
    assert job["failure"]["kind"] == "job"
    assert (
        "launch_with: command 2 of 3 (cp /nowhere/disk .) ended with exit status 1"
        in job["failure"]["message"]
    )
    assert "/nowhere/disk" in job["failure"]["message"].split("exit status 1", 1)[1], "what it said"

    forgot = shell("lava-test-case fine --result pass", role="host")
    job = failed(
        lab, group(boot("guest"), forgot, auto_start_vms=False) | {"notify_on_incomplete": ["a@example.org"]}
    )
    assert (job["failure"]["kind"], job["failure"]["node"]) == ("test", 0)
    assert "lava-start-vms" in job["failure"]["message"]
    (mail,) = mailbox.wait("a@example.org")
    assert "lava-start-vms" in mail.get_content()

    absent = {"device_type": "kvm", "role": "guest", "image": "host:never-made.qcow2"}
    job = failed(lab, group(ok, vms=[absent], auto_start_vms=False))
    assert "never-made.qcow2 on the host" in job["failure"]["message"]
    assert job["failure"]["node"] == 1
