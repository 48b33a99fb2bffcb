"""What the API takes and gives about keyboards and holds."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Keyboard(TypedDict):
    """Somebody may type on a node's console."""

    node: int
    user: str
    ticket: int
    since: float


class TakenKeyboard(Keyboard):
    """Yours; after `idle` seconds without a key it is given back."""

    idle: int


class TypedKeys(TypedDict):
    """`ticket`: that came with the keyboard."""

    ticket: int
    text: str


class Hold(TypedDict):
    """`if_failed`: only if it fails, or one of its results does."""

    seconds: int
    reason: NotRequired[str]
    if_failed: NotRequired[bool]


class Held(TypedDict):
    """It is held since then, until then; null: it is to be held when its work is done."""

    user: str
    seconds: int
    reason: str
    if_failed: bool
    since: float | None
    until: float | None


class WantedConsole(TypedDict):
    """`power`: switch it once the console is open; it is off at the end unless it was on."""

    minutes: NotRequired[int]
    power: NotRequired[Literal["", "on", "cycle"]]


class TakenConsole(TypedDict):
    """Yours; after `idle` seconds without a key it is given back."""

    errand: int
    by: str
    idle: int


class TypedBoardKeys(TypedDict):
    """`errand`: that came with the console."""

    errand: int
    text: str


class ConsolePiece(TypedDict):
    """`kind`: ``o``, the board printed it; ``i``, it was typed; ``n``, a remark. `data`: in base64."""

    id: int
    kind: Literal["o", "i", "n"]
    at: float
    data: str


class ConsoleRecord(TypedDict):
    """`open`: a worker has the board's line, or had it."""

    errand: int
    by: str
    open: bool
    over: bool
    pieces: list[ConsolePiece]
