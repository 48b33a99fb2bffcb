"""Definitions run by hand: a guest booted by QEMU alone, their steps given to a plain shell, its output read.

Nothing of Labbook takes part: no overlay, no helper, no scanner. Scripts of the collection take another way,
and some end with an error, where ``lava-test-case`` and its like are missing: so there is one small program
under their names that prints its arguments as a plain signal, and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import select
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.compatibility.collection import Definition
from tests.compatibility.guests import Guest
from tests.compatibility.outcome import Outcome, Verdict

PROMPT = re.compile(rb"root@[^ ]*:[^ ]*# ")
_END = re.compile(r"^==== hand-end (?P<number>\d+) (?P<status>\d+)\r?$", re.M)
# Not where it is quoted: scripts that are shown (by `cat`, by the trace of `set -x`) have such lines too.
_SIGNAL = re.compile(
    r"(?<!['\"])<LAVA_SIGNAL_(?:"
    r"TESTCASE TEST_CASE_ID=(?P<case>\S+) RESULT=(?P<result>\w+)"
    r"(?P<measured> MEASUREMENT=(?P<number>\S*) UNITS=(?P<units>[^>]*))?"
    r"|TESTSET (?P<set>START \S+|STOP))>"
)

_STAND_IN = """\
#!/bin/sh
case $0 in
*/lava-test-set)
    [ "$1" = start ] && echo "<LAVA_SIGNAL_TESTSET START $2>" || echo "<LAVA_SIGNAL_TESTSET STOP>"
    exit
    ;;
esac
case=$1 result= number= units= measured=
shift
while [ $# -gt 0 ]; do
    case $1 in
    --result) result=$2 ;;
    --measurement) number=$2 measured=yes ;;
    --units) units=$2 ;;
    --reference) ;;
    --shell)
        shift
        if [ $# -eq 1 ]; then (eval "$1"); else "$@"; fi && result=pass || result=fail
        break
        ;;
    esac
    shift 2
done
echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=$case RESULT=$result${measured:+ MEASUREMENT=$number UNITS=$units}>"
"""


def run(
    guest: Guest, collection: Path, definitions: Sequence[Definition], work: Path, seconds: float
) -> list[Outcome]:
    """Run the definitions one after the other; returns what came of each.

    `work` keeps what the guest said. Where it does so from an earlier run of these scripts in this guest,
    that is read again.
    """
    key = hashlib.sha256(repr((guest, _STAND_IN, [one.script for one in definitions])).encode()).hexdigest()
    kept = work / f"{guest.name}-by-hand-{key[:12]}.log"
    if not kept.exists():
        said = _boot_and_run(guest, collection, definitions, work, seconds)
        kept.write_text(said)
    return read(kept.read_text(), len(definitions))


def _boot_and_run(
    guest: Guest, collection: Path, definitions: Sequence[Definition], work: Path, seconds: float
) -> str:
    drive = work / f"{guest.name}-by-hand.tar"
    drive.write_bytes(_drive(guest, collection, definitions))
    command = [
        *("qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", str(guest.memory)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
        *guest.machine,
        *("-drive", f"file={drive},format=raw,readonly=on,if=none,id=hand"),
        *("-device", "virtio-blk-pci,drive=hand,serial=hand"),
        # The two cards that a VM of a group has, so that what is seen of the network is the same.
        *("-netdev", "socket,id=group,mcast=230.45.67.89:27099,localaddr=127.0.0.1"),
        *("-device", "virtio-net-pci,netdev=group,mac=52:54:00:01:02:01,romfile="),
        *("-netdev", "user,id=user", "-device", "virtio-net-pci,netdev=user,mac=52:54:01:01:02:01,romfile="),
    ]
    try:
        with (work / f"{guest.name}-by-hand.console").open("wb") as log:
            return _talk(command, log, seconds)
    finally:
        drive.unlink()


def _talk(command: Sequence[str], log: io.BufferedWriter, seconds: float) -> str:
    """Boot, type one line, and return everything that came after it."""
    until, heard, typed = time.monotonic() + seconds, b"", 0
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while not re.search(rb"^==== hand-over\r?$", heard[max(0, typed) :], re.M):
            ready, _, _ = select.select([process.stdout], [], [], max(0, until - time.monotonic()))
            piece = os.read(process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                break
            log.write(piece)
            log.flush()
            heard += piece
            if not typed and PROMPT.search(heard):
                typed = len(heard)
                process.stdin.write(
                    b'for d in /sys/block/*; do [ "$(cat $d/serial 2>/dev/null)" != hand ] ||'
                    b" tar xf /dev/${d##*/} -C /; done; sh /hand/run\n"
                )
                process.stdin.flush()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    return heard[typed:].decode("utf-8", "replace")


def _drive(guest: Guest, collection: Path, definitions: Sequence[Definition]) -> bytes:
    """Return a tar with the collection and a script for each definition."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for path in sorted(collection.rglob("*")):
            name = path.relative_to(collection)
            if ".git" not in name.parts:
                tar.add(path, f"hand/collection/{name}", recursive=False)
        run = [
            "ip link set lo up; ip link set eth0 up; ip addr add 10.111.1.1/24 dev eth0",
            "ip link set eth1 up; ip addr add 10.0.2.15/24 dev eth1; ip route add default via 10.0.2.2",
            "[ -s /etc/resolv.conf ] || echo nameserver 10.0.2.3 >/etc/resolv.conf",
            "stty -echo",
        ]
        for tool in ("lava-test-case", "lava-test-reference", "lava-test-set"):
            _add(tar, f"hand/bin/{tool}", _STAND_IN)
        run.append("PATH=/hand/bin:$PATH")
        for number, one in enumerate(definitions):
            _add(tar, f"hand/{number}.sh", one.script)
            run += [
                f"(cd /hand/collection && exec {guest.shell} /hand/{number}.sh) </dev/null; status=$?",
                f'echo; echo "==== hand-end {number} $status"',
            ]
        _add(tar, "hand/run", "\n".join([*run, "echo ==== hand-over", ""]))
    return target.getvalue()


def _add(tar: tarfile.TarFile, path: str, text: str) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(text.encode()), 0o755
    tar.addfile(info, io.BytesIO(text.encode()))


def read(said: str, count: int) -> list[Outcome]:
    """Find each definition's results in what the console said."""
    outcomes, start = [], 0
    ends = {int(end["number"]): end for end in _END.finditer(said)}
    for number in range(count):
        end = ends.get(number)
        part = said[start : end.start() if end else len(said)]
        start = end.end() if end else len(said)
        outcomes.append(
            Outcome(
                verdicts=tuple(_verdicts(part)),
                status=int(end["status"]) if end else -1,
                ended=end is not None,
            )
        )
    return outcomes


def _verdicts(text: str) -> list[Verdict]:
    found, group = [], ""
    for signal in _SIGNAL.finditer(text):
        if signal["set"] is not None:
            group = signal["set"].removeprefix("START ") if signal["set"] != "STOP" else ""
            continue
        found.append(
            Verdict(
                set=group,
                case=signal["case"],
                result=signal["result"].lower(),
                # Scripts that could not measure report words, such as part of an error message.
                measured=_is_number(signal["number"]),
                units=(signal["units"] or "").strip() if _is_number(signal["number"]) else "",
            )
        )
    return found


def _is_number(text: str | None) -> bool:
    try:
        return text is not None and math.isfinite(float(text))
    except ValueError:
        return False
