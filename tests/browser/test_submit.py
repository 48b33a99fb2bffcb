"""The page for submitting: a form and the text of a definition, each showing what the other says."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from devices import board_commands
from jobs import queries
from tests.browser.conftest import Site
from tests.browser.test_pages import type_definition
from tests.support import jobs

pytestmark = pytest.mark.e2e

TEXT = """\
# Runs every night. Ask Asha.
job_name: nightly
timeout: 600   # ten minutes
vm_group:
  host:
    device_type: bench
    role: host
  vms:
    # One that serves.
    - {device_type: kvm, role: server, image: "http://images.test/guest.img"}
    - device_type: kvm
      role: client
      count: 2
      image: http://images.test/guest.img
actions:
  - command: dummy_deploy
    parameters: {role: host}
  # Everybody.
  - command: lava_test_shell
    parameters:
      testdef: |
        metadata: {name: smoke}
        run: {steps: [true]}
"""


def field(site: Site, path: str) -> str:
    return f'#group :is(input, select, textarea)[data-field="{path}"]'


def fill(site: Site, path: str, text: str) -> None:
    control = site.find(field(site, path))
    control.send_keys(Keys.CONTROL + "a")
    control.send_keys(text)


def choose(site: Site, path: str, option: str) -> None:
    Select(site.find(field(site, path))).select_by_value(option)


def shown(site: Site, path: str) -> str:
    return str(site.find(field(site, path)).get_attribute("value"))


def text(site: Site) -> str:
    return str(site.find("#definition").get_attribute("value"))


def valid(site: Site) -> bool:
    return site.text("#summary").startswith("Valid")


def press(site: Site, label: str) -> None:
    site.run("document.querySelector(given[0]).click()", f'#group [aria-label="{label}"]')


@pytest.fixture
def page(site: Site, asha: User) -> Site:
    site.log_in(asha)
    site.open("/submit/")
    return site


def test_the_form_changes_its_places_in_the_text_and_nothing_else(page: Site) -> None:
    type_definition(page, TEXT)
    page.wait(lambda: valid(page), "the word that it is valid")
    assert shown(page, "job_name") == "nightly"
    assert shown(page, "vm_group.vms[1].count") == "2"
    assert page.text("#node-count") == "3 VMs in 2 roles, with the host 4 nodes"
    fill(page, "timeout", "900")
    fill(page, "vm_group.vms[1].count", "3")
    choose(page, "priority", "high")
    choose(page, "actions[1].parameters.role", "client")
    expected = (
        TEXT.replace("timeout: 600 ", "timeout: 900 ")
        .replace("count: 2", "count: 3")
        .replace("vm_group:", "priority: high\nvm_group:")
        + "      role: client\n"
    )
    assert text(page) == expected
    assert page.text("#node-count") == "4 VMs in 2 roles, with the host 5 nodes"
    # A role that gets another name takes its actions along; a moved action its comment.
    fill(page, "vm_group.vms[1].role", "guest" + Keys.TAB)
    page.wait(lambda: "      role: guest\n" in text(page)[-20:], "the action's role")
    press(page, "Move up action 2")
    assert text(page).index("# Everybody.") < text(page).index("dummy_deploy")
    press(page, "Remove action 1")
    assert "# Everybody." not in text(page)
    for _ in range(2):
        page.run("document.getElementById('undo').click()")
    assert text(page).index("dummy_deploy") < text(page).index("# Everybody.")
    page.wait(lambda: valid(page), "the word that it is valid")
    page.find('[value="submit"]').click()
    page.wait(lambda: page.path == "/jobs/1/", "the page of the job")
    assert queries.definition_text(1).startswith("# Runs every night. Ask Asha.\n")


def test_a_group_is_built_from_nothing_by_the_form_alone(page: Site) -> None:
    assert text(page) == ""
    fill(page, "job_name", "by hand")
    assert text(page).startswith("job_name: by hand\ntimeout: 3600\n")
    page.run(
        "[...document.querySelectorAll('#group .btn')].find((b) => b.innerText.includes('VM role')).click()"
    )
    fill(page, "vm_group.vms[1].role", "client")
    fill(page, "vm_group.vms[1].count", "2")
    page.run("[...document.querySelectorAll('.vm')][1].querySelectorAll('.seg button')[1].click()")
    page.run("for (const one of document.querySelectorAll('.vm details')) one.open = true")
    fill(page, "vm_group.vms[1].memory", "512")
    kernel = '.vm [data-field="actions[1].parameters.kernel"]'
    page.find(kernel).send_keys("images.test/zImage")
    page.find(kernel.replace("kernel", "ramdisk")).send_keys("images.test/rootfs.cpio.gz")
    page.wait(lambda: valid(page), "the word that it is valid")
    assert page.text("#summary") == "Valid: host, guest, client-1 and client-2"
    page.find("#t-plan").click()
    assert "client-2" in page.text("#plan")
    assert "zImage, rootfs.cpio.gz" in page.text("#plan")
    page.find('[value="submit"]').click()
    page.wait(lambda: page.path == "/jobs/1/", "the page of the job")
    sent = queries.definition_text(1)
    assert all(
        one in sent
        for one in ("role: client", "count: 2", "memory: 512", "kernel: http://images.test/zImage")
    )


def test_problems_stand_at_their_fields_and_lines_and_are_mended_with_one_click(page: Site) -> None:
    type_definition(page, TEXT.replace("timeout: 600", "timeout: soon").replace("role: host}", "role: hst}"))
    page.wait(lambda: len(page.all("#problems li")) == 2, "the problems")
    assert page.find(field(page, "timeout")).get_attribute("aria-invalid") == "true"
    assert "must be a whole number" in page.text('.f:has(> [data-field="timeout"]) .msg')
    row = '.act[data-field="actions[0]"] .msg'
    assert "Did you mean host" in page.text(row)
    page.find(f"{row} button").click()
    assert "parameters: {role: host}" in text(page)
    page.wait(lambda: len(page.all("#problems li")) == 1, "one problem less")
    fill(page, "timeout", "60")
    page.wait(lambda: valid(page), "the word that it is valid")
    assert page.all("#group [aria-invalid], #group .msg") == []
    type_definition(page, TEXT.replace("timeout:", "timeuot:"))
    page.wait(lambda: page.all("#problems button"), "the way to mend it")
    page.find("#problems button").click()
    page.wait(lambda: valid(page), "the word that it is valid")
    assert text(page) == TEXT


def test_a_text_that_cannot_be_read_freezes_the_form(page: Site) -> None:
    type_definition(page, TEXT)
    assert not page.find("#frozen").is_displayed()
    type_definition(page, TEXT + "  broken: [")
    assert "The form waits until the text can be read" in page.text("#frozen")
    assert page.run("return document.getElementById('group').inert")
    assert page.text("#sync") == "Form and text differ"
    type_definition(page, TEXT.replace("vms:", "vms: many\n  x:"))
    assert "vm_group.vms is not a list" in page.text("#frozen")
    type_definition(page, TEXT)
    assert not page.run("return document.getElementById('group').inert")


def test_a_draft_survives_a_reload_until_it_is_discarded_or_sent(page: Site) -> None:
    type_definition(page, TEXT)
    fill(page, "job_name", "kept")
    page.open("/submit/")
    assert "job_name: kept" in text(page)
    assert shown(page, "job_name") == "kept"
    page.find("#draft-note button").click()
    assert text(page) == ""
    page.open("/submit/")
    assert text(page) == ""
    type_definition(page, TEXT)
    page.wait(lambda: valid(page), "the word that it is valid")
    page.find('[value="submit"]').click()
    page.wait(lambda: page.path == "/jobs/1/", "the page of the job")
    page.open("/submit/")
    assert text(page) == ""


def test_one_starts_from_a_template_or_an_earlier_job(page: Site, asha: User) -> None:
    original = json.dumps(json.loads(jobs.definition("thermal soak")), indent=3) + "\n"
    jobs.submit(asha, original)
    other = jobs.make_user("ben")
    jobs.submit(other, jobs.definition("thermal secret", visibility="private"))
    Select(page.find("#start select")).select_by_visible_text("Server and clients")
    page.wait(lambda: valid(page), "the word that it is valid")
    assert page.text("#summary") == "Valid: host, server, client-1 and client-2"
    search = page.find("#start input")
    search.send_keys("therm")
    page.wait(lambda: page.all("#start-jobs button"), "the jobs")
    assert page.texts("#start-jobs button") == ["#1thermal soakasha"]
    search.send_keys(Keys.ENTER)
    page.wait(lambda: text(page) == original, "the job's definition")
    page.find("#start input").send_keys("#2")
    page.wait(lambda: "No job" in page.text("#start-jobs"), "the word that there is none")
    page.run("document.getElementById('undo').click()")
    assert "server and clients" in text(page)


def test_a_resubmission_that_nobody_edits_is_the_same_to_the_byte(site: Site, asha: User) -> None:
    original = TEXT.replace("\n", "\r\n") + "\r\n# Größe\r\n"
    jobs.submit(asha, original)
    site.log_in(asha)
    site.open("/jobs/1/resubmit")
    site.wait(lambda: valid(site), "the word that it is valid")
    assert shown(site, "vm_group.vms[0].role") == "server"
    site.find("#t-plan").click()
    site.find('[value="submit"]').click()
    site.wait(lambda: site.path == "/jobs/2/", "the page of the new job")
    assert queries.definition_text(2) == original
    site.open("/jobs/2/resubmit")
    fill(site, "timeout", "900")
    site.find('[value="submit"]').click()
    site.wait(lambda: site.path == "/jobs/3/", "the page of the new job")
    assert queries.definition_text(3) == original.replace("600", "900")


def test_the_page_says_what_the_lab_has_for_the_job(page: Site, asha: User) -> None:
    jobs.submit(asha)
    board_commands.take_board_offline("bench-02", "a new fan", actor="lab")
    page.open("/submit/")
    type_definition(page, TEXT)
    assert "1 of 2 boards is free, 1 offline. 1 job waits for this type." in page.text("#outlook")
    assert "1 of 2 free" in page.text('#group [data-field="vm_group.host.device_type"]')
    choose(page, "vm_group.host.board", "bench-02")
    assert "    board: bench-02\n" in text(page)
    assert "0 of 1 board that fit are free" in page.text("#outlook")


@pytest.mark.parametrize("width", [390, 1440])
def test_everything_has_a_name_and_nothing_runs_out_of_the_page(page: Site, width: int) -> None:
    page.resize(width, 1000)
    page.open("/submit/")
    type_definition(page, TEXT.replace("role: host}", "role: hst}"))
    page.wait(lambda: page.all("#problems li"), "the problem")
    page.run("for (const one of document.querySelectorAll('[aria-expanded=\"false\"].btn-x')) one.click()")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    nameless = page.run(
        "return [...document.querySelectorAll('#submit :is(input:not([type=hidden]), select, textarea)')]"
        ".filter((one) => !one.labels?.length && !one.getAttribute('aria-label')).map((one) => one.outerHTML)"
    )
    assert nameless == []
    wide = page.run(
        "return [...document.querySelectorAll('body *')].filter((one) => !one.closest('.ed'))"
        ".filter((one) => one.getBoundingClientRect().right > given[0] + 0.5)"
        ".map((one) => one.outerHTML.slice(0, 99))",
        width,
    )
    assert wide == []
    assert page.run("return document.documentElement.scrollWidth") <= width
