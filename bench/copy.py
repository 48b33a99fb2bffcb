"""Copying an image to a host, against OpenSSH's sftp in the same run.

    python -m bench.copy [MEGABYTES [ROUNDS]]

Both copy the same file of random bytes to the same sshd, turn by turn, the connection included. Ours also
proves by digest what was stored. Then the image is deployed twice by way of the cache on the host: the second
time must cost no bytes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import spread, table
from devices.domain.config import BoardConfig, VmTypeConfig
from devices.drivers import ssh
from jobs.domain.events import Fact, PhaseStarted, TransferProgressed
from jobs.execution.fetch import Fetcher
from jobs.execution.host import JobKey, Place, key_mark, make_place, new_handle
from jobs.execution.images import BootPlan, Library, Wanted
from jobs.execution.journal import Journal
from jobs.execution.ports import Workplace
from jobs.execution.progress import Teller
from lab.demo.sshd import Sshd, SshServer
from lab.kernel.deadline import Deadline
from tests.support.sshd import ssh_config

PIECE = 1024 * 1024


@dataclass
class Bench:
    folder: Path
    server: SshServer
    image: Path

    def openssh(self, number: int) -> None:
        """Copy by OpenSSH's sftp, as it comes."""
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.server.port} {self.server.host_key}\n")
        options = [
            *("-q", "-b", "-", "-P", str(self.server.port), "-i", str(self.server.key_file)),
            *("-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes"),
        ]
        subprocess.run(
            ["sftp", *options, f"{self.server.user}@127.0.0.1"],
            input=f"put {self.image} {self.folder}/theirs-{number}\n".encode(),
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def ours(self, number: int) -> None:
        """Copy as images are copied to hosts."""
        host = ssh.connect(ssh_config(self.server), soon())
        try:
            with self.image.open("rb") as source:
                host.put(source, f"{self.folder}/ours-{number}", soon())
        finally:
            host.close()

    def rates(self, rounds: int) -> tuple[list[float], list[float]]:
        """Return megabytes per second of theirs and ours, taken turn by turn."""
        theirs: list[float] = []
        ours: list[float] = []
        for number in range(rounds):
            for copy, rates in ((self.openssh, theirs), (self.ours, ours)):
                rates.append(self.image.stat().st_size / 1e6 / timed(copy, number))
                for copied in self.folder.glob("*-*[0-9]"):
                    copied.unlink()
        return theirs, ours

    def deploys(self) -> list[tuple[float, int]]:
        """Deploy the image twice, as two jobs do; returns seconds and bytes copied of each."""
        board = BoardConfig(ssh=ssh_config(self.server), work_dir=str(self.folder / "work"))
        place = Workplace(cache=self.folder / "cache", scratch=self.folder, file_roots=(self.image.parent,))
        plan = BootPlan(disk=Wanted(url=self.image.as_uri()))
        results = []
        host = ssh.connect(board.ssh, soon())
        try:
            for job in (1, 2):
                log = Log()
                there = self._place(host, board, job)
                library = Library(host, there, board, Fetcher(place))
                teller = Teller(Journal(log), 1)
                chosen = library.choose(plan, VmTypeConfig(qemu="none"), soon(), teller)
                seconds = timed(library.copy, chosen.contents, soon(), teller)
                results.append((seconds, log.copied))
        finally:
            host.close()
        return results

    def _place(self, host: ssh.SshHost, board: BoardConfig, job: int) -> Place:
        handle = new_handle()
        key = JobKey.generate(key_mark(board, job) + handle)
        return make_place(host, board, job, handle, key, set(), soon())


class Log:
    """Counts what is copied."""

    def __init__(self) -> None:
        self.copied = 0

    def report(self, *facts: Fact) -> None:
        for fact in facts:
            if isinstance(fact, PhaseStarted):
                print(f"  {fact.what}", file=sys.stderr)
            if isinstance(fact, TransferProgressed) and fact.ended and fact.what.startswith("copy"):
                self.copied += fact.done


def soon() -> Deadline:
    return Deadline.after(600, "the copy")


def timed(act: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - started


def main(megabytes: int = 200, rounds: int = 5) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-copy-") as name, Sshd(Path(name) / "sshd") as server:
        folder = Path(name)
        image = folder / "images" / "disk.img"
        image.parent.mkdir()
        with image.open("wb") as target:
            for _ in range(megabytes):
                target.write(os.urandom(PIECE))
        bench = Bench(folder, server, image)
        theirs, ours = bench.rates(rounds)
        first, second = bench.deploys()
        ratio = statistics.median(ours) / statistics.median(theirs)
        table(
            f"{megabytes} MiB to a host on loopback",
            [
                ("OpenSSH's sftp", spread(theirs, "MB/s", 0)),
                ("Labbook, proven by digest", spread(ours, "MB/s", 0)),
                ("ratio of the medians", f"{ratio:.2f}"),
                ("first deploy", f"{first[0]:.2f} s, {first[1]:,} bytes"),
                ("second deploy", f"{second[0]:.2f} s, {second[1]:,} bytes"),
            ],
        )
    return 0 if ratio >= 1.0 and second[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
