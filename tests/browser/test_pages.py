"""Pages around jobs, as a person uses them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from selenium.webdriver.common.keys import Keys

from devices import board_commands
from jobs import queries
from jobs.models import Job
from tests.browser.conftest import Site
from tests.browser.story import DEFINITION
from tests.support import jobs

pytestmark = pytest.mark.e2e


def type_definition(site: Site, text: str) -> None:
    """Put text into the editor as a paste does."""
    site.run(
        "const area = document.getElementById('definition'); area.value = given[0];"
        "area.dispatchEvent(new Event('input', {bubbles: true}));",
        text,
    )


def test_who_is_not_logged_in_is_asked_to_and_comes_back(site: Site, asha: User) -> None:
    site.open("/submit/")
    assert site.path == "/login/?next=/submit/"
    site.find("#id_username").send_keys("asha")
    site.find("#id_password").send_keys("wrong" + Keys.ENTER)
    site.wait(lambda: "correct username and password" in site.text("[role=alert]"), "a refusal")
    site.find("#id_password").send_keys("a-long-enough-one" + Keys.ENTER)
    site.wait(lambda: site.path == "/submit/", "the page that was asked for")
    site.find('[aria-label="Log out asha"]').click()
    site.wait(lambda: "Log in" in site.text("header"), "being logged out")


def test_problems_of_a_definition_are_shown_at_their_lines_and_text_is_kept(site: Site, asha: User) -> None:
    site.log_in(asha)
    site.open("/submit/")
    broken = DEFINITION.replace('"role": "server"', '"role": "host"').replace("18000", '"soon"')
    type_definition(site, broken)
    site.find('[value="validate"]').click()
    site.wait(lambda: site.all("#problems li"), "the list of problems")
    lines = broken.split("\n")
    timeout = next(n for n, line in enumerate(lines, 1) if "timeout" in line)
    assert site.find("#definition").get_attribute("value") == broken
    tinted = site.run("return [...document.querySelectorAll('.ed pre .er')].map(x => +x.dataset.n)")
    assert timeout in tinted
    assert all(word in site.text("#problems") for word in (f"line {timeout}", "timeout", "role"))
    links = site.all("#problems [data-line]")
    links[-1].click()
    line = int(links[-1].get_attribute("data-line") or 0)
    assert site.text("#cursor").startswith(f"line {line},")
    assert queries.job_list(asha) == []
    site.run("document.body.dataset.before = 'submit'")
    site.find('[value="submit"]').click()
    site.wait(lambda: site.run("return document.body.dataset.before") is None, "the answer")
    assert site.find("#definition").get_attribute("value") == broken
    assert f"line {timeout}" in site.text("#problems")
    assert queries.job_list(asha) == []
    assert all("422" in one for one in site.complaints())


def test_a_valid_definition_is_said_to_be_and_becomes_a_job(site: Site, asha: User) -> None:
    site.log_in(asha)
    site.open("/submit/")
    type_definition(site, DEFINITION + "\n")
    site.wait(lambda: site.text("#summary").startswith("Valid"), "the word that it is valid")
    assert site.text("#summary") == "Valid: host, server, client-1 and client-2"
    assert queries.job_list(asha) == []
    site.find('[value="submit"]').click()
    site.wait(lambda: site.path == "/jobs/1/", "the page of the new job")
    assert queries.definition_text(1) == DEFINITION + "\n"
    assert "vm-groups basic test case" in site.text("h1")


def test_a_resubmission_offers_the_text_to_the_letter_and_links_both_ways(site: Site, asha: User) -> None:
    text = json.dumps(json.loads(DEFINITION), indent=1).replace("\n", "\r\n") + "\r\n\r\n"
    jobs.submit(asha, text)
    site.log_in(asha)
    site.open("/jobs/")
    site.find('[aria-label="Resubmit 1"]').click()
    site.wait(lambda: site.path == "/jobs/1/resubmit", "the editor")
    site.find('[value="submit"]').click()
    site.wait(lambda: site.path == "/jobs/2/", "the page of the new job")
    assert queries.definition_text(2) == text
    assert site.find('#facts a[href="/jobs/1/"]').text == "#1"
    site.open("/jobs/1/")
    site.wait(lambda: "#2" in site.text("#fact-again"), "the link to the job it became")
    site.open("/jobs/1/definition")
    assert site.texts(".ed pre span")[0] == "{"


def test_the_list_of_jobs_changes_by_itself_and_can_be_filtered(site: Site, asha: User) -> None:
    site.log_in(asha)
    site.open("/jobs/")
    assert "No job was submitted yet" in site.text("#jobs-list")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    jobs.submit(asha, jobs.definition("thermal soak"))
    site.wait(lambda: "thermal soak" in site.text("#jobs-list"), "the new job")
    jobs.submit(asha, jobs.definition("boot storm"))
    site.find("#f-q").send_keys("storm" + Keys.ENTER)
    site.wait(lambda: "q=storm" in site.path and len(site.all("tbody tr")) == 1, "only the jobs so named")
    assert "boot storm" in site.text("tbody")
    site.open("/jobs/?state=incomplete")
    assert "No job matches" in site.text("#jobs-list")
    site.find("#jobs-list a").click()
    site.wait(lambda: len(site.all("tbody tr")) == 2, "all jobs again")


def test_the_dashboard_says_why_a_job_waits(site: Site, asha: User) -> None:
    jobs.add_board("bench-03", tags=["fast"])
    board_commands.take_board_offline("bench-03", "fan is broken", actor="lab")
    jobs.submit(asha, jobs.definition("needs much", tags=["fast"]))
    site.log_in(asha)
    site.open("/")
    assert "needs much" in site.text("#waiting")
    assert "1 offline, 2 not fitting" in site.text("#waiting")
    site.find("#waiting summary").click()
    assert "bench-01" in site.text("#waiting dl")
    assert "lacks the tag fast" in site.text("#waiting dl")
    site.open("/jobs/1/")
    site.wait(lambda: "lacks the tag fast" in site.text("#queue"), "the reasons on the job's page")
    assert "fan is broken" in site.text("#queue")
    assert "Starts" not in site.text("#queue"), "nobody knows when"
    for _ in range(2):
        jobs.started(asha)[1].finish(outcome="complete")
    begun, ended = (timezone.now() - timedelta(minutes=minutes) for minutes in (60, 48))
    Job.objects.filter(state="finished").update(started_at=begun, finished_at=ended)
    running = Job.objects.get(pk=jobs.started(asha)[0])
    number = jobs.submit(asha, jobs.definition("comes next", board=running.board))
    site.open(f"/jobs/{number}/")
    words = "Starts in about 10 min, by how long the jobs before it usually take."
    site.wait(lambda: words in site.text("#queue"), "when it starts")
    site.open("/")
    site.wait(lambda: words in site.text("#waiting"), "the same on the dashboard")


def test_the_theme_is_switched_and_remembered(site: Site, asha: User) -> None:
    site.open("/login/")
    before = site.run("return document.documentElement.dataset.bsTheme")
    site.find("#theme").click()
    after = site.run("return document.documentElement.dataset.bsTheme")
    assert {before, after} == {"light", "dark"}
    site.open("/")
    assert site.run("return document.documentElement.dataset.bsTheme") == after
    background = site.run("return getComputedStyle(document.body).backgroundColor")
    assert background == {"dark": "rgb(15, 19, 24)", "light": "rgb(244, 245, 247)"}[after]


def test_what_is_not_there_gets_a_page_that_says_so(site: Site, asha: User) -> None:
    site.log_in(asha)
    site.open("/jobs/99/")
    assert "There is no job 99, or you may not see it." in site.text("main")
    site.open("/boards/bench-09/")
    assert "There is no board 'bench-09'." in site.text("main")
    site.open("/boards/bench-01/")
    assert "registered" in site.text("#board-history")
    complaints = site.complaints()
    assert all("404" in one for one in complaints)
