"""Boards in a browser: found by keys, taken out with a reason, and live."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from devices import board_commands, errand_records, tasks
from devices.loading import load_board
from jobs import commands
from tests.browser.conftest import Site
from tests.support import jobs

pytestmark = pytest.mark.e2e


def press(site: Site, *keys: str) -> None:
    ActionChains(site.driver).send_keys(*keys).perform()


def test_boards_are_reached_by_keys_handled_and_followed_live(site: Site, asha: User) -> None:
    User.objects.filter(pk=asha.pk).update(is_superuser=True)
    site.log_in(asha)
    site.open("/")
    press(site, "g", "b")
    site.wait(lambda: site.path == "/boards/", "the list of boards")
    press(site, "?")
    site.wait(lambda: site.find("#keys").is_displayed(), "the list of keys")
    assert "Next, previous board" in site.text("#keys")
    press(site, "g", "d", Keys.ESCAPE)  # no key goes past an open dialog
    press(site, "/", "g", "d")  # nor out of a field
    assert site.find("#f-q").get_attribute("value") == "gd"
    assert site.path == "/boards/"
    site.run("document.activeElement.blur()")
    press(site, "j", "j", "k", Keys.ENTER)
    site.wait(lambda: site.path == "/boards/bench-01/", "the page of the first board")

    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    assert "bench-01: free" in site.driver.title
    jobs.submit(asha, jobs.definition("thermal soak", board="bench-01"))
    started = commands.schedule()
    assert [one.board for one in started] == ["bench-01"]
    site.wait(lambda: "thermal soak" in site.text("#board-head"), "who has the board")
    site.wait(lambda: "bench-01: reserved" in site.driver.title, "the state in the title")
    assert "labbook-run" in str(site.find('link[rel="icon"]').get_attribute("href"))

    site.find('[data-dialog="dlg-offline"]').click()
    press(site, "fan is loud", Keys.ENTER)
    site.wait(lambda: "Board bench-01 is offline." in site.text("main"), "the word that it is done")
    assert "Going offline" in site.text("#board-head")
    assert "fan is loud" in site.text("#board-history")
    assert load_board("bench-01").state.offline == "fan is loud"

    site.open("/")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    assert "bench-01 offline" in site.text("#attention")
    site.find("#h-day")
    board_commands.set_board_health("bench-02", "bad", "no prompt", actor="lab")
    site.wait(lambda: "bench-02 unhealthy" in site.text("#attention"), "what is broken now")


def test_a_board_is_tested_from_its_page_and_what_comes_up_meanwhile_works(site: Site, asha: User) -> None:
    User.objects.filter(pk=asha.pk).update(is_superuser=True)
    board_commands.change_board("bench-01", config={"connect_timeout": 0.2}, actor="lab")
    site.log_in(asha)
    site.open("/boards/bench-01/")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    site.find('#conn-acts [data-dialog="dlg-test"]').click()
    site.find("#dlg-test .btn-primary").click()
    site.wait(lambda: "Waits for a worker" in site.text("#board-conn"), "the errand")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    (errand,) = errand_records.errands("bench-01")
    tasks.run_errand("bench-01", errand.number)
    site.wait(lambda: "fails" in site.text("#board-conn .errand[open]"), "what came of it, not folded away")
    assert site.all("#board-strip .f-hand")
    # What can be done to it now could not be done when the page was opened.
    board_commands.take_board_offline("bench-01", "fan is loud", actor="lab")
    site.wait(lambda: site.all('#board-acts [data-dialog="dlg-online"]'), "another button")
    site.find('#board-acts [data-dialog="dlg-online"]').click()
    site.wait(lambda: site.find("#dlg-online").is_displayed(), "its dialog")
    press(site, "repaired", Keys.ENTER)
    site.wait(lambda: "Board bench-01 is online." in site.text("main"), "the word that it is done")
