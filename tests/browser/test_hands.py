"""Hands on the consoles of a job, in the browser: the terminal under the page's policy, the hold."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from jobs import hand_commands, queries
from jobs.domain.hands_events import HoldEnded, HoldStarted
from tests.browser.conftest import Site
from tests.support.browser import console
from tests.support.hands import Running, running
from tests.support.jobs import make_user, phase

pytestmark = pytest.mark.e2e
SCREEN = "#con-1 .con-t[data-ready] .xterm-rows"


@pytest.fixture
def run(asha: User) -> Iterator[Running]:
    with running(asha) as one:
        one.writer.write(1, b"\x1b[32mhello\x1b[0m from \x1b[38;2;200;100;50mthe guest\x1b[0m\r\n# ")
        # What only a terminal answers, which must not pass for something typed.
        one.writer.write(1, b"\x1b[6n\x1b[c\x1b[>c\x1b[?1004h\x1b]11;?\x07\x1bP$qm\x1b\\\x1b[?25$p")
        one.writer.report(phase(1, "test", "smoke"))
        one.writer.flush()
        yield one


def watch(site: Site, user: User, run: Running) -> None:
    site.log_in(user)
    site.open(f"/jobs/{run.number}/")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")


def press(site: Site, *keys: str) -> None:
    ActionChains(site.driver).send_keys(*keys).perform()


def test_somebody_takes_the_keyboard_types_and_gives_it_back(site: Site, asha: User, run: Running) -> None:
    watch(site, asha, run)
    assert not site.find("#con-0 [data-act=keyboard]").is_displayed(), "there is no console on the host"
    site.find("#con-1 .con-b").click()
    press(site, "w")
    site.wait(lambda: "hello from the guest" in site.text(SCREEN), "the terminal with what was there before")
    assert "A test runs here and goes on" in site.text("#con-1 .con-words")
    press(site, "e", "c", "h", "o", " ", "ü", Keys.ENTER)
    site.wait(lambda: "# echo ü" in site.text(SCREEN), "what was typed, from the console")
    run.writer.write(1, b"\x1b[5n\x1b[6n$ ")
    site.wait(lambda: "$ " in site.text(SCREEN) + " ", "the next prompt")
    assert run.console.typed == "echo ü\r".encode()
    site.wait(
        lambda: "asha typed" in " ".join(one["text"] for one in queries.job_events(run.number)),
        "the record of it",
    )
    drawn = site.run(
        "const row = document.querySelector(given[0]).firstElementChild;"
        "const colour = (word) => getComputedStyle([...row.children].find("
        "  (one) => one.textContent.includes(word))).color;"
        "return [row.getBoundingClientRect().height, colour('hello'), colour('guest')]",
        SCREEN,
    )
    assert drawn[0] >= 12, "styles that the terminal makes are in force"
    assert drawn[2] == "rgb(200, 100, 50)"
    assert drawn[1] not in (drawn[2], "rgb(213, 220, 229)")
    ActionChains(site.driver).key_down(Keys.CONTROL).send_keys("]").key_up(Keys.CONTROL).perform()
    site.wait(lambda: not site.all("#con-1 .con-t"), "the rows again")
    site.wait(lambda: not run.row.keyboards, "the keyboard is back")
    assert run.told("keyboard_given")[0]["reason"] == "its holder left"
    assert "echo ü" in site.text("#con-1 .con-rows")
    assert site.driver.switch_to.active_element.get_attribute("data-act") == "keyboard"


def test_a_terminal_that_cannot_load_its_beginning_begins_with_what_comes(
    site: Site, asha: User, run: Running
) -> None:
    watch(site, asha, run)
    site.run(
        "const fetched = window.fetch;"
        "window.fetch = (url, ...more) => String(url).includes('/console/')"
        "  ? Promise.reject(new TypeError('Failed to fetch')) : fetched(url, ...more);"
    )
    site.find("#con-1 [data-act=keyboard]").click()
    site.wait(lambda: site.all("#con-1 .con-t[data-ready]"), "the terminal")
    run.writer.write(1, b"what comes next\r\n")
    site.wait(lambda: "what comes next" in site.text(SCREEN), "what came after that")


def test_a_terminal_that_cannot_be_loaded_says_so_and_is_loaded_again(
    site: Site, asha: User, run: Running
) -> None:
    watch(site, asha, run)
    site.driver.execute_cdp_cmd("Network.enable", {})
    site.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/console/terminal*.js*"]})
    try:
        site.find("#con-1 [data-act=keyboard]").click()
        site.wait(lambda: "could not be loaded" in site.text("#con-1 .con-words"), "what is wrong")
    finally:
        site.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    assert site.driver.switch_to.active_element.text == "Try again"
    press(site, Keys.ENTER)
    site.wait(lambda: "hello from the guest" in site.text(SCREEN), "the terminal")
    assert "A test runs here and goes on" in site.text("#con-1 .con-words")
    assert "Try again" not in site.text("#con-1 .con-hands")
    console(site.driver)  # the browser may tell of it, too


def test_others_see_who_types_and_may_take_it_away_only_if_they_may_end_the_job(
    site: Site, asha: User, run: Running
) -> None:
    boss = make_user("boss", is_superuser=True)
    ticket = hand_commands.take_keyboard(run.number, 1, user=boss, cause="test").ticket
    watch(site, asha, run)
    assert site.text("#con-1 .typist") == "boss types"
    hand_commands.type_keys(run.number, 1, ticket, b"by boss\r", user=boss)
    site.wait(lambda: "by boss" in site.text("#con-1 .con-rows"), "what the other one types")
    site.find("#con-1 [data-act=keyboard]").click()
    assert site.text("#dlg-away h2") == "Take the keyboard of guest from boss?"
    site.find("#dlg-away .btn-danger").click()
    site.wait(lambda: site.all("#con-1 .con-t[data-ready]"), "the keyboard")
    hand_commands.take_keyboard(run.number, 1, user=asha, cause="test")
    site.wait(lambda: "taken in another window" in site.text("#hands-note"), "that it is gone")
    assert site.text("#con-1 .typist") == "you type in another window"
    assert not site.all("#con-1 .con-t")


def test_a_job_is_held_from_the_page(site: Site, asha: User, run: Running) -> None:
    watch(site, asha, run)
    site.find("#hold-job").click()
    minutes = site.find("#dh-m")
    minutes.clear()
    minutes.send_keys("1000")
    site.find("#dh-r").send_keys("look at the routes")
    site.find("#dlg-hold .btn-primary").click()
    site.wait(lambda: "a job can be held for 30 s to 120 min" in site.text("#dlg-hold .msg"), "the refusal")
    assert len(console(site.driver)) == 1, "the browser, too, tells of the refusal"
    minutes.clear()
    minutes.send_keys("20")
    site.find("#dlg-hold .btn-primary").click()
    words = "Will be held for 20:00 when its work is done, by asha: look at the routes."
    site.wait(lambda: words in site.text("#hold"), "what is to come")
    now = time.time()
    run.writer.report(HoldStarted(until=now + 1200, at=now))
    site.wait(lambda: "Held until" in site.text("#hold") and "left)" in site.text("#hold"), "the hold")
    assert "Held" in site.text("#pills")
    assert site.text("#hold-job") == "Hold longer"
    bar = "#timeline .ph-hold"
    site.wait(lambda: site.text(bar).startswith("held by asha: look at the routes, until "), "its bar")
    site.find("#hold [data-act=release]").click()
    site.wait(lambda: not site.find("#hold").is_displayed(), "the end of it")
    assert run.told("hold_released")[0]["user"] == "asha"
    run.writer.report(HoldEnded(reason="it was let go", at=now + 5))
    site.wait(lambda: site.text(bar) == "held by asha: look at the routes", "the bar of what was")
    ended = f"return document.querySelector('{bar}').title.endsWith('(0:05)')"
    site.wait(lambda: site.run(ended), "its end")
    site.find("#tl-switch").click()
    assert "Held" in site.text("#tl-table thead")


def test_warnings_keep_the_lines_around_them_and_all_keys_are_in_one_list(
    site: Site, asha: User, run: Running
) -> None:
    lines = [f"line {n}" for n in range(1, 21)]
    lines[6], lines[15] = "mount: cannot find /dev/vdb", "[    1.250000] Kernel panic - not syncing"
    run.writer.write(1, "".join(f"{line}\r\n" for line in lines).encode())
    run.writer.flush()
    watch(site, asha, run)
    rows = "return [...document.querySelectorAll('#con-1 .con-rows > div')].filter(one => one.offsetParent)"
    shown = f"{rows}.map(one => one.innerText.trim().split('\\n').at(-1))"
    site.wait(lambda: site.run(shown)[-1:] == ["line 20"], f"all lines, not {site.run(shown)}")
    site.find('#show [data-show="warnings"]').click()
    found = site.run(shown)
    assert [one.split()[-1] for one in found] == ["6", "/dev/vdb", "8", "15", "syncing", "17"]
    press(site, "?")
    site.wait(lambda: site.find("#keys").is_displayed(), "the list of keys")
    assert len(site.all("dialog#keys")) == 1
    assert "take the keyboard" in site.text("#keys")
    assert "Go to the dashboard" in site.text("#keys")


def test_all_consoles_are_searched_and_hits_stepped_through(site: Site, asha: User, run: Running) -> None:
    lines = [f"line {n}{' with a Needle' if n % 4000 == 5 else ''}\r\n" for n in range(10_000)]
    for at in range(0, len(lines), 1000):
        run.writer.write(0, "".join(lines[at : at + 1000]).encode())
    run.writer.write(1, b"\r\nneedle\r\n")
    run.writer.flush()
    watch(site, asha, run)
    press(site, "/")
    press(site, "needle")
    site.wait(lambda: site.text("[data-f=found]") == "4 lines: host 3, guest 1", "what was found")
    assert site.text("#con-0 [data-f=hits]") == "3 hits"
    press(site, Keys.ENTER)
    site.wait(lambda: site.texts("#con-0 .at-line > span") == ["line 5 with a Needle"], "the first hit")
    assert site.text("[data-f=found]").startswith("1 of 4 lines")
    assert site.run("return [...CSS.highlights.get('found')].map(String)")[0].lower() == "needle"
    site.find("#con-0 .con-b").click()
    press(site, "]")
    site.wait(lambda: site.texts("#con-0 .at-line > span") == ["line 4005 with a Needle"], "the next one")
    press(site, "[", "[")
    site.wait(lambda: site.texts("#con-1 .at-line > span") == ["needle"], "the last one, around the corner")
