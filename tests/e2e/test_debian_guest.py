"""Package sources and packages with the real tools, in the Debian guest; on request.

``LABBOOK_DEBIAN_GUEST`` is the disk (``python -m lab.demo.images.debian --out FOLDER --form base``): building
it takes some minutes and a network, so it is not built here. The source is a small one of the test's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.definitions import group, shell
from tests.support.running_lab import RunningLab

DISK = os.environ.get("LABBOOK_DEBIAN_GUEST", "")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not DISK, reason="needs LABBOOK_DEBIAN_GUEST, the disk of the Debian guest"),
    pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb"),
]
LAVA_TEST = """#!/bin/sh
# Stands for the tool of that name, which no distribution has any more.
echo "$@" >>/var/log/lava-test.log
[ "$2" != missing ]
"""


def package(folder: Path, name: str, files: dict[str, str]) -> str:
    """Build a package; returns its paragraph of the index."""
    tree = folder / "tree" / name
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
    control += f"Description: {name} of a test\n"
    for path, text in {"DEBIAN/control": control, **files}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o644 if path.startswith("DEBIAN") else 0o755)
    file = folder / "source" / f"{name}.deb"
    file.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, capture_output=True)
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}Filename: ./{file.name}\nSize: {len(content)}\nSHA256: {digest}\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """The line of a package source that a guest reaches, with two packages."""
    index = [
        package(
            tmp_path, "labbook-hello", {"usr/bin/labbook-hello": "#!/bin/sh\necho hello from a package\n"}
        ),
        package(tmp_path, "lava-test", {"usr/bin/lava-test": LAVA_TEST}),
    ]
    (tmp_path / "source" / "Packages").write_text("\n".join(index))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "source")) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        # 10.0.2.2 is where QEMU's user network has the machine it runs on.
        yield f"deb [trusted=yes] http://10.0.2.2:{server.server_port} ./"
        server.shutdown()
        serving.join()


def test_packages_come_from_a_source_that_the_definition_names(source: str) -> None:
    guest = {"device_type": "kvm", "role": "guest", "memory": 512, "image": Path(DISK).as_uri()}
    install = {
        "role": "guest",
        "install_deb": ["labbook-hello", "lava-test"],
        "register": ["http://example.org/tests.json"],
        "tests": ["stream", "missing"],
    }
    with RunningLab(workers=1, LABBOOK_FILE_ROOTS=str(Path(DISK).parent)) as lab:
        job = lab.run(
            group(
                {"command": "add_apt_repository", "parameters": {"arg": [source], "role": "guest"}},
                {"command": "lava_test_install", "parameters": install},
                shell(
                    "lava-test-case hello --shell labbook-hello",
                    "lava-test-case told --shell 'grep -q \"install stream\" /var/log/lava-test.log'",
                    "lava-test-case known --shell 'lava-installed-packages | grep -q labbook-hello'",
                    role="guest",
                ),
                vms=[guest],
                timeout=800,
            ),
            850,
        )
        console = lab.console(job["id"], 1).decode(errors="replace")
    told = {one["case"]: one["result"] for one in job["results"] if one["node"] == 1}
    assert told[source] == "pass", console[-4000:]
    assert told["deb labbook-hello lava-test"] == "pass"
    assert told["register http://example.org/tests.json"] == "pass"
    assert (told["test stream"], told["test missing"]) == ("pass", "fail")
    assert (told["hello"], told["told"], told["known"]) == ("pass", "pass", "pass")
    assert "hello from a package" in console
