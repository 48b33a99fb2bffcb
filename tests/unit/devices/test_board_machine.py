"""Whatever is done to a board, in whatever order, some things never happen."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from devices.domain import board as boards
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.domain.events import (
    BoardBroughtOnline,
    BoardReleased,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
)
from devices.domain.history import board_history
from lab.kernel.aggregate import fold
from lab.kernel.errors import Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.memory import MemoryEventStore
from lab.kernel.ports import Append

TYPE = DeviceType(name="host", config={"ssh": {"host": "10.0.0.7"}})
JOBS = st.integers(1, 4)
REASONS = st.sampled_from(["", "dust", "mud"])
STREAM = boards.stream("b1")


class BoardMachine(RuleBasedStateMachine):
    """Drives a board by its deciders and keeps, by simpler means, what must be true of it."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryEventStore()
        self.board = Board()
        self.holder: int | None = None
        self.offline = self.retired = False

    @initialize()
    def register(self) -> None:
        self._record(
            boards.register(self.board, [TYPE], name="b1", site="s", tags=[], description="", config={})
        )

    @rule(job=JOBS)
    def reserve(self, job: int) -> None:
        allowed = self.holder is None and not self.offline and not self.retired and self.board.health != "bad"
        assert allowed == (not self.board.refusal)
        try:
            events = boards.reserve(self.board, job)
        except Rejected:
            assert not allowed
        else:
            assert allowed
            self._record(events)

    @rule(job=JOBS, clean=st.booleans())
    def give_back(self, job: int, clean: bool) -> None:
        decide = boards.release if clean else boards.quarantine
        try:
            events = decide(self.board, job, "done")
        except Rejected:
            assert self.holder != job
        else:
            assert self.holder == job
            self._record(events)
            assert clean or self.board.quarantined

    @rule(reason=REASONS)
    def take_offline(self, reason: str) -> None:
        self._try(lambda: boards.take_offline(self.board, reason))

    @rule(reason=REASONS)
    def bring_online(self, reason: str) -> None:
        quarantined = self.board.quarantined
        if self._try(lambda: boards.bring_online(self.board, reason)):
            assert reason or not quarantined

    @rule(health=st.sampled_from(["unknown", "good", "bad"]), reason=REASONS)
    def set_health(self, health: str, reason: str) -> None:
        self._try(lambda: boards.set_health(self.board, health, reason))

    @rule(site=st.sampled_from(["s", "t"]), tags=st.lists(st.sampled_from(["a", "b"])))
    def change(self, site: str, tags: list[str]) -> None:
        before = self.board
        if (
            self._try(lambda: boards.change(self.board, [TYPE], site=site, tags=tags))
            and self.holder is not None
        ):
            assert self.board.site == before.site

    @rule(reason=REASONS)
    def retire(self, reason: str) -> None:
        self._try(lambda: boards.retire(self.board, reason))

    @invariant()
    def state_follows_from_the_log_alone(self) -> None:
        recorded = self.store.read(STREAM)
        assert fold(boards.apply, Board(), (one.event for one in recorded)) == self.board
        assert len(board_history(recorded)) == len(recorded)

    @invariant()
    def it_is_free_only_if_nothing_speaks_against_it(self) -> None:
        assert self.board.held_by == self.holder
        assert bool(self.board.offline) == self.offline
        assert self.board.offline or not self.board.quarantined
        free = self.holder is None and not self.offline and not self.retired
        assert (self.board.state == "free") == (free and self.board.health != "bad")
        assert (self.board.state == "free") == (not self.board.refusal)

    @invariant()
    def nobody_holds_what_is_retired(self) -> None:
        assert not (self.retired and self.holder is not None)

    def _try(self, decide: object) -> bool:
        assert callable(decide)
        try:
            events = decide()
        except Rejected:
            return False
        self._record(events)
        return bool(events)

    def _record(self, events: list[Event]) -> None:
        for event in events:
            assert not self.retired, "nothing happens to a retired board"
            match event:
                case BoardReserved():
                    assert self.holder is None, "reserved twice"
                    assert not self.offline, "reserved while offline"
                    self.holder = event.job
                case BoardReleased():
                    assert self.holder == event.job, "released by somebody else"
                    self.holder = None
                case BoardTakenOffline():
                    self.offline = True
                case BoardBroughtOnline():
                    self.offline = False
                case BoardRetired():
                    self.retired = True
            self.board = boards.apply(self.board, event)
        version = len(self.store.read(STREAM))
        self.store.append(Append(stream=STREAM, expected=version, events=events), meta=Meta(actor="lab"))


TestBoardMachine = BoardMachine.TestCase
TestBoardMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
