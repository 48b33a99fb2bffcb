"""One contract for power switches: commands, requests, pdudaemon, and QEMU's monitor."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.drivers.power import switch
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded, InfrastructureError
from tests.support.switches import Emulated, PduRelay, Relay, Rig, WebRelay, changed, pdudaemon


def soon(seconds: float = 60) -> Deadline:
    return Deadline.after(seconds, "the test")


@pytest.fixture(scope="module")
def pdus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("pdus")
    with pdudaemon(folder) as url:
        yield folder, url


@pytest.fixture(params=["command", "http", "pdudaemon", "qmp"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    found: Rig
    match request.param:
        case "command":
            found = Relay(tmp_path)
        case "http":
            found = WebRelay(tmp_path)
        case "pdudaemon":
            found = PduRelay(*request.getfixturevalue("pdus"))
        case _:
            found = Emulated(tmp_path)
    yield found
    found.close()


@pytest.fixture(params=[Relay, WebRelay])
def relay(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Relay]:
    found: Relay = request.param(tmp_path)
    yield found
    found.close()


def test_power_goes_on_and_off_and_what_the_switch_knows_is_said(rig: Rig) -> None:
    power = switch(rig.board)

    assert power.state(soon()) == ("off" if rig.tells else "unknown")
    assert power.on(soon()) == ("on" if rig.tells else "unknown")
    assert rig.powered()
    assert power.state(soon()) == ("on" if rig.tells else "unknown")
    assert power.off(soon()) == ("off" if rig.tells else "unknown")
    assert not rig.powered()


def test_switching_to_what_it_is_already_does_no_harm(rig: Rig) -> None:
    power = switch(rig.board)

    power.off(soon())
    power.on(soon())
    power.on(soon())
    assert rig.powered()
    power.off(soon())
    power.off(soon())
    assert not rig.powered()


def test_a_cycle_leaves_the_board_without_power_for_as_long_as_configured(rig: Rig) -> None:
    power = switch(changed(rig, off_seconds=0.5))
    power.on(soon())
    off_for: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and rig.powered():
            pass
        began = time.monotonic()
        while not over.is_set() and not rig.powered():
            pass
        off_for.append(time.monotonic() - began)

    watching = threading.Thread(target=watch)
    watching.start()
    power.cycle(soon())
    over.set()
    watching.join()

    assert rig.powered()
    assert off_for[0] > 0.3


def test_a_switch_that_does_not_do_it_is_an_error_with_its_words(rig: Rig) -> None:
    rig.be("refuse")

    with pytest.raises(InfrastructureError) as caught:
        switch(rig.board).on(soon())

    method = rig.board.power.method
    words = {
        "command": r"the command power\.on ended with exit status 4: the relay is stuck",
        "http": r"http://127\.0\.0\.1:\d+/on answered 500 Internal Server Error: the relay is stuck",
        "pdudaemon": r"http://127\.0\.0\.1:\d+/power/control/on answered 500 .*: Invalid request",
        "qmp": r"QEMU's monitor unix:/.*/q does not answer: Connection refused",
    }[method]
    said = rf"the power switch \({method}\) did not switch the board on in 2 attempts: {words}"
    assert re.fullmatch(said, str(caught.value)), str(caught.value)


def test_a_switch_that_hangs_is_given_up_after_the_configured_time(rig: Rig) -> None:
    rig.be("hang")

    with pytest.raises(
        InfrastructureError, match=r"the power switch \(power.timeout is 0.3 s\) did not finish"
    ):
        switch(changed(rig, timeout=0.3)).on(soon())

    rig.be("obey")


def test_a_job_that_is_cancelled_does_not_wait_for_the_switch(rig: Rig) -> None:
    cancel = threading.Event()
    deadline = Deadline.after(60, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    rig.be("hang")
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()

    with pytest.raises(Canceled, match="by bob"):
        switch(rig.board).off(deadline)

    assert time.monotonic() - started < 5
    rig.be("obey")


def test_the_job_s_own_deadline_ends_it_as_such(rig: Rig) -> None:
    rig.be("hang")

    with pytest.raises(DeadlineExceeded, match="the boot did not finish in time"):
        switch(rig.board).on(Deadline.after(0.3, "the boot"))

    rig.be("obey")


def test_the_pauses_end_with_the_job_too(rig: Rig) -> None:
    with pytest.raises(DeadlineExceeded, match="the boot"):
        switch(changed(rig, off_seconds=600)).cycle(Deadline.after(1, "the boot"))


# -- relays, which can do more of what goes wrong ------------------------------------------------------


def test_a_switch_that_is_busy_is_asked_again(relay: Relay) -> None:
    relay.be("once")

    assert switch(relay.board).on(soon()) == "on"
    assert relay.asked == ["on", "on"]


def test_what_the_switch_says_is_believed_over_what_it_was_told(relay: Relay) -> None:
    relay.be("ignore")

    with pytest.raises(
        InfrastructureError, match=r"in 2 attempts: it took the request, and says .* power is off"
    ):
        switch(relay.board).on(soon())

    assert relay.asked == ["on", "on"]


def test_a_slow_relay_is_looked_at_twice_before_it_is_told_again(relay: Relay) -> None:
    relay.be("late")

    assert switch(changed(relay, attempts=1)).on(soon()) == "on"


def test_a_switch_without_status_is_believed(relay: Relay) -> None:
    relay.be("ignore")

    assert switch(changed(relay, status="")).on(soon()) == "unknown"


def test_an_answer_that_means_nothing_shows_itself(relay: Relay) -> None:
    power = switch(changed(relay, on_pattern="closed", off_pattern="open", attempts=1))

    with pytest.raises(
        InfrastructureError,
        match=r"did not tell the board's power state: its answer to power.status cannot be understood:"
        r" neither on_pattern nor off_pattern matches 'outlet 3 is off'",
    ):
        power.state(soon())


def test_an_answer_that_means_both_shows_itself(relay: Relay) -> None:
    with pytest.raises(InfrastructureError, match="both on_pattern and off_pattern match 'outlet 3 is off'"):
        switch(changed(relay, on_pattern="outlet")).state(soon())


def test_a_switch_that_can_cycles_in_one_go(relay: Relay) -> None:
    cycle = relay.board.power.on.removesuffix("on") + "cycle"

    assert switch(changed(relay, cycle=cycle)).cycle(soon()) == "on"
    assert relay.asked == ["cycle"]
