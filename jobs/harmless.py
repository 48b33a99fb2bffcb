"""What a terminal may have of what a target printed: text and colours."""

from __future__ import annotations

import codecs
import re


class Harmless:
    """Takes a console's bytes and gives what a terminal may have: text and colours.

    What would move the cursor, ask the terminal something or write elsewhere is left out. With `screen` for
    somebody who types there: the cursor moves, too, and keys mean what the program there wants them to mean.
    What asks the terminal something is left out even then: its answer would be typed.
    """

    LEAVING = b"\x1b[0m\x1b[?1l\x1b[?7h\x1b[?25h\x1b[?2004l\x1b7\x1b[r\x1b8"
    """What sets a terminal right again that had a `screen`."""

    def __init__(self, *, screen: bool = False) -> None:
        self._screen = screen
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> bytes:
        text = self._rest + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        cut = begun.start() if begun and len(text) - begun.start() < LONGEST_SEQUENCE else len(text)
        text, self._rest = text[:cut], text[cut:]
        return _HARMFUL.sub(self._kept, text).encode()

    def _kept(self, found: re.Match[str]) -> str:
        one = found[0]
        if self._screen and _SCREEN.fullmatch(one):
            return one
        return one if one.startswith("\x1b[") and one.endswith("m") else ""


LONGEST_SEQUENCE = 4096
_HARMFUL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences; those that end in m are colours
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # strings for the terminal: titles, links, clipboards
    r"|\x1b[ -/]*[0-~]?"
    r"|[\0-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
_SCREEN = re.compile(
    r"\x07|\x1b[78=>DEM]|\x1b\[[0-9;]*[ABCDEFGHJKLMPSTXZ@`adefr]|\x1b\[\?(?:1|7|25|2004)[hl]"
)
"""Moves of the cursor, deletions, scrolling; the modes of arrow keys, line wrap, cursor and pasting."""
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
