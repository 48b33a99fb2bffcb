"""Sittings as somebody may see them: who sits at a board's console, what went over it, what became of it.

All of it is for those who may type there themselves: passwords are typed, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devices import access, errand_records, seen, sitting_record
from devices.domain.errand import CONSOLE
from devices.errand_records import Errand
from devices.models import Board, SittingChunk
from lab.actors import Actor
from lab.kernel.errors import NotFound

AMONG = 100
"""The last errands of a board, among which its last sittings are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """Somebody at a console now."""

    errand: int
    by: str
    open: bool
    """A worker has begun; before that, one is waited for."""


def require(viewer: Actor, board: str) -> None:
    """Raise `NotFound`, or `NotPermitted` with who can help, for who may not type on a board's console."""
    seen.require_board(viewer, board)
    access.permit(viewer, "console", board, "devices.change_board", "watch its console")


def may(viewer: Actor, board: str) -> bool:
    """Whether somebody may type on a board's console while no job has it: for what a page offers."""
    return access.has_permission(viewer, "devices.change_board") or access.may(viewer, "console", board)


def current(board: str) -> Sitting | None:
    """Return who sits at a board's console now."""
    row = Board.objects.filter(pk=board, errand_what=CONSOLE).first()
    if row is None or row.errand is None:
        return None
    return Sitting(errand=row.errand, by=row.errand_by, open=bool(row.errand_worker))


def one(viewer: Actor, board: str, errand: int) -> Errand:
    """Return what became of a sitting, as far as it is for the viewer. Raises `NotFound`."""
    require(viewer, board)
    found = errand_records.errand(board, errand) if errand > 0 else None
    if found is None or found.what != CONSOLE:
        raise NotFound(f"Nobody sat at the console of board {board} by the number {errand}.")
    return found


def words(viewer: Actor, board: str, errand: int) -> str:
    """Return why a sitting is over, in a sentence without its point; empty: somebody left."""
    found = one(viewer, board, errand)
    if found.outcome == "fail" and seen.sees_config(viewer, board):
        return next((step.said for step in found.steps if step.result == "fail"), "") or found.reason
    return found.reason


def last(viewer: Actor, board: str, limit: int = 10) -> list[Errand]:
    """Return the last sittings at a board's console, the newest first."""
    require(viewer, board)
    found = errand_records.errands(board, limit=AMONG)
    return [one for one in found if one.what == CONSOLE][:limit]


def pieces(viewer: Actor, board: str, errand: int, after: int, most: int) -> list[SittingChunk]:
    """Return pieces of a sitting's record with ids greater than `after`, about so many bytes."""
    require(viewer, board)
    return sitting_record.chunks(board, errand, after=after, most=most)


def beginning(viewer: Actor, board: str, errand: int, most: int) -> int:
    """Return the id after which the last `most` bytes of a sitting's record come, about."""
    require(viewer, board)
    return sitting_record.place_before_end(board, errand, most)


def cast(viewer: Actor, board: str, errand: int) -> Iterator[str]:
    """Return a sitting's record as an asciicast, piece by piece. Raises `NotFound`."""
    found = one(viewer, board, errand)
    return sitting_record.asciicast(board, errand, f"{board}, {found.by}")
