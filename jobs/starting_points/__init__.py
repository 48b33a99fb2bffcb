"""Definitions to start from: those beside this file, and those in the folder that the lab's settings name.

A first line ``# …`` is the title; without one it is the file's name. ``@BOARD_TYPE@`` becomes the first type
of boards that has some and runs VMs, ``@VM_TYPE@`` the first type of VMs that it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from devices import seen
from lab.actors import Actor

OWN = Path(__file__).resolve().parent
SUFFIXES = (".yaml", ".yml", ".json")
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingPoint:
    """A definition that somebody can start from."""

    name: str
    title: str
    text: str
    ours: bool
    """Whether it comes with Labbook, not from the lab's own folder."""


def starting_points(viewer: Actor) -> list[StartingPoint]:
    """Return them, the lab's own first after the empty group. What cannot be read is left out."""
    board_type, vm_type = _usual_types(viewer)
    own = settings.LABBOOK["TEMPLATES"]
    folders = [(OWN, True), *([(Path(own), False)] if own else [])]
    found = [
        _point(path, text.replace("@BOARD_TYPE@", board_type).replace("@VM_TYPE@", vm_type), ours)
        for folder, ours in folders
        for path, text in _texts(folder)
    ]
    return sorted(found, key=lambda one: one.ours and not one.name.endswith("blank"))


def _texts(folder: Path) -> Iterable[tuple[Path, str]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)[:MOST]
    except OSError:
        return
    for path in paths:
        try:
            if path.stat().st_size <= settings.LABBOOK["MAX_DEFINITION_BYTES"]:
                yield path, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def _point(path: Path, text: str, ours: bool) -> StartingPoint:
    first = text.split("\n", 1)[0]
    title = first[1:].strip() if first.startswith("#") else ""
    shown = text.split("\n", 1)[1] if ours and title else text
    return StartingPoint(name=path.stem, title=(title or path.stem)[:80], text=shown, ours=ours)


def _usual_types(viewer: Actor) -> tuple[str, str]:
    vm_types = [one.name for one in seen.vm_types(viewer)]
    for board_type in seen.board_types(viewer):
        runs = [name for name in board_type.runs if name in vm_types]
        if board_type.boards and runs:
            return board_type.name, runs[0]
    return "board-type", next(iter(vm_types), "kvm")
