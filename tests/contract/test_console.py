"""One contract for serial consoles, kept behind a device, a TCP port, ser2net and a program that attaches."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.domain.config import ConsoleConfig
from devices.drivers import serial_line
from devices.drivers.expect import Console, expect
from devices.drivers.serial_line import open_console
from devices.drivers.shell import Terminal
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded, InfrastructureError
from tests.support.consoles import BOARDS, Board, TcpBoard, configured
from tests.unit.drivers.scripted import Record, wait_for

EVERY_BYTE = bytes(range(256)) * 64
PROMPT = re.compile(rb"=> $")


def soon(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds, "the test")


@pytest.fixture(params=list(BOARDS))
def board(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr(serial_line, "STEADY", 0.2)
    found = BOARDS[request.param](tmp_path)
    yield found
    found.close()


@pytest.fixture
def tcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpBoard]:
    monkeypatch.setattr(serial_line, "STEADY", 0.2)
    found = TcpBoard(tmp_path)
    yield found
    found.close()


class Opened:
    """A console that is closed at the end of the test, and what was said about it."""

    def __init__(self, config: ConsoleConfig) -> None:
        self.notes: list[str] = []
        self.terminal = open_console(config, soon(), self.notes.append)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        self.terminal.close()


def opened(board: Board, **changed: Any) -> Opened:
    return Opened(configured(board, **changed))


def read(terminal: Terminal, size: int) -> bytes:
    data, limit = b"", soon(60)
    while len(data) < size:
        limit.check()
        piece = terminal.read(0.5)
        assert piece != b"", f"the console ended after {len(data)} bytes"
        data += piece or b""
    return data


def follow(opened: Opened, board: Board, number: Iterator[int]) -> None:
    """Let the board print until something of it arrives: what it prints while the line is down is lost."""
    limit, heard = soon(60), b""
    while b"alive" not in heard:
        limit.check()
        if board.connected:
            board.print(b"alive %d\n" % next(number))
        heard += opened.terminal.read(0.2) or b""


# -- both ways -----------------------------------------------------------------------------------------


def test_every_byte_that_the_board_prints_arrives(board: Board) -> None:
    with opened(board) as console:
        printing = threading.Thread(target=board.print, args=(EVERY_BYTE,))
        printing.start()

        assert read(console.terminal, len(EVERY_BYTE)) == EVERY_BYTE
        printing.join()


def test_every_byte_that_is_typed_arrives_and_enter_is_a_carriage_return(board: Board) -> None:
    everything = bytes(range(256)) * 4
    with opened(board) as console:
        console.terminal.write(everything, soon())

        assert board.typed(len(everything)) == everything.replace(b"\n", b"\r")


@pytest.mark.parametrize(("line_end", "sent"), [("cr", b"\r"), ("lf", b"\n"), ("crlf", b"\r\n")])
def test_the_enter_key_sends_what_is_configured(board: Board, line_end: str, sent: bytes) -> None:
    with opened(board, line_end=line_end) as console:
        console.terminal.write(b"printenv\n\r\n", soon())

        assert board.typed(8 + 2 * len(sent)) == b"printenv" + sent + sent


def test_silence_is_nothing_and_not_the_end(board: Board) -> None:
    with opened(board) as console:
        assert console.terminal.read(0.1) is None
        board.print(b"x")
        assert read(console.terminal, 1) == b"x"


def test_a_closed_console_ends_at_once_and_takes_nothing_more(board: Board) -> None:
    with opened(board) as console:
        ended: list[bytes | None] = []
        reading = threading.Thread(target=lambda: ended.append(console.terminal.read(30)))
        reading.start()

        console.terminal.close()
        reading.join(10)

        assert ended == [b""]
        console.terminal.close()
        with pytest.raises(InfrastructureError, match="closed"):
            console.terminal.write(b"x", soon())


# -- pacing --------------------------------------------------------------------------------------------


def test_characters_and_lines_are_typed_at_the_configured_pace(board: Board) -> None:
    with opened(board, char_delay=0.01, line_delay=0.2) as console:
        started = time.monotonic()
        console.terminal.write(b"setenv\nboot\n", soon())

        assert time.monotonic() - started >= 12 * 0.01 + 2 * 0.2
        assert board.typed(12) == b"setenv\rboot\r"


def test_lines_alone_can_be_paced(tcp: TcpBoard) -> None:
    with opened(tcp, line_delay=0.1, line_end="lf") as console:
        started = time.monotonic()
        console.terminal.write(b"one\n\ntwo", soon())

        assert time.monotonic() - started >= 0.2
        assert tcp.typed(8) == b"one\n\ntwo"


def test_slow_typing_ends_when_the_job_is_cancelled(tcp: TcpBoard) -> None:
    cancel = threading.Event()
    deadline = Deadline.after(60, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    with opened(tcp, char_delay=5) as console:
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()

        with pytest.raises(Canceled, match="by bob"):
            console.terminal.write(b"boot\n", deadline)

        assert time.monotonic() - started < 3


def test_typing_at_a_board_that_takes_nothing_ends_with_the_deadline(tcp: TcpBoard) -> None:
    with opened(tcp) as console, pytest.raises(DeadlineExceeded, match="the loader"):
        console.terminal.write(b"x" * 50_000_000, Deadline.after(0.5, "the loader"))


# -- lines that drop -----------------------------------------------------------------------------------


def test_a_line_that_drops_comes_back_and_it_is_said(board: Board) -> None:
    number = itertools.count()
    with opened(board) as console:
        follow(console, board, number)
        board.cut()
        wait_for(lambda: console.terminal.read(0.05) is None and bool(console.notes), 20)
        board.mend()
        follow(console, board, number)
        while len(console.notes) < 2:
            follow(console, board, number)

        console.terminal.write(b"hello\n", soon())
        assert board.typed(6) == b"hello\r"

    assert re.match(r"the console dropped \(.+\); trying for 60 s to get it back$", console.notes[0])
    assert re.match(
        r"the console is back after \d+\.\d s; what was printed meanwhile is not recorded$", console.notes[1]
    )
    assert len(console.notes) == 2


def test_a_line_that_stays_away_is_an_error_of_the_lab(board: Board) -> None:
    with opened(board, reconnect=0.5) as console:
        board.cut()

        with pytest.raises(InfrastructureError, match=r"the console at .* stayed away for \d+ s: ."):
            wait_for(lambda: console.terminal.read(0.1) == b"never", 20)
        with pytest.raises(InfrastructureError, match="stayed away"):
            console.terminal.write(b"x", soon())
    board.mend()


def test_what_is_typed_while_the_line_is_down_is_typed_when_it_is_back(tcp: TcpBoard) -> None:
    with opened(tcp) as console, Console(console.terminal, Record(), "board") as reading:
        tcp.cut()
        wait_for(lambda: bool(console.notes))
        typing = threading.Thread(target=reading.line, args=("boot", soon()))
        typing.start()
        tcp.mend()

        assert tcp.typed(5) == b"boot\r"
        typing.join()


def test_typing_while_the_line_is_down_ends_with_the_deadline(tcp: TcpBoard) -> None:
    with opened(tcp) as console, Console(console.terminal, Record(), "board") as reading:
        tcp.cut()
        wait_for(lambda: bool(console.notes))

        with pytest.raises(DeadlineExceeded, match="the loader"):
            reading.line("boot", Deadline.after(0.3, "the loader"))
    tcp.mend()


def test_a_server_that_accepts_and_hangs_up_does_not_count_as_back(tcp: TcpBoard) -> None:
    with opened(tcp, reconnect=1.5) as console:
        tcp.hang_up()
        hanging_up = threading.Event()

        def refuse() -> None:
            while not hanging_up.wait(0.01):
                if tcp._client is not None:
                    tcp.print(b"Port already in use\r\n")
                    tcp.hang_up()

        refusing = threading.Thread(target=refuse)
        refusing.start()
        heard = b""
        try:
            while True:
                heard += console.terminal.read(0.1) or b""
        except InfrastructureError as exc:
            said = str(exc)
        hanging_up.set()
        refusing.join()

    assert re.search(r"stayed away for \d+ s: the other side closed the connection$", said)
    assert b"Port already in use" in heard
    assert len(console.notes) == 1


def test_a_line_that_is_not_to_be_made_anew_is_not(tcp: TcpBoard) -> None:
    with opened(tcp, reconnect=0) as console:
        tcp.hang_up()

        with pytest.raises(InfrastructureError, match="dropped"):
            wait_for(lambda: console.terminal.read(0.1) == b"never", 20)

    assert console.notes == ["the console dropped (the other side closed the connection)"]


def test_a_connection_that_is_reset_drops(tcp: TcpBoard) -> None:
    with opened(tcp) as console:
        tcp.print(b"x")
        assert read(console.terminal, 1) == b"x"
        assert tcp._client is not None
        tcp._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        tcp.hang_up()
        follow(console, tcp, itertools.count())

    assert console.notes[0].startswith("the console dropped (connection reset by peer)")


# -- recording -----------------------------------------------------------------------------------------


def test_everything_is_recorded_while_nobody_looks(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.drivers.expect.BACKLOG", 10_000)
    junk = b"\x00\xff\x1b[2J\x1b]0;" + "ü€".encode()[:-1] + EVERY_BYTE + b"x" * 100_000
    end = b"\r\n\x1b[1m\x00=> "
    record = Record()
    with opened(board) as console, Console(console.terminal, record, "board", pausing=False) as reading:
        board.print(junk)
        wait_for(lambda: len(record.data) >= len(junk), 60)
        board.print(end)
        match = expect(reading, [PROMPT], soon())

    assert record.data == junk + end
    assert (match.line, match.offset) == ("=> ", len(junk) + 2)


def test_recording_goes_on_behind_a_line_that_dropped(tcp: TcpBoard) -> None:
    record = Record()
    with opened(tcp) as console, Console(console.terminal, record, "board", pausing=False) as reading:
        tcp.print(b"before\n")
        wait_for(lambda: record.data == b"before\n")
        tcp.hang_up()
        tcp.print(b"after\n=> ")  # waits for the line to be there
        expect(reading, [PROMPT], soon())

    assert record.data == b"before\nafter\n=> "


def test_a_line_that_stays_away_ends_what_waits_for_the_board(tcp: TcpBoard) -> None:
    with (
        opened(tcp, reconnect=0.3) as console,
        Console(console.terminal, Record(), "board", pausing=False) as reading,
    ):
        tcp.cut()
        with pytest.raises(InfrastructureError, match="stayed away"):
            expect(reading, [PROMPT], soon())
    tcp.mend()


# -- opening -------------------------------------------------------------------------------------------


def opening(config: ConsoleConfig, seconds: float = 30) -> str:
    with pytest.raises(InfrastructureError) as caught:
        open_console(config, soon(seconds)).close()
    return str(caught.value)


def test_a_console_that_is_not_there_is_said_with_the_reason(board: Board) -> None:
    board.cut()

    if board.config.command:
        with opened(board, reconnect=0) as console, pytest.raises(InfrastructureError, match="exit status 1"):
            wait_for(lambda: console.terminal.read(0.1) == b"never", 20)
    else:
        said = opening(configured(board, reconnect=0))
        assert re.match(
            r"the console cannot be opened: (127.0.0.1:\d+: Connection refused|there is no /)", said
        )
    board.mend()


def test_a_console_that_comes_a_moment_late_is_waited_for(board: Board) -> None:
    board.cut()
    threading.Timer(0.5, board.mend).start()

    with opened(board) as console:
        board_says = threading.Timer(0, follow, (console, board, itertools.count()))
        board_says.start()
        board_says.join()


def test_a_program_that_is_not_there_is_said_at_once() -> None:
    said = opening(ConsoleConfig(command=("no-such-program", "board-7")))

    assert said == "the console cannot be opened: there is no program no-such-program on the worker"


def test_a_program_dies_with_its_console(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"trap '' HUP; echo $$ >{pid_file}; echo up; while read line; do :; done; exec sleep 100"
    with Opened(ConsoleConfig(command=("sh", "-c", script))) as console:
        assert read(console.terminal, 3) == b"up\n"
        pid = int(pid_file.read_text())

    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_a_program_sees_none_of_the_lab_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://lab:secret@db/lab")
    with Opened(ConsoleConfig(command=("sh", "-c", "env; tty; echo end; exec cat"))) as console:
        heard = b""
        while b"end" not in heard:
            heard += console.terminal.read(1) or b""

    assert b"PATH=" in heard
    assert b"/dev/pts/" in heard
    assert b"secret" not in heard


HOLD = """
import fcntl, os, sys
line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if sys.argv[2] == "lock":
    fcntl.flock(line, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["lock", "open"])
def test_a_device_that_somebody_uses_is_not_taken_and_who_is_named(tmp_path: Path, how: str) -> None:
    device = BOARDS["device"](tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, device.config.url, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"

        said = opening(configured(device, reconnect=0))

        assert f"{device.config.url} is in use by python" in said
        assert f"(process {holder.pid}): end that, or give the board another console" in said
        holder.stdin.close()
    with opened(device):
        pass
    device.close()


def test_a_device_is_used_by_one_console_at_a_time(tmp_path: Path) -> None:
    device = BOARDS["device"](tmp_path)
    with opened(device):
        assert f"is in use by this process ({os.getpid()})" in opening(configured(device, reconnect=0))
    device.close()


def test_what_a_terminal_program_left_as_its_lock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.drivers.serial_links.LOCK_FOLDERS", (str(tmp_path),))
    device = BOARDS["device"](tmp_path)
    lock = tmp_path / f"LCK..{os.path.basename(os.path.realpath(device.config.url))}"
    lock.write_text(f"{os.getppid():10d}\n")

    assert f"(process {os.getppid()})" in opening(configured(device, reconnect=0))

    lock.write_text("   4194399 minicom\n")
    with opened(device):
        pass
    device.close()


def test_what_is_no_serial_line_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert "cannot be used as a serial line: " in opening(ConsoleConfig(url=str(tmp_path / "file")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_device_that_may_not_be_opened_says_whom_to_let_in(tmp_path: Path) -> None:
    device = BOARDS["device"](tmp_path)
    os.chmod(device.config.url, 0)

    assert "to the group of the device, mostly dialout" in opening(device.config)
    device.close()


def test_a_server_that_does_not_speak_rfc_2217_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = opening(ConsoleConfig(url=f"rfc2217://127.0.0.1:{port}", reconnect=0))

    assert f"127.0.0.1:{port}: what listens there does not speak RFC 2217" in said


def test_opening_ends_when_the_job_is_cancelled() -> None:
    cancel = threading.Event()
    deadline = Deadline.after(60, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(Canceled, match="by bob"):
            open_console(ConsoleConfig(url=f"rfc2217://127.0.0.1:{server.getsockname()[1]}"), deadline)
        assert time.monotonic() - started < 2
    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "open console"])
