"""What jobs and their nodes do now, in words: the same as ``static/js/job`` says on a job's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Node

PATIENCE = 5.0
"""Seconds a wait may last before it is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What goes on in a job."""

    words: str
    blocked: bool
    """Some nodes wait for others that do not come."""
    dots: tuple[tuple[str, str], ...]
    """(node, state) for each node: ``off``, ``run``, ``wait``, ``pass`` or ``fail``."""


def now_of(nodes: Sequence[Node], at: float) -> Now:
    """Say what the nodes of a running job do at a time, given in seconds since the epoch."""
    dots = tuple((node.name, dot_of(node)) for node in nodes)
    waiters = [
        node
        for node in nodes
        if node.waits and not node.closed and at - float(node.waits.get("since", at)) > PATIENCE
    ]
    needed = {name for node in waiters if node.index or len(waiters) == 1 for name in _needs(node, nodes)}
    roots = [node for node in nodes if node.name in needed and not node.waits and not node.closed]
    others = [node for node in waiters if node.index]
    if others and roots:
        names = " and ".join(node.name for node in roots)
        return Now(words=f"Blocked on {names}: {doing_of(roots[0])}", blocked=True, dots=dots)
    if len(waiters) > 1 and len(waiters) == sum(not node.closed for node in nodes):
        return Now(words="Everybody waits: nobody can go on", blocked=True, dots=dots)
    busy = [node for node in nodes if not node.closed and not node.waits and node.state != "waiting"]
    if not busy:
        return Now(words="", blocked=False, dots=dots)
    latest = max(busy, key=lambda node: node.since or 0.0)
    return Now(words=f"{latest.name}: {doing_of(latest)}", blocked=False, dots=dots)


def dot_of(node: Node) -> str:
    """Return the class of a node's dot."""
    if node.closed:
        return "pass" if node.closed.get("ok") else "fail"
    if node.waits or node.state == "wait":
        return "wait"
    return "off" if node.state == "waiting" else "run"


def doing_of(node: Node) -> str:
    """Return what a node does, in words."""
    if node.closed:
        return "closed"
    if node.waits:
        return "waits for VMs" if node.waits["kind"] == "vms" else f"{node.waits['kind']} {node.waits['id']}"
    if node.state == "waiting":
        return "not started"
    what = node.doing or ("closing" if node.state == "close" else node.state)
    if node.transfer and node.transfer.get("total"):
        return f"{what}, {100 * node.transfer['done'] // node.transfer['total']} %"
    cases = ", ".join(str(one["case"]) for one in node.running)
    return f"{what} / {cases}" if cases and cases != what else what


def _needs(node: Node, nodes: Sequence[Node]) -> list[str]:
    waits = node.waits or {}
    if waits.get("needs"):
        return list(waits["needs"])
    if waits.get("kind") != "vms":
        return []
    return [one.name for one in nodes if one.index and not one.closed]
