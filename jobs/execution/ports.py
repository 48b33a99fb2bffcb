"""What a running job needs from the outside, and what it hands back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from devices.domain.config import BoardConfig, VmTypeConfig
from jobs.domain.definition.model import Definition
from jobs.domain.events import Fact, Failure, NodePlan, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything a runner must know about its job."""

    job: int
    definition: Definition
    nodes: tuple[NodePlan, ...]
    board_name: str
    board: BoardConfig
    vm_types: Mapping[str, VmTypeConfig]

    def vm_types_used(self) -> dict[str, VmTypeConfig]:
        """Return the types of its VMs."""
        return {node.device_type: self.vm_types[node.device_type] for node in self.nodes if node.index}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How patient downloads are."""

    attempts: int = 6
    """How often in a row it may fail before it is given up."""
    pause: float = 0.5
    """Seconds before the second attempt; doubled with each."""
    silence: float = 30
    """Seconds that a server may be silent."""
    clone: float = 600
    """Seconds for one clone of a git repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryImage:
    """An image of the lab's own library, as it is when a job begins."""

    path: Path
    sha256: str
    size: int
    """Bytes."""
    filename: str
    """As it was uploaded; its ending says whether it is packed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What the worker's machine offers."""

    cache: Path
    """Content-addressed cache for downloads; shared between runners."""
    scratch: Path
    """Private to this run, removed by the caller."""
    file_roots: tuple[Path, ...]
    """file:// URLs may only name files below these, links resolved."""
    allow_local_http: bool = False
    """Whether http URLs may lead to this machine itself (loopback, its own addresses)."""
    max_download: int = 32 * 1024**3
    """Bytes that one download may have, also after unpacking."""
    retry: Retry = Retry()
    library: Mapping[str, LibraryImage] = field(default_factory=dict)
    """What ``lab:NAME`` stands for."""


class Superseded(Exception):
    """Another worker, or the end of the job, has taken over: stop touching anything."""


class Reporter(Protocol):
    """Takes facts to the log, in order. Thread-safe; returns quickly."""

    def report(self, *facts: Fact) -> None:
        """Raises `Superseded` if this runner's facts are no longer wanted."""


class ConsoleFull(Exception):
    """A node has printed more than the site allows."""


class Consoles(Protocol):
    """Takes what nodes print, byte for byte. Thread-safe; bytes are stored within 50 ms."""

    def write(self, node: int, data: bytes) -> int:
        """Append to the node's console; returns the offset of the first byte. May block briefly to
        bound memory. Raises `ConsoleFull`."""


class Files(Protocol):
    """Keeps attachments."""

    def keep(self, content: BinaryIO) -> tuple[str, int]:
        """Store the content; returns (hex SHA-256, size in bytes)."""


class Cancellation:
    """Set once, by whoever wants the run to end; looked at by everything that waits."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def cancel(self, reason: str) -> None:
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past a cancellation; returns whether there is one."""
        return self._event.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. `clean` False: the board must be quarantined for `dirt`."""

    outcome: Outcome
    failure: Failure | None = None
    clean: bool = True
    dirt: str = ""
