"""How large a document may be, and the way a reader gives up."""

from __future__ import annotations

MAX_DEPTH = 40
"""Levels of nesting."""
MAX_NODES = 20_000
"""Values, aliases counted as often as they are used."""
MAX_TEXT = 1024 * 1024
"""Bytes of UTF-8, where the site does not say another limit."""
MAX_PROBLEMS = 100
"""More are counted, not listed."""


class NotReadable(Exception):
    """The text is not what the reader expected, from index `at` on."""

    def __init__(self, at: int, message: str, hint: str = "", *, final: bool = False) -> None:
        super().__init__(message)
        self.at, self.message, self.hint, self.final = at, message, hint, final
        """`final`: a limit was reached; another reader need not try."""
