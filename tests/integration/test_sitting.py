"""Sitting at the console of an idle board: by a person that a test makes up, and by a real terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from devices import board_commands, errand_records, fence, queries, sitting, sitting_view
from jobs import commands as job_commands
from lab.demo.sshd import SshServer
from lab.kernel.errors import NotPermitted, Rejected
from tests.support.consoles import DeviceBoard, TcpBoard
from tests.support.databases import Database
from tests.support.jobs import make_inventory, make_user, submit
from tests.support.sshd import ssh_config
from tests.support.switches import Relay
from tests.support.windows import Window


@pytest.fixture
def serial(tmp_path: Path) -> Iterator[DeviceBoard]:
    board = DeviceBoard(tmp_path)
    yield board
    board.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path


class Person:
    """Types what a test says, when it says so."""

    def __init__(self, *acts: bytes | Callable[[], object]) -> None:
        self._acts = list(acts)
        self.seen = b""
        self.told: list[str] = []

    def show(self, data: bytes) -> None:
        self.seen += data

    def typed(self, seconds: float) -> bytes | None:
        if not self._acts:
            return None
        act = self._acts.pop(0)
        if isinstance(act, bytes):
            return act
        act()
        return b""

    def has_left(self) -> bool:
        return False

    def sees(self, wanted: bytes) -> Callable[[], object]:
        def wait() -> None:
            end = time.monotonic() + 20
            while wanted not in self.seen:
                assert time.monotonic() < end, self.seen
                time.sleep(0.01)

        return wait


def register(**config: Any) -> None:
    make_inventory("alpha")
    board_commands.change_board("alpha", config=config, actor="lab")


def sit(person: Person, **more: Any) -> int:
    return sitting.sit(
        "alpha", person, **{"seconds": 60, "say": person.told.append, "actor": "cli:root", **more}
    )


def texts() -> list[str]:
    return [entry.text for entry in queries.board_history("alpha")]


@pytest.mark.usefixtures("sqlite_database")
def test_a_person_types_on_an_idle_board_which_is_reserved_and_all_is_recorded(serial: DeviceBoard) -> None:
    register(console={"url": str(serial.path), "line_end": "lf"})
    person = Person()

    def meanwhile() -> None:
        submit(make_user())
        assert not job_commands.schedule()
        assert queries.board("alpha").reason == "reserved for cli:root, who types on its console"
        with pytest.raises(Rejected, match="reserved for cli:root, who types on its console already"):
            sit(Person())

    person = Person()
    person._acts = [
        lambda: serial.print(b"\x1b[1mboard\x1b[0m login: \xff"),
        person.sees(b"login: "),
        b"root\r",
        lambda: serial.print(b"Password: "),
        person.sees(b"Password: "),
        meanwhile,
    ]
    number = sit(person)

    assert serial.typed(5) == b"root\n", "Enter is what the board takes for it"
    record = "".join(sitting_view.cast("lab", "alpha", number))
    head, *events = (json.loads(line) for line in record.splitlines())
    assert (head["version"], head["title"]) == (2, "alpha, cli:root")
    assert "".join(text for _, kind, text in events if kind == "i") == "root\r"
    assert "board\x1b[0m login: " in "".join(text for _, kind, text in events if kind == "o")
    errand = errand_records.errands("alpha")[0]
    assert (errand.title, errand.outcome) == ("Console", "pass")
    assert "board login: " in errand.steps[-1].transcript
    assert texts()[0] == "console given back"
    assert "console left" in texts()
    assert "console taken by cli:root" in texts()
    assert queries.board("alpha").free


@pytest.mark.usefixtures("sqlite_database")
def test_power_is_switched_with_the_console_open_and_is_as_before_at_the_end(
    serial: DeviceBoard, tmp_path: Path
) -> None:
    relay = Relay(tmp_path)
    power = relay.board.power
    register(
        console={"url": str(serial.path)},
        power={
            "method": "command",
            "on": power.on,
            "off": power.off,
            "status": power.status,
            "off_seconds": 0,
        },
    )
    on: list[bool] = []
    person = Person(lambda: on.append(relay.powered()))
    sit(person, power="on")
    assert on == [True]
    assert not relay.powered()
    assert person.told[1:] == ["Its power is on.", "Its power is off."]


@pytest.mark.usefixtures("sqlite_database")
def test_a_board_without_a_serial_console_gives_a_shell_by_ssh(sshd: SshServer) -> None:
    wanted = ("host", "port", "user", "key_file", "host_key")
    register(ssh={key: value for key, value in asdict(ssh_config(sshd)).items() if key in wanted})
    person = Person()
    person._acts = [b"echo he''re\r", person.sees(b"here")]
    sit(person)
    assert "login shell by ssh" in person.told[0]


@pytest.mark.usefixtures("sqlite_database")
def test_who_may_not_and_what_cannot_be_is_said(serial: DeviceBoard, tmp_path: Path) -> None:
    register(console={"url": str(serial.path)})
    with pytest.raises(NotPermitted, match="may not type on the console"):
        sit(Person(), actor=make_user("mallory"))
    with pytest.raises(Rejected, match=r"no power switch"):
        sit(Person(), power="on")
    with pytest.raises(Rejected, match="up to 24 hours"):
        sit(Person(), seconds=10**6)
    board_commands.change_board("alpha", config={"console": {"url": str(tmp_path / "none")}}, actor="lab")
    with pytest.raises(Rejected, match="Board alpha: the console cannot be opened"):
        sit(Person())
    assert queries.board("alpha").free
    assert texts()[:2] == ["console lost", "console failed"]
    failed = errand_records.errands("alpha")[0]
    assert failed.reason == "its console could not be used to the end", "everybody may read it"
    assert str(tmp_path) in failed.steps[-1].said


@pytest.mark.usefixtures("sqlite_database")
def test_it_ends_with_its_time_and_when_somebody_takes_the_board_away(
    serial: DeviceBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(console={"url": str(serial.path)})
    waiting: list[bytes | Callable[[], object]] = [lambda: time.sleep(0.05)] * 400
    sit(Person(*waiting), seconds=0.3)
    assert texts()[0] == "console given back"

    monkeypatch.setattr(fence, "LOOK_EVERY", 0.0)

    def release() -> None:
        board_commands.release_board("alpha", "I need it", actor="lab")

    with pytest.raises(Rejected, match="somebody took the board away"):
        sit(Person(release, *waiting))
    assert queries.board("alpha").free

    # No key comes after that, however short it is ago.
    monkeypatch.setattr(fence, "LOOK_EVERY", 1000.0)
    with pytest.raises(Rejected, match="somebody took the board away"):
        sit(Person(release, b"reboot\r", *waiting))
    sit(Person(b"ls\r"))
    assert serial.typed(3) == b"ls\r"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[TcpBoard]:
    board = TcpBoard(tmp_path)
    yield board
    board.close()


@pytest.fixture
def window(far: TcpBoard, sqlite_database: Database, folder: Path) -> Iterator[Window]:
    register(console={"url": far.config.url})
    words = [sys.executable, "manage.py", "board", "alpha", "console"]
    environment = os.environ | {
        "DATABASE_URL": sqlite_database.url, "DJANGO_SETTINGS_MODULE": "lab.settings",
        "LABBOOK_VAR": str(folder), "LABBOOK_SECRET_KEY": settings.SECRET_KEY,
    }  # fmt: skip
    one = Window(words, settings.BASE_DIR, environment)
    yield one
    one.close()


def test_at_a_terminal_every_key_reaches_the_board_and_ctrl_bracket_leaves(
    far: TcpBoard, window: Window
) -> None:
    window.until(b"Ctrl-] leaves")
    far.print(b"U-Boot> ")
    window.until(b"U-Boot> ")
    os.write(window.end, b"\x03ls\r\x1d")  # Ctrl-C is the board's
    assert far.typed(4) == b"\x03ls\r"
    window.until(b"asciinema plays")
    assert window.process.wait(20) == 0


def test_a_window_that_is_closed_gives_the_board_back(window: Window) -> None:
    window.until(b"Ctrl-] leaves")
    assert not queries.board("alpha").free
    window.process.send_signal(signal.SIGHUP)
    window.process.wait(20)
    assert queries.board("alpha").free
    assert texts()[0] == "console given back"
