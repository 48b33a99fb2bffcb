"""Consoles as asciicasts."""

from __future__ import annotations

import json

from lab.asciicast import Cast, header


def events(cast: Cast, *pieces: tuple[float, bytes]) -> list[list[object]]:
    return [json.loads(line) for at, data in pieces if (line := cast.line(at, data))]


def test_the_header_is_what_the_format_wants() -> None:
    head = json.loads(header("a job, its host", 1000.9))
    assert head == {"version": 2, "width": 132, "height": 43, "timestamp": 1000, "title": "a job, its host"}


def test_times_are_seconds_since_the_start_and_never_go_back() -> None:
    told = events(Cast(100.0), (100.0, b"a"), (102.5, b"b"), (101.0, b"c"))
    assert told == [[0.0, "o", "a"], [2.5, "o", "b"], [2.5, "o", "c"]]


def test_a_character_in_two_pieces_is_put_together_and_half_a_one_shows_at_the_end() -> None:
    cast = Cast(0.0)
    assert events(cast, (0, b"gr\xc3"), (1, b"\xbcn\xc3")) == [[0.0, "o", "gr"], [1.0, "o", "ün"]]
    assert json.loads(cast.end()) == [1.0, "o", "\ufffd"]
    assert Cast(0.0).end() == ""


def test_what_is_typed_is_told_from_what_is_printed() -> None:
    cast = Cast(0.0)
    told = [cast.line(0, b"\xc3", "o"), cast.line(1, b"ls\r", "i"), cast.line(2, b"\xbc", "o")]
    assert [json.loads(line) for line in told if line] == [[1.0, "i", "ls\r"], [2.0, "o", "ü"]]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert events(Cast(0.0), (0, b"\x00\x1b[31m\xff\xfe")) == [[0.0, "o", "\x00\x1b[31m\ufffd\ufffd"]]
