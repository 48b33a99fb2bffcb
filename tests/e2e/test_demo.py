"""The demo, as a person runs it: from an empty data folder to the last line, and stopped half-way."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.demo.images import ARCHITECTURES, GuestImages
from tests.support.demos import demo, prepare, processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def var(
    tmp_path_factory: pytest.TempPathFactory, guest_images: Callable[[str], GuestImages]
) -> Iterator[Path]:
    """A data folder in which nothing but the images is ready."""
    folder = tmp_path_factory.mktemp("demo")
    prepare(
        folder, (one for name in ARCHITECTURES for one in guest_images(name).folder.glob(f"guest-{name}.*"))
    )
    yield folder
    assert processes_of(folder) == []


def test_the_demo_passes_and_may_be_run_again(var: Path) -> None:
    """One after the other: the second finds what the first has made."""
    it_passes_and_says_so_in_its_last_line(var)
    another_run_starts_its_job_soon_and_ctrl_c_stops_everything(var)


def it_passes_and_says_so_in_its_last_line(var: Path) -> None:
    with demo(var, "--once", "--port", "0") as process:
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    lines = output.strip().splitlines()
    assert re.fullmatch(r"job 1 complete: \d+ passed, 0 failed in \d+\.\d s", lines[-1]), output
    assert output.count("password") == 1, "the password is printed once"
    assert re.search(r"vm-groups/transfer  \d+\.\d\d MB/s", output)
    assert "pass     vm-groups-after/no-vm-left" in output
    assert processes_of(var) == []


def another_run_starts_its_job_soon_and_ctrl_c_stops_everything(var: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        began = time.monotonic()
        with demo(var, "--port", str(port), "--example", "vm-groups-x86.json") as process:
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if re.search(r"job +runs", line):
                    break
            took = time.monotonic() - began
            output = "".join(said)
            assert f"Port {port} is in use" in output
            assert "printed this once" not in output
            assert took < 40, "10 s on an idle machine"
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(120) == 130, rest
    assert processes_of(var) == []
