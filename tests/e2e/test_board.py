"""The example of the documentation on an emulated ARM64 board that is treated like metal.

Its serial line, its boot loader, TFTP, its power switch and KVM on it are real: nothing stands in for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.demo.board.image import build
from lab.demo.images import ARCHITECTURES, GuestImages
from tests.support.demos import demo, manage, prepare, processes_of
from tests.support.images import IMAGES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
Json = dict[str, Any]
LIMIT = 1500.0
"""Seconds for the whole of it; about a minute on an idle machine."""


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory, guest_images: Callable[[str], GuestImages]) -> Path:
    """A data folder in which nothing but the images is ready."""
    folder = tmp_path_factory.mktemp("metal")
    board = build(IMAGES)
    guests = [one for name in ARCHITECTURES for one in guest_images(name).folder.glob(f"guest-{name}.*")]
    prepare(folder, [*guests, *board.files, board.stamp])
    return folder


def test_the_documentations_example_runs_on_a_board_treated_like_metal(var: Path) -> None:
    with demo(var, "--once", "--board", "arm64", "--port", "0") as process:
        output, _ = process.communicate(timeout=LIMIT)

    assert process.returncode == 0, output
    assert re.fullmatch(r"job 1 complete: \d+ passed, 0 failed in \d+\.\d s", output.strip().splitlines()[-1])
    assert re.search(r"vm-groups/transfer  \d+\.\d\d MB/s", output)
    job: Json = json.loads(manage(var, "job", "1", "--json"))
    it_was_deployed_switched_on_and_booted_over_its_console(var, job)
    its_vms_ran_under_kvm(var, job)
    nothing_is_left_and_the_board_is_off_and_free(var, job)


def it_was_deployed_switched_on_and_booted_over_its_console(var: Path, job: Json) -> None:
    passed = [one["case"] for one in job["results"] if one["node"] == 0 and one["result"] == "pass"]
    way = ["deploy_linaro_image", "power-on", "boot-loader", "login-prompt", "shell-prompt", "ssh", "sftp"]
    assert [case for case in passed if case in way] == way
    console = manage(var, "console", "1", "0")
    said = [b"stop autoboot", b"=> tftpboot", b"Bytes transferred = ", b"Starting kernel", b"board login: "]
    places = [console.find(one) for one in said]
    assert -1 not in places, console
    assert places == sorted(places)


def its_vms_ran_under_kvm(var: Path, job: Json) -> None:
    probed = [one for one in job["results"] if one["case"] == "kvm-arm"]
    assert [one["message"] for one in probed] == ["a guest ran under KVM"]
    events = json.loads(manage(var, "job", "1", "--events", "--json"))
    starts = [one["data"]["command"] for one in events if one["type"] == "job.vm_started"]
    assert len(starts) == 2
    assert all("-accel kvm" in one for one in starts), starts


def nothing_is_left_and_the_board_is_off_and_free(var: Path, job: Json) -> None:
    assert job["checks"]
    assert all(one["ok"] for one in job["checks"]), job["checks"]
    assert list((var / "demo/board/disks").iterdir()) == []
    (board,) = (one for one in json.loads(manage(var, "boards", "--json")) if one["name"] == "demo-arm64")
    assert board["state"] in ("free", "idle", "available"), board
    assert processes_of(var) == []
