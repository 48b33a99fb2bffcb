"""What a node gets: a tar of the trees of its test shells."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from jobs.domain.overlay import OverlayFile
from jobs.execution import delivery

PROGRAM = bytes(range(256)) * 1024


def packed() -> bytes:
    program = OverlayFile(path="tests/0_one/bin/program", content=PROGRAM, mode=0o755)
    again = OverlayFile(path="tests/1_two/bin/program", content=PROGRAM, mode=0o755)
    data = OverlayFile(path="tests/1_two/data", content=PROGRAM)
    notes = [OverlayFile(path=f"tests/{name}/notes", content=b"small\n") for name in ("0_one", "1_two")]
    return delivery.pack({"lava-7.1": [program, again, data, *notes], "lava-7.1-2": [program]}, "stamp")


def test_large_files_that_definitions_share_are_there_once() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed())) as tar:
        members = {member.name: member for member in tar}
    first = members["lava-7.1/tests/0_one/bin/program"]
    assert first.isreg()
    for path in ("lava-7.1/tests/1_two/bin/program", "lava-7.1-2/tests/0_one/bin/program"):
        assert members[path].islnk()
        assert members[path].linkname == first.name
    assert members["lava-7.1/tests/1_two/data"].isreg(), "its mode is another"
    assert members["lava-7.1/tests/1_two/notes"].isreg(), "what a test may well change is its own"


@pytest.mark.parametrize("tar", [["tar"], ["busybox", "tar"]])
def test_every_tar_unpacks_it(tar: list[str], tmp_path: Path) -> None:
    subprocess.run([*tar, "xf", "-", "-C", str(tmp_path)], input=packed(), check=True)
    for path in ("lava-7.1/tests/1_two/bin/program", "lava-7.1-2/tests/0_one/bin/program"):
        assert (tmp_path / path).read_bytes() == PROGRAM
    assert (tmp_path / "lava-7.1" / delivery.MARK).read_text() == "stamp\n"
