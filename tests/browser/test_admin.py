"""The inventory in the admin, as its keeper uses it in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.by import By

from devices import board_commands, queries, tasks
from devices.models import Board
from jobs.models import Lease
from tests.browser.conftest import Site
from tests.support import jobs

pytestmark = pytest.mark.e2e
BOARDS = "/admin/devices/board/"


@pytest.fixture
def keeper(asha: User, site: Site) -> User:
    """Asha, who keeps the lab; logged in."""
    asha.is_staff = asha.is_superuser = True
    asha.save()
    site.log_in(asha)
    return asha


def choose(site: Site, action: str, *boards: str) -> None:
    """Tick boards in the list and run an action on them."""
    site.open(BOARDS)
    for name in boards:
        site.find(f'input[name="_selected_action"][value="{name}"]').click()
    site.find(f'select[name="action"] option[value="{action}"]').click()
    site.find('button[name="index"]').click()


def shot(site: Site, name: str) -> None:
    """Take pictures in both themes and widths, for whoever wants to look at them."""
    if not (folder := os.environ.get("LABBOOK_ADMIN_SHOTS")):
        return
    for theme in ("light", "dark"):
        site.run("document.documentElement.dataset.theme = given[0]", theme)
        for width in (1440, 390):
            site.resize(width, 1000)
            assert site.driver.save_screenshot(str(Path(folder) / f"{name}-{theme}-{width}.png"))
    site.resize(1440, 1000)


def test_boards_are_handled_many_at_a_time(site: Site, keeper: User) -> None:
    choose(site, "take_offline", "bench-01", "bench-02")
    site.find("#id_reason").send_keys("power cut")
    shot(site, "step")
    site.find('.submit-row input[type="submit"]').click()
    site.wait(lambda: "Board bench-02 is offline." in site.text(".messagelist"), "what was done")
    assert queries.board("bench-01").reason == "offline: power cut"
    shot(site, "boards")
    # Its power is switched by a worker; this lab has no switch, and says so.
    choose(site, "power_cycle", "bench-01")
    site.find('.submit-row input[type="submit"]').click()
    site.wait(lambda: "has no power switch" in site.text(".messagelist"), "the refusal")
    # A job got stuck: its board is taken from it.
    board_commands.bring_board_online("bench-01", actor="lab")
    number, _ = jobs.started(keeper)
    choose(site, "release", "bench-01")
    site.find("#id_reason").send_keys("the worker was unplugged")
    site.find('.submit-row input[type="submit"]').click()
    site.wait(lambda: "Cancel the job" in site.text(".messagelist"), "the refusal: its worker is alive")
    Lease.objects.all().delete()
    choose(site, "release", "bench-01")
    site.find("#id_reason").send_keys("the worker was unplugged")
    site.find('.submit-row input[type="submit"]').click()
    site.wait(lambda: "Board bench-01 is released." in site.text(".messagelist"), "the release")
    site.open(f"{BOARDS}bench-01/history/")
    assert f"taken from job {number} (running, which worker-1 had begun)" in site.text("#change-history")
    shot(site, "history")
    assert "quarantined" in queries.board("bench-01").state


def test_connections_are_tested_and_the_page_follows(site: Site, keeper: User) -> None:
    site.open(f"{BOARDS}bench-01/change/")
    shot(site, "board")
    site.driver.find_element(By.LINK_TEXT, "Test connections…").click()
    site.find('.submit-row input[type="submit"]').click()
    site.wait(lambda: "waits for a worker" in site.text("#errands"), "the errand")
    errand = Board.objects.get(pk="bench-01").errand
    assert errand is not None
    # Nobody answers at the address of this board: what was said stands there without a reload.
    site.run("document.body.dataset.before = 'yes'")
    board_commands.change_board("bench-01", config={"connect_timeout": 0.5}, actor="lab")
    tasks.run_errand("bench-01", errand)
    site.wait(lambda: "failed" in site.text("#errands h2"), "its end")
    assert site.run("return document.body.dataset.before") == "yes"
    assert "not tried" in site.text("#errands")
    shot(site, "errands")


def test_a_board_is_cloned_edited_and_nobody_is_overwritten(site: Site, keeper: User) -> None:
    site.open(f"{BOARDS}bench-01/change/")
    site.driver.find_element(By.LINK_TEXT, "Clone…").click()
    site.find("#id_name").send_keys("bench-03")
    site.find("#id_config").send_keys("work_dri: /tmp/x")
    site.find('input[name="_save"]').click()
    site.wait(
        lambda: "did you mean work_dir" in site.text(".field-config .errorlist"), "the error at its field"
    )
    shot(site, "clone-refused")
    site.find("#id_config").clear()
    site.find("#id_config").send_keys("ssh: {port: 2222}")
    site.find('input[name="_save"]').click()
    site.wait(lambda: "bench-03" in site.text(".messagelist"), "the new board")
    assert queries.effective_config("bench-03").ssh.port == 2222
    site.open(f"{BOARDS}bench-03/change/")
    site.find(".collapse summary").click()
    assert "2222" in site.text(".field-effective_config")
    shot(site, "effective")
    # Bob edits it meanwhile.
    board_commands.change_board("bench-03", site="roof", tags=["wet"], reason="moved", actor="lab")
    site.find("#id_description").send_keys("mine")
    site.find('input[name="_save"]').click()
    site.wait(lambda: "What changed meanwhile" in site.text("#content"), "the refusal")
    assert "default → roof" in site.text(".lb-meanwhile")
    shot(site, "meanwhile")
    assert Board.objects.get(pk="bench-03").description == ""
    site.find("#id_site").clear()
    site.find("#id_site").send_keys("roof")
    site.find('input[name="overwrite"]').click()
    site.find('input[name="_save"]').click()
    site.wait(lambda: "changed successfully" in site.text(".messagelist"), "the change")
    row = Board.objects.get(pk="bench-03")
    assert (row.description, row.site) == ("mine", "roof")


def test_an_inventory_is_looked_at_before_it_is_imported(site: Site, keeper: User) -> None:
    site.open(f"{BOARDS}import/")
    text = "inventory: 1\nboards:\n  bench-01: {tags: [new], descrition: x}\n"
    site.find("#id_text").send_keys(text)
    site.find('input[value="Show the differences"]').click()
    site.wait(lambda: "did you mean description" in site.text(".errorlist"), "what is wrong, with its line")
    site.find("#id_text").clear()
    site.find("#id_text").send_keys(text.replace("descrition", "description"))
    site.find('input[value="Show the differences"]').click()
    site.wait(lambda: "This would happen: 1 changed" in site.text("#content"), "the differences")
    shot(site, "import")
    assert queries.board("bench-01").tags == ()
    site.find('input[name="apply"]').click()
    site.wait(lambda: "Imported: 1 changed." in site.text(".messagelist"), "the import")
    assert queries.board("bench-01").tags == ("new",)


def test_the_pages_fit_and_share_the_theme_of_the_others(site: Site, keeper: User) -> None:
    site.open("/")
    site.find("#theme").click()
    theme = site.run("return document.documentElement.dataset.bsTheme")
    site.open("/admin/")
    assert site.run("return document.documentElement.dataset.theme") == theme
    site.find("#theme").click()
    assert site.run("return document.documentElement.dataset.theme") != theme
    paths = {
        "index": "/admin/",
        "types": "/admin/devices/devicetype/",
        "type": "/admin/devices/devicetype/bench/change/",
        "users": "/admin/auth/user/",
        "user": f"/admin/auth/user/{keeper.pk}/change/",
        "tokens": "/admin/tokens/apitoken/",
        "events": "/admin/eventstore/eventrow/",
        "boards": BOARDS,
        "board": f"{BOARDS}bench-01/change/",
        "history": f"{BOARDS}bench-01/history/",
        "errands": f"{BOARDS}bench-01/errands/",
        "import": f"{BOARDS}import/",
    }
    for name, path in paths.items():
        site.open(path)
        shot(site, f"fit-{name}")
        for width in (390, 1440):
            site.resize(width, 900)
            wide = site.run("return document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} px wide in a window of {width} px"
