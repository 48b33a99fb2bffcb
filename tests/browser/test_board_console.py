"""The console of an idle board, in the browser: taken, typed on, gone on with after a reload, given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from devices import board_commands, errand_records, sitting_view
from devices.models import SittingChunk
from tests.browser.conftest import Site
from tests.support.consoles import TcpBoard
from tests.support.hands import until
from tests.support.sittings import Worker

pytestmark = pytest.mark.e2e
SCREEN = "#sitting[data-ready] .xterm-rows"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[TcpBoard]:
    board = TcpBoard(tmp_path)
    yield board
    board.close()


def press(site: Site, *keys: str) -> None:
    ActionChains(site.driver).send_keys(*keys).perform()


def begin() -> Worker:
    """Have a worker begin what the page asked for."""
    until(lambda: sitting_view.current("bench-01"))
    found = sitting_view.current("bench-01")
    assert found is not None
    return Worker(found.errand, "bench-01")


def test_somebody_sits_at_a_board(site: Site, asha: User, far: TcpBoard) -> None:
    board_commands.change_board("bench-01", config={"console": {"url": far.config.url}}, actor="lab")
    board_commands.change_board_access("bench-01", {"console": ["user:asha"]}, "", actor="lab")
    site.log_in(asha)
    site.open("/boards/bench-01/")
    site.find("#board-console a.btn").click()
    site.wait(lambda: site.path == "/boards/bench-01/console/", "the console's page")
    assert "Nobody yet" in site.text("main")
    site.find("#sit button").click()
    site.wait(lambda: "waiting for a worker" in site.text("#sitting .con-h"), "how it stands")
    site.wait(lambda: bool(site.all("#sitting[data-ready]")), "the terminal")

    worker = begin()
    until(lambda: far.connected)
    far.print(b"\x1b[32mU-Boot 2023\x1b[0m\r\n=> \x1b[6n")
    site.wait(lambda: "U-Boot 2023" in site.text(SCREEN), "what the board printed")
    assert "the serial console is open" in site.text(SCREEN)
    assert "You have the console" in site.text(".con-words")
    press(site, "b", "d", Keys.ENTER)
    assert far.typed(3) in (b"bd\r", b"bd\n"), "and no answer of the terminal's"

    site.driver.refresh()
    site.wait(lambda: "U-Boot 2023" in site.text(SCREEN), "the same again")
    site.wait(lambda: "You have the console" in site.text(".con-words"), "that it is still hers")
    assert "goes on" in site.text("main")
    press(site, Keys.ENTER)
    assert far.typed(1) in (b"\r", b"\n")
    ActionChains(site.driver).key_down(Keys.CONTROL).send_keys("]").key_up(Keys.CONTROL).perform()
    site.wait(lambda: "The console was given back." in site.text("#sit-note"), "the end")
    assert worker.done().endswith("left")
    site.wait(lambda: "given back" in site.text("#last"), "the sitting among the last ones")
    assert "Record" in site.text("#last")
    assert site.find("#sit").is_displayed()
    assert errand_records.errands("bench-01")[0].outcome == "pass"

    site.find("#sit button").click()
    worker = begin()
    site.wait(lambda: "You have the console" in site.text(".con-words"), "another sitting")
    assert "U-Boot 2023" not in site.text(SCREEN)
    until(lambda: SittingChunk.objects.filter(errand=sitting_view.current("bench-01").errand))  # type: ignore[union-attr]
    board_commands.release_board("bench-01", "the fan burns", actor="lab")
    site.wait(lambda: "the fan burns" in site.text("#sit-note"), "why it is over")
    worker.done()


def test_who_may_not_is_told_who_can_help(site: Site, asha: User) -> None:
    site.log_in(asha)
    site.open("/boards/bench-01/")
    assert not site.all("#board-console a")
    site.open("/boards/bench-01/console/")
    assert "may not watch its console" in site.text("main")
    assert all("403 (Forbidden)" in one for one in site.complaints())
