"""The scanner holds whatever it is fed."""

from __future__ import annotations

import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jobs.domain.console_lines import MAX_LINE, Line, Lines
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Request,
)
from tests.unit.jobs.scanning import attach, attached, numbered, pieces, request, scan

JUNK = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"<LAVA_",
            b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n",
            b"<LAVA_SIGNAL_STARTRUN a b>\r\n",
            b"<LAVA_SIGNAL_ENDRUN a b>\r\n",
            b"<LAVA_MULTI_NODE> <LAVA_SEND a b=c>\n",
            b"<LAVA_MULTI_NODE> <",
            b"<LAVA_TEST_RUNNER>: exiting\n",
            b"[    1.234567] oops\r\n",
            b"\x1b[31m",
            b"\x1b]",
            b"\n",
            b"\r\n",
            b">",
            b"'",
            b"+ ",
            numbered("LAVA_SIGNAL_STARTTC a%20b", 3).encode(),
            request("LAVA_JOURNAL 5", 2).encode(),
            request("LAVA_EXIT 5", 2).encode(),
            attach(b"x" * 100).encode(),
            pieces(b"x" * 100)[0].encode(),
            attached(b"x" * 100, 1).encode(),
            b"<LAVA_ATTACHMENT s1.1 1 4 !!!!>\n",
        ]
    ),
)


@given(st.lists(JUNK, max_size=30), st.data())
@settings(max_examples=300, deadline=None)
def test_any_chunking_of_any_bytes_gives_the_same_signals(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert scan(*chunks, output=True) == scan(whole, output=True)


@pytest.mark.parametrize(
    "unit",
    [
        b"<LAVA_SIGNAL_",
        b"<LAVA_SIGNAL_A ",
        b"<LAVA_SIGNAL_STARTTC a>",
        b"<LAVA_MULTI_NODE> <LAVA_",
        b"<LAVA_MULTI_NODE> " * 2,
        b"[    1.234567] ",
        b"<[    1.234567] ",
        b"<LAVA_ATTACHMENT a",
        b"\x1b]",
        b"\x1b[0;",
        b"<",
        b"' ",
        b"\xff",
        b"\r",
        b" #s.1.1",
    ],
)
def test_a_megabyte_of_anything_takes_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        data = unit * (size // len(unit))
        best = 10.0
        for _ in range(2):
            scanner = Scanner(output=True)
            begun = time.perf_counter()
            scanner.feed(data + b"\n<LAVA_SIGNAL_STARTTC a>\n")
            best = min(best, time.perf_counter() - begun)
        return best

    seconds(1000)
    assert seconds(2**20) < 2.0
    assert seconds(2**17) < 0.5


def test_a_line_without_end_is_kept_in_bounded_memory_and_the_next_is_found() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(b"x" * 100_000)) == []
    assert sum(map(len, lines._parts)) <= MAX_LINE
    assert list(lines.feed(b"\nnext\n"))[-1] == Line(10_000_001, "next")


def test_a_request_of_a_hundred_kilobytes_is_read() -> None:
    value = "v" * 100_000
    [found] = scan(request(f"LAVA_SEND big k={value}"))
    assert isinstance(found, Request)
    assert found.data == {"k": value}
