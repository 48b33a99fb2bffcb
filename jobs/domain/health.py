"""Health checks: a definition made to fit a board, and what the end of its job says about the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from devices.domain.checks import Verdict
from jobs.domain.events import Failure, Outcome
from jobs.domain.yaml_nodes import NotYaml, compose

SHOWN = 5
"""How many failed test cases are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A definition made to fit a board."""

    text: str
    added: int = 0
    """How many lines were added."""
    before: int = 0
    """The 1-based line that they stand before."""

    def line(self, line: int) -> int:
        """Return the line of the definition as it was for one of `text`."""
        return line if line < self.before else max(self.before, line - self.added)


def for_board(text: str, device_type: str, board: str) -> Filled:
    """Return the definition with its host's type and board filled in; everything else stays to the letter.

    What cannot be read stays as it is: whoever reads it for good will tell.
    """
    host = _host(text)
    if host is None:
        return Filled(text=text)
    wanted = {"device_type": device_type, "board": board}
    found = {key.value: value for key, value in host.value if key.value in wanted}
    new = [f'"{key}": "{value}"' for key, value in wanted.items() if key not in found]
    start = host.start_mark
    if host.flow_style:
        edits = [(start.index + 1, start.index + 1, ", ".join(new) + (", " if new and host.value else ""))]
    else:
        edits = [(start.index, start.index, "".join(f"{one}\n{' ' * start.column}" for one in new))]
    edits += [(node.start_mark.index, node.end_mark.index, f'"{wanted[key]}"') for key, node in found.items()]
    for first, last, piece in sorted(edits, reverse=True):
        text = text[:first] + piece + text[last:]
    return Filled(text=text, added=0 if host.flow_style else len(new), before=start.line + 1)


def _host(text: str) -> yaml.MappingNode | None:
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs
    try:
        node = compose(text)
    except NotYaml:
        return None
    for key in ("vm_group", "host"):
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node if isinstance(node, yaml.MappingNode) else None


def judge(
    outcome: Outcome, failure: Failure | None, failed: Sequence[str], *, interrupted: bool, reason: str = ""
) -> Verdict:
    """Return what the end of a health check says about its board.

    `failed`: names of the test cases that failed. `reason`: why it was canceled. `interrupted`: its worker
    ended or was lost.
    """
    if outcome == "canceled":
        return Verdict(result="canceled", reason=reason)
    if interrupted:
        return Verdict(result="interrupted", reason=failure.message if failure else reason)
    if outcome == "incomplete":
        return Verdict(result="failed", reason=failure.message if failure else "it did not complete")
    if failed:
        names = ", ".join(failed[:SHOWN]) + (" …" if len(failed) > SHOWN else "")
        return Verdict(
            result="failed", reason=f"{len(failed)} test{'s' if failed[1:] else ''} failed ({names})"
        )
    return Verdict(result="passed")
