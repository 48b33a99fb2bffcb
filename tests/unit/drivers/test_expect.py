"""The console reader: exact record, linear search, no surprises from what a console prints."""

from __future__ import annotations

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.drivers.expect import Chunk, Console, ConsoleEnded, GaveUp, Match, Search, clean, expect
from devices.drivers.signs import KERNEL
from jobs.execution.ports import ConsoleFull
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded
from tests.unit.drivers.scripted import Record, Scripted, wait_for

PROMPT = re.compile(rb"[#$] $")
LOGIN = re.compile(rb"login: $")


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds, "the prompt")


def found(data: bytes, *patterns: bytes, pieces: int = 1) -> Match | None:
    search = Search([re.compile(pattern) for pattern in patterns])
    for at in range(0, len(data), pieces):
        match, _ = search.feed(Chunk(offset=at, data=data[at : at + pieces]))
        if match is not None:
            return match
    return None


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 100000])
def test_a_prompt_is_found_however_it_is_cut(pieces: int) -> None:
    match = found(b"Linux version 6.1\r\nbooting\r\nroot@vm:~# ", rb"root@[^ ]*# $", pieces=pieces)

    assert match is not None
    assert (match.line, match.offset) == ("root@vm:~# ", 28)


def test_groups_are_text() -> None:
    match = found(b"status 42.\n", rb"status (\d+)\.")

    assert match is not None
    assert match.groups == ("42",)


def test_a_pattern_sees_one_line_only() -> None:
    assert found(b"one\ntwo\n", rb"one.two", rb"(?s)one.*two") is None


def test_the_first_pattern_of_the_list_wins_in_a_line() -> None:
    match = found(b"ab\n", rb"b", rb"a", pieces=10)

    assert match is not None
    assert match.index == 0


def test_escape_sequences_and_nuls_are_not_searched() -> None:
    data = b"\x1b[1;32mroot\x1b[0m@\x00vm:~# \x1b[6n"

    assert found(data, rb"root@vm:~# $") is not None


def test_a_carriage_return_starts_the_line_anew() -> None:
    match = found(b"50 %\r100 %\rdone# ", rb"^done# $")

    assert match is not None


def test_kernel_messages_do_not_hide_a_prompt_that_has_no_end_mark() -> None:
    assert found(b"root@vm:~# [   2.3] random: crng init done\r\n", rb"root@vm:~# ") is not None


def test_junk_that_is_no_utf8_is_read_over() -> None:
    assert found(b"\xff\xfe\xc3\x28\x80 login: ", rb"login: $") is not None


def test_a_line_of_many_megabytes_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        search = Search([PROMPT, LOGIN])
        chunk = b"x" * 100
        started = time.process_time()
        for at in range(0, size, 100):
            assert search.feed(Chunk(offset=at, data=chunk)) == (None, None)
        return time.process_time() - started

    small, large = seconds(200_000), seconds(2_000_000)

    assert large < small * 40 + 0.5


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_any_bytes_in_any_pieces_give_the_same_first_line_match(pieces: list[bytes]) -> None:
    whole = b"".join(pieces) + b"\nthe end> "
    search = Search([re.compile(rb"^the end> $")])
    at, match = 0, None
    for piece in [*pieces, b"\nthe end> "]:
        match, _ = search.feed(Chunk(offset=at, data=piece))
        at += len(piece)

    assert match is not None
    assert match.offset == whole.index(b"\nthe end> ") + 1


@given(st.binary(max_size=300))
def test_cleaning_never_fails_and_leaves_plain_text(data: bytes) -> None:
    clean(data)
    assert clean(b"plain text") == b"plain text"


def test_every_byte_is_recorded_once_and_in_order() -> None:
    record, pieces = Record(), [bytes([n % 256]) * (n % 7 + 1) for n in range(500)]
    with Console(Scripted(*pieces), record, "vm") as console:
        total = 0
        while total < len(b"".join(pieces)):
            total += sum(len(chunk.data) for chunk in console.read(soon()))

    assert record.data == b"".join(pieces)


def test_bytes_are_recorded_while_nobody_waits_for_them() -> None:
    record = Record()
    with Console(Scripted(b"hello"), record, "vm"):
        wait_for(lambda: record.data == b"hello")


def test_what_comes_before_the_wait_is_found_as_well() -> None:
    record = Record()
    with Console(Scripted(b"root@vm:~# "), record, "vm") as console:
        wait_for(lambda: record.data != b"")

        assert expect(console, [PROMPT], soon()).line == "root@vm:~# "


def test_what_comes_after_a_match_is_not_lost() -> None:
    text = b"Linux version 6\r\nmore\r\nroot@vm:~# "
    with Console(Scripted(text, b"late"), Record(), "vm") as console:
        assert expect(console, [re.compile(b"Linux version")], soon()).offset == 0
        assert expect(console, [PROMPT], soon()).offset == 23


def test_a_console_that_ends_says_how_and_with_which_last_words() -> None:
    terminal = Scripted(b"Booting\r\nqemu: no such machine\r\n", b"", ending="exit status 1")
    with (
        Console(terminal, Record(), "server") as console,
        pytest.raises(ConsoleEnded, match=r"(?s)console of server ended \(exit status 1\).*no such machine"),
    ):
        expect(console, [PROMPT], soon())


def test_a_console_that_ends_without_a_word_says_so() -> None:
    with (
        Console(Scripted(b""), Record(), "server") as console,
        pytest.raises(ConsoleEnded, match="it printed nothing"),
    ):
        expect(console, [PROMPT], soon())


def test_waiting_ends_with_the_deadline() -> None:
    with (
        Console(Scripted(b"booting"), Record(), "vm") as console,
        pytest.raises(DeadlineExceeded, match="the prompt did not finish in time"),
    ):
        expect(console, [PROMPT], soon(0.2))


def test_waiting_ends_with_a_cancellation() -> None:
    cancel = threading.Event()
    deadline = Deadline.after(60, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    threading.Timer(0.1, cancel.set).start()
    started = time.monotonic()
    with Console(Scripted(b"booting"), Record(), "vm") as console, pytest.raises(Canceled):
        expect(console, [PROMPT], deadline)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("means", "words"),
    [
        (
            "found no root file system",
            b"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n",
        ),
        ("found no root file system", b'VFS: Cannot open root device "vda" or unknown-block(0,0)\r\n'),
        ("found no root file system", b"ALERT!  /dev/vda1 does not exist.  Dropping to a shell!\r\n"),
        ("found no init", b"Kernel panic - not syncing: No working init found.  Try passing init=\r\n"),
        (
            "lost its first process",
            b"Kernel panic - not syncing: Attempted to kill init! exitcode=0x7f\r\n",
        ),
        ("panicked", b"Kernel panic - not syncing: sysrq triggered crash\r\n"),
        ("had an oops", b"[ 3.1] Internal error: Oops: 5 [#1] SMP ARM\r\n"),
        ("had an oops", b"[ 3.1] Internal error: Oops - BUG: 0 [#1] SMP ARM\r\n"),
        ("had an oops", b"BUG: unable to handle page fault\r\nOops: 0002 [#1] PREEMPT SMP\r\n"),
    ],
)
def test_a_kernel_that_gives_up_is_recognised_at_once(means: str, words: bytes) -> None:
    with (
        Console(Scripted(b"booting\r\n", words), Record(), "vm") as console,
        pytest.raises(GaveUp, match=f"the kernel of vm {means}: "),
    ):
        expect(console, [PROMPT], soon(), signs=KERNEL)


def test_last_words_that_come_in_pieces_are_told_whole() -> None:
    terminal = Scripted(b"tests begin\r\n[ 9.1] Kernel panic - not syncing")
    later = threading.Timer(0.05, terminal.print, [b": sysrq triggered crash\r\n[ 9.1] CPU: 0\r\n"])
    with Console(terminal, Record(), "vm") as console:
        later.start()
        with pytest.raises(GaveUp) as told:
            expect(console, [PROMPT], soon(), signs=KERNEL)
    later.join()

    assert told.value.summary.endswith(" panicked: [ 9.1] Kernel panic - not syncing: sysrq triggered crash")
    assert all(line in told.value.lines for line in ("tests begin", "triggered crash", "CPU: 0"))


def test_talk_of_panics_is_none() -> None:
    text = b"panic_on_oops=0 oops=panic (panic timeout 10)\r\nOops, wrong key\r\nroot@vm:~# "
    with Console(Scripted(text), Record(), "vm") as console:
        assert expect(console, [PROMPT], soon(), signs=KERNEL).index == 0


def test_a_silent_console_is_nudged() -> None:
    terminal = Scripted(b"root@vm:~# [  2.1] late message\r\n", answer=lambda typed: b"\r\nroot@vm:~# ")
    with Console(terminal, Record(), "vm") as console:
        assert expect(console, [PROMPT], soon(), nudge_after=0.1).line == "root@vm:~# "

    assert terminal.typed == b"\n"


def test_a_machine_that_does_not_read_yet_is_not_nudged_over_and_over() -> None:
    terminal = Scripted(b"booting\r\n")
    with Console(terminal, Record(), "vm") as console, pytest.raises(DeadlineExceeded):
        expect(console, [PROMPT], soon(4), nudge_after=0.1)

    assert 1 < len(terminal.typed) <= 5


def test_a_full_record_ends_the_console_for_whoever_waits() -> None:
    def full(data: bytes) -> int:
        raise ConsoleFull("vm has printed more than 100 bytes")

    with Console(Scripted(b"x"), full, "vm") as console, pytest.raises(ConsoleFull):
        expect(console, [PROMPT], soon())


def test_a_reader_pauses_when_nobody_takes_what_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.drivers.expect.BACKLOG", 1000)
    record = Record()
    with Console(Scripted(*[b"x" * 600] * 20), record, "vm") as console:
        wait_for(lambda: len(record.data) >= 1200)
        time.sleep(0)
        assert len(record.data) <= 2400
        total = 0
        while total < 12000:
            total += sum(len(chunk.data) for chunk in console.read(soon()))

    assert len(record.data) == 12000


def test_closing_ends_the_reader() -> None:
    console = Console(Scripted(b"x"), Record(), "vm")
    console.close()

    assert not [t for t in threading.enumerate() if t.name == "console vm"]
