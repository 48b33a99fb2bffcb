"""Consoles as asciicasts."""

from __future__ import annotations

import json

from jobs.asciicast import Cast, header
from jobs.console_log import Chunk


def chunk(at: float, data: bytes) -> Chunk:
    return Chunk(offset=0, line=0, at=at, data=data)


def events(cast: Cast, *chunks: Chunk) -> list[list[object]]:
    return [json.loads(line) for line in cast.lines(chunks)]


def test_the_header_is_what_the_format_wants() -> None:
    head = json.loads(header("a job, its host", 1000.9))
    assert head == {"version": 2, "width": 132, "height": 43, "timestamp": 1000, "title": "a job, its host"}


def test_times_are_seconds_since_the_start_and_never_go_back() -> None:
    told = events(Cast(100.0), chunk(100.0, b"a"), chunk(102.5, b"b"), chunk(101.0, b"c"))
    assert told == [[0.0, "o", "a"], [2.5, "o", "b"], [2.5, "o", "c"]]


def test_a_character_in_two_chunks_is_put_together_and_half_a_one_shows_at_the_end() -> None:
    cast = Cast(0.0)
    assert events(cast, chunk(0, b"gr\xc3"), chunk(1, b"\xbcn\xc3")) == [[0.0, "o", "gr"], [1.0, "o", "ün"]]
    assert json.loads(cast.end()) == [1.0, "o", "\ufffd"]
    assert Cast(0.0).end() == ""


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert events(Cast(0.0), chunk(0, b"\x00\x1b[31m\xff\xfe")) == [[0.0, "o", "\x00\x1b[31m\ufffd\ufffd"]]
