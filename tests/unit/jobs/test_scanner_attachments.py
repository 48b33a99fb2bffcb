"""Files that come through a console, in pieces."""

from __future__ import annotations

import base64
import hashlib

from jobs.domain import wire
from jobs.domain.attachments import Attachments, Incoming, ranges
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Answer,
    Attached,
)
from tests.unit.jobs.scanning import attach, attached, numbered, pieces, request, scan


def test_a_file_comes_whole() -> None:
    content = bytes(range(256)) * 20
    sent = pieces(content)
    found = scan(
        "<LAVA_SIGNAL_STARTRUN net u>\n", attach(content, case="boot"), *sent, attached(content, len(sent))
    )
    assert [one for one in found if isinstance(one, Attached)] == [
        Attached(
            offset=found[-1].offset,
            suite="net",
            case="boot",
            name="log.txt",
            mime="text/plain",
            content=content,
        )
    ]


def test_missing_and_damaged_pieces_are_asked_for_again() -> None:
    content = bytes(range(256)) * 20
    sent = pieces(content)
    scanner = Scanner()
    damaged = [*sent[:2], sent[3].replace("A", "", 1), *sent[4:]]
    for text in [attach(content), *damaged]:
        scanner.feed(text.encode())
    [answer] = scanner.feed(attached(content, len(sent)).encode())
    assert isinstance(answer, Answer)
    assert answer.lines == wire.answer("s1", 1, "ok", "3-4")
    for text in sent[2:4]:
        scanner.feed(text.encode())
    found = scanner.feed(attached(content, len(sent), 2).encode())
    assert [type(one) for one in found] == [Attached, Answer]
    again = scanner.feed(attached(content, len(sent), 3).encode())
    assert [type(one) for one in again] == [Answer]


def test_a_file_with_the_wrong_digest_is_asked_for_again_as_a_whole() -> None:
    content = b"x" * 1000
    sent = pieces(content)
    found = scan(attach(content), *sent, attached(content, len(sent), digest="sha256:" + "0" * 64))
    assert isinstance(found[-1], Answer)
    assert found[-1].lines == wire.answer("s1", 1, "ok", f"1-{len(sent)}")


def test_an_empty_file_is_a_file() -> None:
    found = scan(attach(b""), attached(b"", 0))
    assert [type(one) for one in found] == [Attached, Answer]


def test_a_file_that_was_not_announced_is_refused() -> None:
    [answer] = scan(attached(b"x", 1))
    assert isinstance(answer, Answer)
    assert " no " in answer.lines[0]


def test_a_file_of_too_many_pieces_is_refused() -> None:
    found = scan(attach(b"abc"), attached(b"abc", 99_999_999))
    assert isinstance(found[-1], Answer)
    assert " no " in found[-1].lines[0]


def test_a_file_that_is_too_big_is_refused() -> None:
    words = f"LAVA_SIGNAL_ATTACH s1.1 big text/plain {26 * 1024 * 1024}"
    found = scan(numbered(words), attached(b"", 1))
    assert isinstance(found[-1], Answer)
    assert "25" in found[-1].lines[0]


def test_pieces_that_make_no_sense_are_left_out() -> None:
    content = b"abc"
    scanner = Scanner()
    scanner.feed(attach(content).encode())
    scanner.feed(attach(content, number=2).encode())
    for junk in ("s1.1 1 4 !!!!", "s1.1 0 4 YWJj", "s1.1 1 5 YWJj", "s9.9 1 4 YWJj", "s1.1", "s1.1 1 0 "):
        scanner.feed(f"<LAVA_ATTACHMENT {junk}>\n".encode())
    [missing] = scanner.feed(attached(content, 1).encode())
    assert isinstance(missing, Answer)
    assert missing.lines == wire.answer("s1", 1, "ok", "1")
    scanner.feed(pieces(content)[0].encode() * 2)
    assert [type(one) for one in scanner.feed(attached(content, 1, 2).encode())] == [Attached, Answer]


def test_a_node_that_announces_files_without_end_has_the_oldest_forgotten() -> None:
    scanner = Scanner()
    for number in range(1, 8):
        scanner.feed(numbered(f"LAVA_SIGNAL_ATTACH s1.{number} f text/plain 0", number).encode())
    found = {}
    for number in (1, 7):
        digest = "sha256:" + hashlib.sha256(b"").hexdigest()
        found[number] = scanner.feed(request(f"LAVA_ATTACHED s1.{number} 0 {digest}", number).encode())
    assert [len(found[1]), len(found[7])] == [1, 2]


def test_pieces_of_an_attachment_beyond_all_bounds_are_dropped() -> None:
    attachments = Attachments()
    attachments.begin("k", Incoming(suite="", case="", name="f", mime="m", size=5))
    text = base64.b64encode(b"x" * 3_000_000).decode()
    for number in range(1, 12):
        attachments.piece("k", number, len(text), text)
    verdict = attachments.finish("k", 12, "none:")
    assert verdict.text == "9-12"
    assert ranges(list(range(1, 400, 2))).count(" ") == 59
