"""The tree that goes to a node: helpers, test definitions, and who and where the node is.

It is built for one test shell of one node, as values; how it gets there is the runner's business. On the
node's console it is run by ``DIRECTORY/bin/lava-test-runner DIRECTORY``::

    bin/          the lava-* helpers
    environment   name, role, group network of this node, as shell assignments
    group         "name TAB role" of every node
    hosts         "address TAB name" of every node, where the group has a network
    tests/order   the folders below, in the order they run
    tests/0_net/  testdef.yaml, run.sh, install.sh, lava-test-uuid, and the files of its repository
"""

from __future__ import annotations

import gzip
import io
import ipaddress
import posixpath
import re
import shlex
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from jobs.domain import scripts, testdef
from lab.kernel.errors import DefinitionFault


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayFile:
    """One file of the tree."""

    path: str
    """Below the tree's top, with slashes."""
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNetwork:
    """The network between the nodes, as this node sees it."""

    mac: str = ""
    """Of the card that belongs to the group, lower case."""
    address: str = ""
    """This node's IPv4 address."""
    prefix: int = 24
    names: Mapping[str, str] = field(default_factory=dict)
    """Address by node name, for /etc/hosts; this node's own included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """Who the node is."""

    job: int
    name: str
    role: str
    host: bool
    """Whether it is the host (`.0`)."""
    group: tuple[tuple[str, str], ...]
    """(name, role) of every node, in their order."""
    network: GroupNetwork = GroupNetwork()
    host_address: str = ""
    """Where the host is to be reached from the VMs."""
    debug: bool = False
    """Helpers say on stderr what they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlan:
    """One test definition to run."""

    definition: testdef.TestDefinition
    suite: str
    """Unique among the suites of the node, see `testdef.unique_names`."""
    uuid: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    """From the job."""
    skip_install: str = ""
    files: tuple[OverlayFile, ...] = ()
    """What lies beside the definition: the files of its git repository."""


def build(
    node: NodeFacts, suites: Sequence[SuitePlan], helpers: Mapping[str, str], *, shell: str = "/bin/sh"
) -> list[OverlayFile]:
    """Return the tree, sorted by path.

    `helpers` are the scripts by name (`jobs.target.helpers`), `shell` is the node's POSIX shell. Raises
    `DefinitionFault` for parameters or ``skip_install`` that cannot be used.
    """
    files = [_text("environment", _environment(node, shell))]
    files.append(_text("group", "".join(f"{name}\t{role}\n" for name, role in node.group)))
    names = node.network.names
    files.append(_text("hosts", "".join(f"{address}\t{name}\n" for name, address in names.items())))
    for name, text in helpers.items():
        executable = text.startswith("#!")
        if executable:
            text = f"#!{shell}\n" + text.partition("\n")[2]
        files.append(_text(f"bin/{name}", text, 0o755 if executable else 0o644))
    folders = []
    for index, suite in enumerate(suites):
        folder = f"{index}_{_folder_name(suite.suite)}"
        folders.append(folder)
        files += _suite_files(f"tests/{folder}", suite)
    files.append(_text("tests/order", "".join(f"{folder}\n" for folder in folders)))
    return sorted({file.path: file for file in files}.values(), key=lambda file: file.path)


def archive(files: Iterable[OverlayFile], *, top: str = "", compress: bool = True) -> bytes:
    """Return the tree as a tar file below the folder `top`: equal trees give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files:
            member = tarfile.TarInfo(posixpath.join(top, file.path) if top else file.path)
            member.size, member.mode, member.mtime = len(file.content), file.mode, 0
            tar.addfile(member, io.BytesIO(file.content))
    return gzip.compress(buffer.getvalue(), 9, mtime=0) if compress else buffer.getvalue()


def _suite_files(folder: str, suite: SuitePlan) -> list[OverlayFile]:
    variables = suite.definition.with_parameters(suite.parameters)
    files = []
    for file in suite.files:
        path = posixpath.normpath(file.path)
        if path.startswith(("/", "../")) or path in ("..", "."):
            raise DefinitionFault(f"the file {file.path!r} lies outside of the folder of {suite.suite}")
        files.append(OverlayFile(path=f"{folder}/{path}", content=file.content, mode=file.mode))
    install = scripts.install_script(suite.definition, variables, suite.skip_install)
    if install:
        files.append(_text(f"{folder}/install.sh", install, 0o755))
    files.append(_text(f"{folder}/run.sh", scripts.run_script(suite.definition, variables), 0o755))
    files.append(_text(f"{folder}/testdef.yaml", suite.definition.text))
    files.append(_text(f"{folder}/lava-test-uuid", f"{quote(suite.suite, safe='._:/=+,@~-')} {suite.uuid}\n"))
    return files


def _environment(node: NodeFacts, shell: str) -> str:
    network = node.network
    netmask = str(ipaddress.IPv4Network(f"0.0.0.0/{network.prefix}").netmask)
    values = {
        "LAVA_JOB_ID": str(node.job),
        "LAVA_NODE": node.name,
        "LAVA_ROLE": node.role,
        "LAVA_IS_HOST": "1" if node.host else "0",
        "LAVA_HOST_IP": node.host_address,
        "LAVA_GROUP_MAC": network.mac.lower() if network.address else "",
        "LAVA_GROUP_ADDRESS": network.address,
        "LAVA_GROUP_PREFIX": str(network.prefix),
        "LAVA_GROUP_NETMASK": netmask,
        "LAVA_SH": shell,
        "LAVA_DEBUG": "1" if node.debug else "",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _folder_name(suite: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", suite)[:80]


def _text(path: str, text: str, mode: int = 0o644) -> OverlayFile:
    return OverlayFile(path=path, content=text.encode("utf-8"), mode=mode)
