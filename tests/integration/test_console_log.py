"""The console log: bytes in, the same bytes out, by offset and by line."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import console_log
from jobs.models import ConsoleChunk
from lab.kernel.errors import Conflict
from tests.support.databases import Database


@pytest.mark.django_db
def test_what_was_printed_is_read_back_byte_for_byte() -> None:
    assert console_log.append(1, [(0, b"boot\n\x00\xff", 1.0), (1, b"vm\n", 1.0), (0, b"login: ", 2.0)]) == {
        0: 14,
        1: 3,
    }
    assert console_log.read(1, 0, 0, 100) == (0, b"boot\n\x00\xfflogin: ")
    assert console_log.read(1, 0, 5, 4) == (5, b"\x00\xfflo")
    assert console_log.read(1, 1, 0, 100) == (0, b"vm\n")
    assert console_log.sizes(1) == {0: 14, 1: 3}


@pytest.mark.django_db
def test_reading_past_the_end_gives_the_size_and_nothing() -> None:
    console_log.append(1, [(0, b"abc", 1.0)])
    assert console_log.read(1, 0, 99, 10) == (3, b"")
    assert console_log.read(1, 7, 5, 10) == (0, b"")
    assert console_log.chunks(1, 0, 3, 10) == []


@pytest.mark.django_db
def test_chunks_begin_exactly_where_they_were_asked_for() -> None:
    console_log.append(1, [(0, b"one\ntwo\n", 1.0)])
    console_log.append(1, [(0, b"three\n", 2.0)])
    first, second = console_log.chunks(1, 0, 5, 100)
    assert (first.offset, first.line, first.at, first.data) == (5, 1, 1.0, b"wo\n")
    assert (second.offset, second.line, second.at, second.data) == (8, 2, 2.0, b"three\n")


@pytest.mark.django_db
def test_a_long_piece_is_cut_into_chunks() -> None:
    data = bytes(range(256)) * 1000
    console_log.append(1, [(0, data, 1.0)])
    assert ConsoleChunk.objects.count() == 4
    assert console_log.read(1, 0, 0, len(data)) == (0, data)


@pytest.mark.django_db
def test_a_reader_that_follows_chunks_gets_what_is_new_of_all_nodes() -> None:
    console_log.append(1, [(0, b"a", 1.0), (2, b"b", 1.0)])
    assert {n: [c.data for c in f] for n, f in console_log.since(1, {}, 100).items()} == {
        0: [b"a"],
        2: [b"b"],
    }
    console_log.append(1, [(0, b"A", 2.0), (1, b"c", 2.0), (3, b"d", 2.0)])
    found = console_log.since(1, {0: 1, 2: 1}, 100)
    assert {n: [c.data for c in f] for n, f in found.items()} == {0: [b"A"], 1: [b"c"], 3: [b"d"]}


@pytest.mark.django_db
def test_the_tail_begins_with_a_whole_line() -> None:
    assert console_log.tail(1, 0, 10) is None
    console_log.append(1, [(0, b"first line\nsecond ", 1.0)])
    console_log.append(1, [(0, b"line\nthird line\n", 2.0)])
    tail = console_log.tail(1, 0, 15)
    assert tail is not None
    assert (tail.offset, tail.line, tail.data) == (23, 2, b"third line\n")
    whole = console_log.tail(1, 0, 1000)
    assert whole is not None
    assert whole.offset == 0


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.lists(st.sampled_from([b"\n", b"x", b"\r\n", b"ab\ncd"]), max_size=4).map(b"".join), max_size=5
    )
)
def test_offsets_and_lines_agree_whatever_is_printed(pieces: list[bytes]) -> None:
    with transaction.atomic():
        for piece in pieces:
            console_log.append(9, [(0, piece, 1.0)])
        text = b"".join(pieces)
        assert console_log.size(9, 0) == len(text)
        starts = [0] + [i + 1 for i, byte in enumerate(text) if byte == 10]
        for line, start in enumerate(starts):
            assert console_log.offset_of_line(9, 0, line) == start
        assert console_log.offset_of_line(9, 0, len(starts)) is None
        for offset in range(len(text) + 1):
            assert console_log.line_at(9, 0, offset) == text.count(b"\n", 0, offset)
            assert console_log.read(9, 0, offset, 3) == (offset, text[offset : offset + 3])
            found = console_log.chunks(9, 0, offset, 10**6)
            assert b"".join(chunk.data for chunk in found) == text[offset:]
            assert all(chunk.line == text.count(b"\n", 0, chunk.offset) for chunk in found)
        for limit in range(1, len(text) + 2):
            tail = console_log.tail(9, 0, limit)
            assert (tail is None) == (not text)
            if tail is not None:
                assert text[tail.offset :].startswith(tail.data)
        transaction.set_rollback(True)


def test_of_two_writers_that_race_one_meets_a_conflict(database: Database) -> None:
    at_once = threading.Barrier(2)
    outcomes: list[str] = []

    def write(name: bytes) -> None:
        at_once.wait(10)
        try:
            for _ in range(50):
                console_log.append(1, [(0, name, 1.0)])
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert "done" in outcomes
    _, data = console_log.read(1, 0, 0, 1000)
    rows = list(ConsoleChunk.objects.order_by("offset").values_list("offset", "end"))
    assert [offset for offset, _ in rows] == [0, *(end for _, end in rows)][:-1]
    assert len(data) == rows[-1][1] >= 50


def test_nothing_but_appending_is_possible(database: Database) -> None:
    console_log.append(1, [(0, b"x", 1.0)])
    row = ConsoleChunk.objects.get()
    for change in (
        lambda: ConsoleChunk.objects.update(at=2.0),
        lambda: ConsoleChunk.objects.all().delete(),
        lambda: row.delete(),
        lambda: row.save(force_update=True),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    assert console_log.read(1, 0, 0, 10) == (0, b"x")


@pytest.mark.django_db
def test_when_a_console_grew_is_known_by_chunk_or_for_long_ones_in_steps() -> None:
    console_log.append(7, [(0, b"a\nb", 10.0), (0, b"c\n", 11.0), (0, b"d", 19.0), (1, b"x", 12.0)])
    assert console_log.times(7, 0) == [(10.0, 3, 1), (11.0, 5, 2), (19.0, 6, 2)]
    assert console_log.times(7, 0, most=2) == [(11.0, 5, 2), (19.0, 6, 2)]
    assert console_log.times(7, 9) == []
