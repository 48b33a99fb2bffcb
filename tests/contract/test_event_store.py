"""The contract of the log, held to by the store in memory, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.eventstore.store import DjangoEventStore
from lab.kernel.errors import Conflict
from lab.kernel.events import Event, Meta, UnknownEvent, chain_digest
from lab.kernel.memory import MemoryEventStore
from lab.kernel.ports import Append, EventStore
from lab.kernel.sealing import Unstorable
from tests.support.lamps import META, LampLit, LampPutOut, lamps, lit
from tests.support.threads import run_at_once


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> EventStore:
    if request.param == "memory":
        return MemoryEventStore(events=lamps)
    request.getfixturevalue(f"{request.param}_database")
    return DjangoEventStore(events=lamps)


def test_an_empty_log_has_no_head_and_no_events(store: EventStore) -> None:
    assert store.head() == 0
    assert store.read("lamp/1") == []
    assert store.read_all() == []


def test_what_is_appended_is_read_back_as_it_was(store: EventStore) -> None:
    meta = Meta(actor="ann", cause="web", extra={"fence": 3})
    event = LampLit(room="hall", watts=7.5, notes={"a": [1, None, True], "ü": "ß"})
    (appended,) = store.append(Append(stream="lamp/1", expected=0, events=[event]), meta=meta)
    (read,) = store.read("lamp/1")
    assert read == appended
    assert read.event == event
    assert read.meta == meta
    assert (read.position, read.stream, read.version) == (1, "lamp/1", 1)
    assert abs(read.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert read.recorded_at.utcoffset() == timedelta(0)


def test_versions_count_per_stream_and_positions_over_all(store: EventStore) -> None:
    store.append(lit("lamp/1", 0, "a", "b"), meta=META)
    store.append(lit("lamp/2", 0, "c"), meta=META)
    store.append(lit("lamp/1", 2, "d"), meta=META)
    assert [(r.position, r.stream, r.version) for r in store.read_all()] == [
        (1, "lamp/1", 1),
        (2, "lamp/1", 2),
        (3, "lamp/2", 1),
        (4, "lamp/1", 3),
    ]
    assert store.head() == 4


def test_reading_goes_on_from_a_cursor_in_pieces(store: EventStore) -> None:
    store.append(lit("lamp/1", 0, *"abcde"), meta=META)
    assert [r.version for r in store.read("lamp/1", after=2)] == [3, 4, 5]
    assert [r.version for r in store.read("lamp/1", after=2, limit=2)] == [3, 4]
    assert store.read("lamp/1", limit=0) == []
    assert [r.position for r in store.read_all(after=1, limit=3)] == [2, 3, 4]
    assert store.read_all(after=5) == []


def test_a_category_is_the_part_of_the_stream_before_the_slash(store: EventStore) -> None:
    for stream in ("lamp/1", "lamps/1", "lam/1", "l_mp/1", "lamp/2"):
        store.append(lit(stream, 0), meta=META)
    assert [r.stream for r in store.read_all(category="lamp")] == ["lamp/1", "lamp/2"]
    assert [r.stream for r in store.read_all(category="l_mp")] == ["l_mp/1"]


@pytest.mark.parametrize("expected", [0, 1, 3, -1])
def test_a_stream_at_another_version_is_a_conflict_and_nothing_is_appended(
    store: EventStore, expected: int
) -> None:
    store.append(lit("lamp/1", 0, "a", "b"), meta=META)
    with pytest.raises(Conflict) as caught:
        store.append(lit("lamp/2", 0), lit("lamp/1", expected), meta=META)
    assert (caught.value.stream, caught.value.expected, caught.value.actual) == ("lamp/1", expected, 2)
    assert store.head() == 2
    assert store.read("lamp/2") == []


def test_one_append_may_cover_several_streams_and_the_same_one_twice(store: EventStore) -> None:
    recorded = store.append(lit("lamp/1", 0, "a"), lit("lamp/2", 0, "b"), lit("lamp/1", 1, "c"), meta=META)
    assert [(r.position, r.stream, r.version) for r in recorded] == [
        (1, "lamp/1", 1),
        (2, "lamp/2", 1),
        (3, "lamp/1", 2),
    ]
    assert store.read_all() == recorded


def test_a_batch_without_events_only_checks_the_version(store: EventStore) -> None:
    guard = Append(stream="lamp/1", expected=0, events=[])
    assert store.append(guard, meta=META) == []
    store.append(lit("lamp/1", 0), meta=META)
    with pytest.raises(Conflict):
        store.append(guard, lit("lamp/2", 0), meta=META)
    assert store.read("lamp/2") == []


def test_each_event_carries_the_digest_of_the_one_before_it_in_its_stream(store: EventStore) -> None:
    first, _, second = store.append(lit("lamp/1", 0), lit("lamp/2", 0), lit("lamp/1", 1), meta=META)
    for previous, one in (("", first), (first.digest, second)):
        assert one.digest == chain_digest(
            previous,
            position=one.position,
            stream="lamp/1",
            version=one.version,
            type_="lamp.lit",
            schema=1,
            recorded_at=one.recorded_at,
            data=b'{"notes":{},"room":"hall","watts":60.0}',
            meta=b'{"actor":"ann","cause":"test"}',
        )


@pytest.mark.parametrize("room", ["a\x00b", "a\ud800b", "\udcff", "\x00"])
def test_characters_that_no_database_takes_do_not_break_an_append(store: EventStore, room: str) -> None:
    event = LampLit(room=room, notes={room: [room]})
    meta = Meta(actor=room, extra={"x": room})
    (appended,) = store.append(Append(stream="lamp/1", expected=0, events=[event]), meta=meta)
    assert isinstance(appended.event, LampLit)
    assert appended.event.room == room.translate({0: 0xFFFD, 0xD800: 0xFFFD, 0xDCFF: 0xFFFD})
    assert store.read_all() == [appended]


def test_an_event_that_could_not_be_read_back_is_refused(store: EventStore) -> None:
    with pytest.raises(Unstorable, match=r"lamp\.lit could not be read back"):
        store.append(
            Append(stream="lamp/1", expected=0, events=[LampLit(room="a", watts=float("nan"))]), meta=META
        )
    assert store.head() == 0


@pytest.mark.parametrize("stream", ["", "a\nb", "a\x00", "x" * 201, "\ud800"])
def test_a_stream_needs_a_name_of_one_printable_line(store: EventStore, stream: str) -> None:
    with pytest.raises(Unstorable, match="no name for a stream"):
        store.append(lit(stream, 0), meta=META)


def test_an_event_nobody_registered_is_refused(store: EventStore) -> None:
    class Unheard(Event):
        type = "lamp.unheard"

    with pytest.raises(UnknownEvent):
        store.append(Append(stream="lamp/1", expected=0, events=[Unheard()]), meta=META)
    assert store.head() == 0


def test_of_writers_that_race_for_a_version_exactly_one_wins(store: EventStore) -> None:
    wins: list[int] = []

    def race(writer: int) -> None:
        for version in range(20):
            try:
                store.append(lit("lamp/1", version, str(writer)), meta=META)
                wins.append(writer)
            except Conflict:
                pass

    run_at_once(*[lambda writer=writer: race(writer) for writer in range(4)])
    recorded = store.read("lamp/1")
    assert [r.version for r in recorded] == list(range(1, len(recorded) + 1))
    assert len(recorded) == len(wins) == 20


def test_writers_of_different_streams_all_succeed_and_leave_no_gap(store: EventStore) -> None:
    def write(writer: int) -> None:
        for version in range(25):
            store.append(lit(f"lamp/{writer}", version, "x"), meta=META)

    run_at_once(*[lambda writer=writer: write(writer) for writer in range(4)])
    assert [r.position for r in store.read_all()] == list(range(1, 101))


def test_a_reader_that_follows_positions_misses_nothing_while_others_write(store: EventStore) -> None:
    seen: list[int] = []

    def write(writer: int) -> None:
        for version in range(25):
            store.append(lit(f"lamp/{writer}", version, "x"), meta=META)

    def follow() -> None:
        while len(seen) < 75:
            seen.extend(r.position for r in store.read_all(after=seen[-1] if seen else 0, limit=10))

    run_at_once(follow, *[lambda writer=writer: write(writer) for writer in range(3)])
    assert seen == list(range(1, 76))


Step = tuple[list[tuple[str, int]], int]
steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(["lamp/1", "lamp/2", "box/1"]), st.integers(0, 3)), max_size=3),
        st.sampled_from([0, 0, 0, 1, -1]),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_sequence_of_appends_leaves_what_a_plain_list_would(
    store_factory: Callable[[], EventStore], steps: list[Step]
) -> None:
    store = store_factory()
    model: list[tuple[str, int]] = []
    base = store.head()
    prefix = f"s{base}"
    for batches, off in steps:
        versions = {stream: sum(s == stream for s, _ in model) for stream in ("lamp/1", "lamp/2", "box/1")}
        appends, after = [], dict(versions)
        for stream, count in batches:
            events = [LampPutOut(room=str(n)) for n in range(count)]
            appends.append(Append(stream=f"{prefix}{stream}", expected=after[stream] + off, events=events))
            after[stream] += count
        if batches and off:
            with pytest.raises(Conflict):
                store.append(*appends, meta=META)
        else:
            store.append(*appends, meta=META)
            for stream, count in batches:
                at = versions[stream]
                model += [(stream, at + n + 1) for n in range(count)]
                versions[stream] += count
    recorded = store.read_all(after=base)
    assert [(r.stream.removeprefix(prefix), r.version) for r in recorded] == model
    assert [r.position for r in recorded] == [base + n + 1 for n in range(len(model))]
    for stream in ("lamp/1", "lamp/2", "box/1"):
        assert store.read(f"{prefix}{stream}") == [r for r in recorded if r.stream == f"{prefix}{stream}"]


@pytest.fixture
def store_factory(store: EventStore) -> Callable[[], EventStore]:
    return lambda: store


def test_threads_of_the_race_do_run_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    run_at_once(meeting.wait, meeting.wait, meeting.wait)
    assert not meeting.broken
