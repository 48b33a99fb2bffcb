"""Helpers number what they say: so each signal counts once, in its order, and a lost one is missed.

What comes behind a lost line waits for it, or a result would go to the wrong test definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

MAX_HELD = 500
"""Signals that wait for a lost line; more are not worth it."""
GAPS = 2000
"""Missing numbers that are named at once."""
ROUNDS = 6
"""Times that a node says missing lines again until it gives up, and what waits for them is handed out."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A signal of a helper, with where its line begins."""

    offset: int
    name: str
    words: list[str]


class Numbers:
    """The signals of one session: handed out in the order of their numbers, each once.

    Memory grows with the gaps only.
    """

    def __init__(self) -> None:
        self._next = 1
        self._held: dict[int, Numbered] = {}
        self._given_up: set[int] = set()
        self._asked_to = 0
        self._rounds = 0

    def take(self, number: int, signal: Numbered) -> list[Numbered]:
        """Take a line; returns what may be handed out now."""
        if number in self._given_up:
            self._given_up.remove(number)
            return [signal]
        if number < self._next or number in self._held:
            return []
        self._held[number] = signal
        ready = []
        while self._next in self._held:
            ready.append(self._held.pop(self._next))
            self._next += 1
        return ready if len(self._held) < MAX_HELD else ready + self.give_up()

    def new_gap(self) -> list[int]:
        """Return the numbers that are seen to be missing, and were not returned before."""
        last = max(self._held, default=0)
        gap = [n for n in self._gaps(last) if n > self._asked_to]
        self._asked_to = max(self._asked_to, last)
        return gap

    def missing(self, last: int) -> list[int]:
        """Return the first that are missing up to `last`, as many as one answer can name."""
        return [*sorted(self._given_up)[:GAPS], *self._gaps(last)][:GAPS]

    def _gaps(self, last: int) -> list[int]:
        return list(islice((n for n in range(self._next, last + 1) if n not in self._held), GAPS))

    def asked(self, *, absent: bool) -> list[Numbered]:
        """The node was told what is missing. Returns what waits no longer: the node has not got it either."""
        self._rounds = self._rounds + 1 if absent else 0
        return self.give_up() if self._rounds >= ROUNDS else []

    def give_up(self) -> list[Numbered]:
        """Return all that still waits."""
        ready = [self._held[number] for number in sorted(self._held)]
        last = max(self._held, default=0)
        self._given_up.update(self._gaps(last))
        self._next = max(self._next, last + 1)
        self._held.clear()
        return ready
