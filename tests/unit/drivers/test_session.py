"""Carrying bytes between a person and a board's line."""

from __future__ import annotations

import time

import pytest

from devices.domain.config import BoardConfig, ConsoleConfig, SshConfig
from devices.domain.errand import Over
from devices.drivers import session
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded

SERIAL = BoardConfig(ssh=SshConfig(host="h"), console=ConsoleConfig(url="/dev/none"))


class Line:
    """Says nothing, and takes what is typed, but for the pieces that it is told to refuse."""

    ending = ""

    def __init__(self, *refused: int) -> None:
        self.typed: list[bytes] = []
        self._refused, self._count = refused, 0

    def read(self, seconds: float) -> bytes | None:
        time.sleep(min(seconds, 0.01))
        return None

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._count += 1
        if self._count in self._refused:
            raise DeadlineExceeded("typing took longer than 20 s")
        self.typed.append(data)

    def close(self) -> None: ...


class Person:
    def __init__(self, *typed: bytes, leaves: bool = False) -> None:
        self._typed, self.leaves = list(typed), leaves

    def show(self, data: bytes) -> None: ...

    def typed(self, seconds: float) -> bytes | None:
        return self._typed.pop(0) if self._typed else None

    def has_left(self) -> bool:
        return self.leaves


class Record:
    def __init__(self) -> None:
        self.typed, self.said = b"", list[str]()

    def note(self, kind: str, data: bytes) -> None:
        assert kind == "i"
        self.typed += data

    def say(self, text: str) -> None:
        self.said.append(text)


def talk(line: Line, person: Person, seconds: float = 60, fence: object = None) -> Record:
    def ask() -> None:
        if fence is not None:
            raise Over("taken")

    record = Record()
    session.talk(line, person, record, SERIAL, Deadline.after(seconds), ask)
    return record


def test_a_paste_goes_in_pieces_and_enter_is_the_boards() -> None:
    line, text = Line(), b"x" * 100 + b"\r" + b"y" * 50
    record = talk(line, Person(text))
    assert b"".join(line.typed) == text.replace(b"\r", b"\n")
    assert max(len(piece) for piece in line.typed) <= session.PIECE
    assert record.typed == text


def test_a_line_that_does_not_take_keys_is_remarked_and_used_again() -> None:
    line = Line(2)
    record = talk(line, Person(b"a" * 200, b"ls\r"))
    assert line.typed == [b"a" * session.PIECE, b"ls\n"], "the rest of the paste would come in the middle"
    assert record.said == ["the line did not take what was typed, or not all of it"]


def test_the_end_of_the_time_in_mid_typing_is_no_failure() -> None:
    assert talk(Line(1), Person(b"a"), seconds=0.0).said == []


def test_who_leaves_does_not_wait_for_a_long_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "UNTIL_LEFT", -1.0)
    line = Line()
    talk(line, Person(b"a" * 1000, leaves=True))
    assert len(line.typed) == 1


def test_nothing_is_typed_on_a_board_that_was_taken_away() -> None:
    line = Line()
    with pytest.raises(Over):
        talk(line, Person(b"a"), fence=True)
    assert line.typed == []
