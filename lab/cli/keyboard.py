"""``labbook keyboard`` and ``labbook type``: the keyboard of a node, at this terminal or for a script."""

from __future__ import annotations

import codecs
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from devices.management.tty import Tty
from jobs.harmless import Harmless
from lab.cli.api import Api
from lab.cli.failing import FAILED, Failed, Unreachable

ONLY_THE_JOB = 2**62
PIECE = 8 * 1024
"""Bytes that are typed with one request; the lab takes no more than twice as many."""
AWAKE, ASLEEP = 0.05, 0.5
"""Seconds between two looks at the console: just after something was typed or printed, and long after."""
LOOK_EVERY = 2.0
"""Seconds between two looks at who has the keyboard."""
CONTEXT = 2000
"""Bytes of what was printed before that are shown at first."""


class Terminal(Protocol):
    """Where a person sits; see `devices.management.tty`."""

    def show(self, data: bytes) -> None: ...
    def say(self, text: str) -> None: ...
    def typed(self, seconds: float) -> bytes | None: ...


class Console:
    """What a node prints, from an offset on; the end of the job is the end of it."""

    def __init__(self, api: Api, job: int, node: int, offset: int) -> None:
        self._api, self._path, self.offset = api, f"jobs/{job}/nodes/{node}/console/", offset
        self.ended = False

    def news(self) -> bytes:
        """Return what was printed since; at most a piece."""
        answer = self._api.patiently("GET", self._path, {"offset": self.offset, "limit": 64 * 1024})
        data: bytes = answer.content
        self.offset = int(answer.headers["X-Console-Offset"]) + len(data)
        whole = self.offset >= int(answer.headers["X-Console-Size"])
        self.ended = whole and answer.headers["X-Console-Complete"] == "true"
        return data


class Keyboard:
    """The keyboard of a node, while it is ours."""

    def __init__(self, api: Api, job: int, node: int, ticket: int) -> None:
        self._api, self.job, self.node, self._ticket = api, job, node, ticket
        # A terminal is read at any byte, the lab is told characters.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._given = False

    def type(self, data: bytes) -> None:
        """Type it. Raises `Failed` with the lab's words when the keyboard is gone."""
        text = self._decoder.decode(data)
        for at in range(0, len(text), PIECE // 4):
            sent = {"ticket": self._ticket, "text": text[at : at + PIECE // 4]}
            self._api.ask("POST", f"{_path(self.job, self.node)}keys/", content=json.dumps(sent))

    @property
    def is_ours(self) -> bool:
        """Whether it still is: it may have been taken away, or given back because nothing was typed."""
        answer = self._api.patiently("GET", f"jobs/{self.job}/", {"after": ONLY_THE_JOB})
        return any(
            one["node"] == self.node and one["ticket"] == self._ticket for one in answer.json()["keyboards"]
        )

    def give_back(self) -> None:
        """Give it back, if it still is ours. Raises `Failed` where not all that was typed was read."""
        if not self._given:
            self._given = True
            self._api.ask("DELETE", _path(self.job, self.node), {"ticket": self._ticket})


@contextmanager
def taken(api: Api, job: int, node: int) -> Iterator[Keyboard]:
    """Take the keyboard; give it back in the end. Raises what `Keyboard.give_back` does."""
    made = api.post(_path(job, node))
    held = Keyboard(api, job, node, made["ticket"])
    try:
        yield held
        held.give_back()
    finally:
        with suppress(Failed):  # then the lab does, when nothing has been typed for a while
            held.give_back()


def sit(api: Api, options: Namespace, node: int) -> int:
    """Have the keyboard at this terminal until Ctrl-], the end of the job, or until it is gone."""
    if not (os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno())):
        raise Failed("This is no terminal. From a script: labbook type JOB NODE TEXT")
    with taken(api, options.job, node) as held, Tty() as terminal:
        terminal.say("the keyboard is yours, and what you type is kept with the job; Ctrl-] gives it back")
        console = Console(api, options.job, node, -CONTEXT)
        try:
            why = attend(held, console, terminal)
        finally:
            terminal.show(Harmless.LEAVING)
        if not why:
            held.give_back()
        terminal.say(why or "given back")
        return FAILED if why else 0


def attend(
    held: Keyboard, console: Console, terminal: Terminal, clock: Callable[[], float] = time.monotonic
) -> str:
    """Copy both ways; returns why the keyboard is gone, nothing when the person left or the job ended."""
    screen = Harmless(screen=True)
    pause, looked = AWAKE, clock()
    while True:
        try:
            data = console.news()
            if data:
                terminal.show(screen.feed(data))
                pause = AWAKE
            if console.ended:
                terminal.say("the job has ended")
                return ""
            keys = terminal.typed(pause)
            if keys is None:
                return ""
            pause = AWAKE if keys else min(ASLEEP, pause * 1.2)
            if keys:
                held.type(keys)
            elif clock() - looked > LOOK_EVERY:
                looked = clock()
                if not held.is_ours:
                    return "the keyboard was given back or taken away: the job's page says by whom"
        except Unreachable:
            raise
        except Failed as refused:
            return str(refused)


def type_text(api: Api, options: Namespace, node: int) -> int:
    """Type a text, show what comes of it for a while, and give the keyboard back."""
    text = _text(options)
    console = Console(api, options.job, node, 0)
    with taken(api, options.job, node) as held:
        if options.show:
            # From here on: an offset from the end is answered with where that is.
            console.offset = -1
            console.news()
        held.type(text.encode())
        screen = Harmless() if sys.stdout.isatty() else None
        until = time.monotonic() + options.show
        while time.monotonic() < until and not console.ended:
            if data := console.news():
                sys.stdout.buffer.write(screen.feed(data) if screen else data)
                sys.stdout.buffer.flush()
            else:
                time.sleep(0.1)
    if options.json:
        sys.stdout.write(json.dumps({"job": options.job, "node": node, "typed": len(text)}) + "\n")
    return 0


def _text(options: Namespace) -> str:
    """Return what is to be typed: lines end in the key Enter."""
    try:
        text = sys.stdin.read() if options.text == ["-"] else " ".join(options.text)
    except UnicodeDecodeError as error:
        raise Failed(f"Standard input is no text: {error}.") from error
    text = text.replace("\r\n", "\n").removesuffix("\n").replace("\n", "\r")
    keys = "".join(chr(ord(one.upper()) & 0x1F) for one in options.ctrl or ())
    if not (text or keys):
        raise Failed("There is nothing to type.")
    return keys + text + ("" if options.no_enter or not text else "\r")


def _path(job: int, node: int) -> str:
    return f"jobs/{job}/nodes/{node}/keyboard/"
