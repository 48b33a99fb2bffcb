"""The tree that goes to a node."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from jobs.domain import overlay, testdef
from jobs.domain.overlay import GroupNetwork, NodeFacts, OverlayFile, SuitePlan
from jobs.target import helpers
from lab.kernel.errors import DefinitionFault

DEFINITION = testdef.parse(
    "metadata: {name: net}\nparams: {A: 1}\ninstall: {deps: [x]}\nrun: {steps: ['true']}"
)
NODE = NodeFacts(
    job=57,
    name="client-1",
    role="client",
    host=False,
    group=(("host", "host"), ("client-1", "client"), ("client-2", "client")),
    network=GroupNetwork(
        mac="52:54:00:AB:00:01",
        address="10.0.2.3",
        prefix=22,
        names={"client-1": "10.0.2.3", "client-2": "10.0.2.4"},
    ),
    host_address="10.0.2.1",
)


def suite(**options: object) -> SuitePlan:
    return SuitePlan(**{"definition": DEFINITION, "suite": "net", "uuid": "u1", **options})  # type: ignore[arg-type]


def tree(*suites: SuitePlan, node: NodeFacts = NODE, shell: str = "/bin/sh") -> dict[str, OverlayFile]:
    return {file.path: file for file in overlay.build(node, suites, helpers(), shell=shell)}


def test_a_node_learns_who_and_where_it_is() -> None:
    files = tree(suite())
    script = (
        files["environment"].content
        + b'echo "$LAVA_NODE $LAVA_GROUP_MAC $LAVA_GROUP_ADDRESS $LAVA_GROUP_NETMASK"'
    )
    said = subprocess.run(["/bin/sh"], input=script, capture_output=True, check=True).stdout.decode()
    assert said == "client-1 52:54:00:ab:00:01 10.0.2.3 255.255.252.0\n"
    assert files["group"].content == b"host\thost\nclient-1\tclient\nclient-2\tclient\n"
    assert files["hosts"].content == b"10.0.2.3\tclient-1\n10.0.2.4\tclient-2\n"


def test_definitions_lie_in_their_order_with_their_files() -> None:
    repository = (
        OverlayFile(path="./sub/tool.sh", content=b"tool", mode=0o755),
        OverlayFile(path="run.sh", content=b"x"),
    )
    files = tree(suite(files=repository, parameters={"B": "2"}), suite(suite="net-2", skip_install="all"))
    assert files["tests/order"].content == b"0_net\n1_net-2\n"
    assert (files["tests/0_net/sub/tool.sh"].mode, files["tests/0_net/sub/tool.sh"].content) == (
        0o755,
        b"tool",
    )
    assert b"export B=2" in files["tests/0_net/run.sh"].content
    assert b"lava-install-packages x" in files["tests/0_net/install.sh"].content
    assert "tests/1_net-2/install.sh" not in files
    assert files["tests/0_net/testdef.yaml"].content.decode() == DEFINITION.text
    assert files["tests/1_net-2/lava-test-uuid"].content == b"net-2 u1\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "..", "."])
def test_a_file_outside_of_its_folder_is_refused(path: str) -> None:
    with pytest.raises(DefinitionFault, match="outside of the folder"):
        tree(suite(files=(OverlayFile(path=path, content=b""),)))


def test_odd_suite_names_make_plain_folders() -> None:
    files = tree(suite(suite="a%20b:ü"))
    assert files["tests/order"].content == b"0_a_20b__\n"
    assert files["tests/0_a_20b__/lava-test-uuid"].content == b"a%2520b:%C3%BC u1\n"


def test_helpers_run_with_the_nodes_shell_and_only_they_are_executable() -> None:
    files = tree(suite(), shell="/system/bin/sh")
    assert files["bin/lava-sync"].content.startswith(b"#!/system/bin/sh\n")
    assert files["bin/lava-sync"].mode == 0o755
    assert files["bin/lava-lib"].mode == 0o644


def test_equal_trees_make_equal_archives() -> None:
    files = list(tree(suite()).values())
    first = overlay.archive(files, top="lava-57.1")
    assert first == overlay.archive(list(tree(suite()).values()), top="lava-57.1")
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        names = tar.getnames()
        assert "lava-57.1/bin/lava-test-runner" in names
        assert names == sorted(names)
        assert {member.mtime for member in tar.getmembers()} == {0}
    with tarfile.open(fileobj=io.BytesIO(overlay.archive(files, compress=False))) as tar:
        assert "bin/lava-test-runner" in tar.getnames()


@pytest.mark.parametrize("shell", [["/bin/dash"], ["/bin/busybox", "ash"], ["/bin/bash"]])
def test_every_script_is_understood_by_every_shell(shell: list[str]) -> None:
    for file in tree(suite()).values():
        if file.path.startswith("bin/") or file.path.endswith(".sh"):
            done = subprocess.run([*shell, "-n"], input=file.content, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, b""), file.path


def test_no_script_holds_a_mark_that_its_echo_could_turn_into_a_signal() -> None:
    for name, text in helpers().items():
        for mark in ("<LAVA_SIGNAL_", "<LAVA_MULTI_NODE> <LAVA_"):
            assert mark not in text, name
