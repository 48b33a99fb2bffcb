"""Putting a disk into an emulated board whose QEMU goes on running, and taking it out, by QEMU's monitor.

QEMU was started with a block node of driver ``raw`` before the disk's device. What lies behind that node can
be exchanged while the machine is stopped; the device then shows the new disk's size and content.
"""

from __future__ import annotations

from pathlib import Path

from devices.domain.config import BoardConfig
from devices.domain.power_text import in_text
from devices.drivers.power.qmp import Monitor
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


def check(board: BoardConfig) -> None:
    """Raise `InfrastructureError` if the board's configuration does not say where the monitor is."""
    if not board.power.socket:
        raise InfrastructureError(
            "the board's configuration has qemu.node, but no power.socket: QEMU's monitor is needed to put "
            "in the disk"
        )


def insert(board: BoardConfig, disk: Path, deadline: Deadline) -> None:
    """Make a qcow2 file the board's disk, in place of the one that is in, if any. The board must be off."""
    node = board.qemu.node
    with _monitor(board, deadline) as monitor:
        _take_out(monitor, node)
        file = {"driver": "file", "filename": str(disk)}
        monitor.ask("blockdev-add", {"driver": "qcow2", "node-name": f"{node}-in", "file": file})
        _put_behind(monitor, node, f"{node}-in")


def remove(board: BoardConfig, deadline: Deadline) -> None:
    """Leave the board with an empty disk; its file is no longer in use."""
    check(board)
    with _monitor(board, deadline) as monitor:
        _take_out(monitor, board.qemu.node)


def _monitor(board: BoardConfig, deadline: Deadline) -> Monitor:
    return Monitor(in_text(board.power.socket, board.extra), deadline)


def _take_out(monitor: Monitor, node: str) -> None:
    known = {one["node-name"] for one in monitor.ask("query-named-block-nodes", {"flat": True})}
    if node not in known:
        raise InfrastructureError(
            f"the board's QEMU has no block node {node!r} (the board's qemu.node); it was not started with "
            f"-blockdev driver=raw,node-name={node},…"
        )
    if f"{node}-none" not in known:
        monitor.ask("blockdev-add", {"driver": "null-co", "node-name": f"{node}-none", "size": 0})
    _put_behind(monitor, node, f"{node}-none")
    if f"{node}-in" in known:
        monitor.ask("blockdev-del", {"node-name": f"{node}-in"})


def _put_behind(monitor: Monitor, node: str, file: str) -> None:
    monitor.ask("blockdev-reopen", {"options": [{"driver": "raw", "node-name": node, "file": file}]})
