"""From power on to a shell, on a scripted console."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from devices.domain.config import Waits
from devices.drivers.expect import Console, ConsoleEnded
from jobs.domain.definition.model import Login
from jobs.execution.boot import Booting, Prompts, run_command
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault
from tests.unit.drivers.scripted import Record, Scripted

Seen = list[tuple[str, int]]
PATIENT = Waits()


def soon(seconds: float = 20) -> Deadline:
    return Deadline.after(seconds, "the boot")


class Guest:
    """A guest's shell: answers echo, and what else a test teaches it."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.commands: list[str] = []
        self.status = 0

    def __call__(self, typed: bytes) -> bytes:
        printed = ""
        for line in typed.decode().splitlines():
            self.commands.append(line)
            printed += f"{line}\r\n"
            if (asked := re.search(r'echo "lab""book (\w+)( \$labbook_s\.)?"', line)) is not None:
                printed += f"labbook {asked[1]}" + (f" {self.status}." if asked[2] else "") + "\r\n"
            for word, answer in self.answers.items():
                if word in line:
                    printed += answer
            printed += "root@vm:~# "
        return printed.encode()


def boot_with(
    terminal: Scripted,
    login: Login | None = None,
    prompts: tuple[str, ...] = ("[#$] $",),
    seconds: float = 20,
    waits: Waits = PATIENT,
) -> Seen:
    seen: Seen = []
    with Console(terminal, Record(), "vm", waits=waits) as console:
        wanted = Prompts.compile(prompts, login or Login())
        Booting(console, wanted, lambda name, _, offset: seen.append((name, offset))).run(soon(seconds))
    return seen


def test_a_prompt_behind_which_a_shell_answers() -> None:
    terminal = Scripted(b"Linux version 6.1\r\n", b"root@vm:~# ", answer=Guest())

    assert boot_with(terminal) == [("kernel-started", 0), ("shell-prompt", 19)]


def test_text_that_only_looks_like_a_prompt() -> None:
    guest, asked = Guest(), 0

    def answer(typed: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return b"still booting\r\nroot@vm:~# " if asked == 1 else guest(typed)

    terminal = Scripted(b"progress: 50 # ", answer=answer)

    boot_with(terminal, waits=Waits(answer=0.2))

    assert asked >= 2


def test_a_login_with_name_password_and_commands() -> None:
    guest = Guest()
    state = "name"

    def answer(typed: bytes) -> bytes:
        nonlocal state
        if state == "name":
            assert typed == b"tester\n"
            state = "password"
            return b"tester\r\nPassword: "
        if state == "password":
            assert typed == b"secret\n"
            state = "in"
            return b"\r\nWelcome\r\nvm$ "
        return guest(typed)

    login = Login(
        login_prompt="login: $", username="tester", password="secret", login_commands=("sudo -i", "cd /")
    )
    seen = boot_with(Scripted(b"Debian 12 vm ttyS0\r\n\r\nvm login: ", answer=answer), login)

    assert [name for name, _ in seen] == ["login-prompt", "shell-prompt"]
    assert any(line.startswith("sudo -i;") for line in guest.commands)
    assert any(line.startswith("cd /;") for line in guest.commands)


def test_a_login_that_nobody_knows_a_name_for() -> None:
    terminal = Scripted(b"vm login: ", answer=lambda typed: b"\r\nvm login: ")

    with pytest.raises(DefinitionFault, match=r"asks for a login .* give login_prompt and username"):
        boot_with(terminal, waits=Waits(nudge=0.05))


def test_a_login_that_is_refused() -> None:
    def answer(typed: bytes) -> bytes:
        return b"\r\nPassword: " if typed == b"tester\n" else b"\r\nLogin incorrect\r\nvm login: "

    login = Login(login_prompt="login: $", username="tester", password="wrong")

    with pytest.raises(DefinitionFault, match="refused the login as 'tester'"):
        boot_with(Scripted(b"vm login: ", answer=answer), login)


def test_no_prompt_in_time_says_what_came_instead() -> None:
    with pytest.raises(
        DefinitionFault, match=r"(?s)did not come to a shell prompt \('> \$'\) within .*other#"
    ):
        boot_with(Scripted(b"booted\r\nother# "), prompts=("> $",), seconds=0.3)


def test_a_prompt_that_is_no_regular_expression() -> None:
    with pytest.raises(DefinitionFault, match=r"the shell prompt '\(' is not a regular expression"):
        Prompts.compile(("(",), Login())


def test_a_panic_is_the_images_fault() -> None:
    with pytest.raises(
        DefinitionFault, match=r"the kernel of vm panicked: .*Kernel panic - not syncing: oh no"
    ):
        boot_with(Scripted(b"Linux version 6\r\n[ 1.0] Kernel panic - not syncing: oh no\r\n"))


def test_a_console_that_ends_is_left_to_the_caller() -> None:
    with pytest.raises(ConsoleEnded):
        boot_with(Scripted(b"qemu: no\r\n", b"", ending="exit status 1"))


def with_shell(answer: Callable[[bytes], bytes]) -> tuple[Scripted, Console]:
    terminal = Scripted(answer=answer)
    return terminal, Console(terminal, Record(), "vm", waits=Waits(answer=0.1))


def test_a_command_gives_its_status() -> None:
    guest = Guest()
    guest.status = 7
    _, console = with_shell(guest)
    with console:
        assert run_command(console, "false", soon())[0] == 7


def test_a_torn_answer_is_asked_for_again() -> None:
    guest, torn = Guest(), True

    def answer(typed: bytes) -> bytes:
        nonlocal torn
        printed = guest(typed)
        if torn:
            torn = False
            return printed.replace(b"labbook ", b"labb[  3.1] random: crng done\r\nook ")
        return printed

    _, console = with_shell(answer)
    with console:
        assert run_command(console, "true", soon())[0] == 0
