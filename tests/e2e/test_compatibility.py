"""Definitions in the style of the public ones, by hand and by Labbook: what comes of them is the same."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.compatibility import suite
from tests.compatibility.collection import read_table
from tests.compatibility.outcome import Comparison
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
DATA = Path(__file__).parents[1] / "data"
PUBLIC = os.environ.get("LABBOOK_TEST_DEFINITIONS", "")
QUICK = (
    "/busybox/",
    "/smoke/",
    "/crypto.yaml",
    "/device-tree/",
    "/ethernet/",
    "/ima/",
    "/meminfo/",
    "/lshw/",
)


def differences(found: list[Comparison]) -> dict[str, list[str]]:
    return {one.path: one.differences for one in found if one.differences}


def test_definitions_end_as_they_do_by_hand(lab: RunningLab, tmp_path: Path) -> None:
    collection = tmp_path / "collection"
    shutil.copytree(DATA / "collection", collection, symlinks=True)
    (collection / "bin").mkdir()
    (collection / "bin" / "blob").write_bytes(os.urandom(100_000))
    table = read_table(DATA / "collection.yaml", collection)
    assert not table.unknown
    found = suite.compare(lab, collection, table, guests=["busybox"], seconds=400, work=tmp_path)
    assert not differences(found)
    # What they are is known as well: two empty hands are equal too.
    assert [one.hand.summary for one in found] == [
        "9/0/1/0",
        "10/0/0/1",
        "1/1/0/0, exit 7",
        "3/0/0/0",
        "3/0/0/0",
    ]
    (job,) = (json.loads(path.read_text()) for path in tmp_path.glob("busybox-job-*.json"))
    assert [(one["suite"], one["case"], one["name"]) for one in job["attachments"]] == [
        ("tools-2", "log", "system.log"),
        ("tools-2", "", "system.log"),
    ]
    (upload,) = [one for one in job["results"] if one["case"] == "upload"]
    assert upload["message"] == "https://archive.example/system.log"


@pytest.mark.skipif(not PUBLIC, reason="LABBOOK_TEST_DEFINITIONS names no checkout of the public collection")
def test_public_definitions_end_as_they_do_by_hand(lab: RunningLab, tmp_path: Path) -> None:
    collection = Path(PUBLIC)
    table = read_table(Path(suite.__file__).with_name("linaro.yaml"), collection)
    found = suite.compare(lab, collection, table, guests=["busybox"], only=QUICK, seconds=600, work=tmp_path)
    assert len(found) >= len(QUICK)
    assert not differences(found)
    verdicts = {one.path.split("/")[2]: one.hand.summary for one in found}
    assert verdicts["busybox"] == "12/0/0/0"
    assert verdicts["smoke"] == "3/4/0/0"
