"""What a terminal may have of what a target printed: text and colours."""

from __future__ import annotations

import codecs
import re


class Harmless:
    """Takes a console's bytes and gives what a terminal may have: text and colours.

    What would move the cursor, ask the terminal something or write elsewhere is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> bytes:
        text = self._rest + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        cut = begun.start() if begun and len(text) - begun.start() < LONGEST_SEQUENCE else len(text)
        text, self._rest = text[:cut], text[cut:]
        return _HARMFUL.sub(_kept, text).encode()


def _kept(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("\x1b[") and found[0].endswith("m") else ""


LONGEST_SEQUENCE = 4096
_HARMFUL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences; those that end in m are colours
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # strings for the terminal: titles, links, clipboards
    r"|\x1b[ -/]*[0-~]?"
    r"|[\0-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
