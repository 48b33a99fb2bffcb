"""One node's requests and the answers to them: each request is acted upon once, however often it arrives.

Helpers repeat what gets no answer, and a console may lose either direction. So answers are kept for a while
and given again; long ones are handed out a few lines at a time, as the node asks for more.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto

from jobs.domain import wire
from jobs.domain.signals import Request

ANSWERS_KEPT = 64
"""Answers that can be repeated."""
PAST_SESSIONS = 8


class Arrival(Enum):
    """What a request is to the coordinator."""

    NEW = auto()
    """Act on it."""
    NEW_SESSION = auto()
    """Act on it; it is the first of a new run of the node's test runner."""
    SETTLED = auto()
    """Nothing to do but to type `Exchange.lines`."""


@dataclass(slots=True)
class _Answer:
    """What a request was answered; not `done` while it still waits."""

    lines: tuple[str, ...] = ()
    done: bool = False


@dataclass(slots=True)
class Exchange:
    """The requests of one node. Requests printed by hand have no number and are always new."""

    session: str = ""
    lines: tuple[str, ...] = ()
    """What to type for a request that is settled already."""
    _past: list[str] = field(default_factory=list)
    _answers: OrderedDict[int, _Answer] = field(default_factory=OrderedDict)

    def receive(self, request: Request) -> Arrival:
        """Take a request and say what it is."""
        self.lines = ()
        if request.number is None:
            return Arrival.NEW
        if request.session in self._past:
            return Arrival.SETTLED
        arrival = Arrival.NEW
        if request.session != self.session:
            arrival = Arrival.NEW_SESSION
            self._past = [*self._past[1 - PAST_SESSIONS :], self.session] if self.session else []
            self.session, self._answers = request.session, OrderedDict()
        if request.verb == "MORE":
            self.lines = self._more(request)
            return Arrival.SETTLED
        if request.verb == "CANCEL":
            return arrival
        known = self._answers.get(request.number)
        if known is not None:
            heard = wire.answer(request.session, request.number, "wait")
            self.lines = known.lines[: wire.WINDOW] if known.done else heard
            return Arrival.SETTLED
        self._answers[request.number] = _Answer()
        self._forget_old()
        return arrival

    def heard(self, request: Request) -> tuple[str, ...]:
        """Return the lines that tell the node that its request waits."""
        if request.number is None:
            return ()
        return wire.answer(request.session, request.number, "wait")

    def answer(self, request: Request, status: wire.Status, text: str) -> tuple[str, ...]:
        """Return the lines to type now; the rest of a long answer comes as the node asks for it."""
        if request.number is None:
            return _by_hand(request, status, text)
        lines = wire.answer(request.session, request.number, status, text)
        self._answers[request.number] = _Answer(lines, done=True)
        return lines[: wire.WINDOW]

    def forget(self, request: Request) -> None:
        """Nobody waits for the answer any more."""
        if request.number is not None:
            self._answers.pop(request.number, None)

    def _more(self, request: Request) -> tuple[str, ...]:
        """``MORE <request number> <lines received>``: the next lines of a long answer."""
        try:
            number, received = (int(word[:9]) for word in request.args)
        except ValueError:
            return ()
        known = self._answers.get(number)
        if known is None or not known.done or received < 0:
            return ()
        return known.lines[received : received + wire.WINDOW]

    def _forget_old(self) -> None:
        done = [number for number, answer in self._answers.items() if answer.done]
        for number in done[: max(0, len(done) - ANSWERS_KEPT)]:
            del self._answers[number]


def _by_hand(request: Request, status: wire.Status, text: str) -> tuple[str, ...]:
    """Answer a request that no helper made, in LAVA's words; ``lava-send`` never had an answer."""
    if request.verb not in ("WAIT", "WAIT_ALL", "SYNC"):
        return ()
    said = " nack" if status == "no" else "".join(f" {pair}" for pair in text.split("\n") if pair)
    return (f"<LAVA_{request.verb}_COMPLETE{said}>",)
