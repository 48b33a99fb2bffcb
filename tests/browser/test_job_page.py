"""The live job page, fed through the real store while it is watched."""

from __future__ import annotations

import json
import socket
import time

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from selenium.webdriver.common.keys import Keys

from jobs import console_log, mail, queries
from jobs.delivering import deliver
from jobs.domain.events import ImageUsed, PhaseStarted, TransferProgressed
from tests.browser import story
from tests.browser.conftest import Site
from tests.browser.story import CLIENT_1, CLIENT_2, HOST, SERVER
from tests.support.mailbox import Mailbox
from tests.support.web import WebServer

pytestmark = pytest.mark.e2e


def rows(site: Site, node: int) -> list[str]:
    """The lines a console shows, as text."""
    return site.texts(f"#con-{node} .con-rows > div > span")


def line_numbers(site: Site, node: int) -> list[int]:
    selector = f"#con-{node} .con-rows > div"
    script = "return [...document.querySelectorAll(given[0])].map((row) => Number(row.dataset.n))"
    return [int(one) for one in site.run(script, selector)]


def expected(number: int, node: int) -> list[str]:
    """The lines of a console that ends with a newline and holds nothing a terminal would interpret."""
    _, data = console_log.read(number, node, 0, 1 << 24)
    return [line or " " for line in data.decode().replace("\r", "").split("\n")[:-1]]


def watch(site: Site, user: User, path: str) -> None:
    site.log_in(user)
    site.open(path)
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")


def test_the_page_fills_in_while_the_job_runs(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    watch(site, asha, "/jobs/1/")
    assert "Running" in site.text("#pills")
    story.boot_host(run)
    site.wait(lambda: "disk-space" in site.text("#results"), "the first results")
    site.wait(lambda: rows(site, HOST) == expected(1, HOST), "the host's console")
    assert "kvm-host-smoke" in site.text("#con-0 .con-h")
    story.boot_vms(run)
    story.meet(run)
    site.wait(lambda: site.all("#timeline .mk-sync"), "the barrier in the timeline")
    story.move_data(run)
    story.stall(run)
    site.wait(lambda: "Everything waits on client-2" in site.text("#waits"), "who waits for whom")
    assert "needs traffic-done from client-2" in site.text("#waits").replace("\n", " ")
    assert "Blocked on client-2" in site.text("#pills")
    for node in (SERVER, CLIENT_1, CLIENT_2):
        site.wait(lambda node=node: len(rows(site, node)) == len(expected(1, node)), "a VM's console")  # type: ignore[misc]
    assert rows(site, SERVER)[-1] == "<LAVA_MULTI_NODE> <LAVA_WAIT_ALL traffic-done client>"
    assert site.text(".case.run").startswith("iperf-udp")
    assert "1 failed" in site.text("#tally")
    assert "413 Mbit/s" in site.text("#results")
    assert site.texts("#t-messages span") == ["2"]
    story.lose_client_2(run)
    site.wait(lambda: "Incomplete" in site.text("#pills"), "the end")
    assert site.text("#failure").startswith("Test error on client-2 in lava_test_shell: The test shell")
    assert not site.find("#waits").is_displayed()
    site.find("#t-notes").click()
    assert "overlay disks" in site.text("#p-notes")
    assert "KVM hangs on this board" in site.text("#p-notes")


def test_a_transfer_is_a_bar_with_bytes_rate_and_time_left(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    story.boot_host(run)
    now = time.time()

    def moved(done: int, ended: bool = False) -> TransferProgressed:
        return TransferProgressed(
            node=SERVER, what="copy disk.qcow2", done=done, total=40_000_000, rate=2e6, ended=ended, at=now
        )

    run.recorder.record(
        [
            PhaseStarted(node=SERVER, phase="deploy", what="copy disk.qcow2 (40.0 MB)", at=now),
            moved(10_000_000),
        ]
    )
    watch(site, asha, "/jobs/1/#p-events")
    site.find("#t-events").click()

    def shown() -> str:
        return site.text(f"#con-{SERVER} [data-f=transfer]")

    assert shown() == "10.0 MB of 40.0 MB, 2.0 MB/s, 0:15 left"
    run.recorder.record([moved(30_000_000)])
    site.wait(lambda: shown() == "30.0 MB of 40.0 MB, 2.0 MB/s, 0:05 left", "the progress")
    assert site.find(f"#con-{SERVER} .xfer").get_attribute("aria-valuenow") == "75"
    assert site.find(f"#con-{SERVER} .xfer i").get_attribute("style") == "width: 75%;"
    used = ImageUsed(node=SERVER, key="image", url="lab:disk", sha256="ab" * 32, size=40_000_000, at=now)
    run.recorder.record([moved(40_000_000, ended=True), used])
    site.wait(lambda: not site.find(f"#con-{SERVER} .xfer").is_displayed(), "the end of the bar")
    told = [text for text in site.texts("#p-events .ev span") if "copy disk.qcow2, " in text]
    assert told == ["server: copy disk.qcow2, 40.0 MB, 2.0 MB/s"]
    site.find("#t-notes").click()
    assert "image: lab:disk 40.0 MB, abababababab…" in site.text("#p-notes")


def test_a_restart_of_the_server_misses_and_repeats_nothing(
    site: Site, asha: User, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    story.boot_host(run)
    watch(site, asha, "/jobs/1/")
    site.wait(lambda: rows(site, HOST) == expected(1, HOST), "the host's console")
    web.stop()
    site.wait(lambda: site.text("#feed").startswith("Reconnecting"), "the word that the feed is lost")
    story.boot_vms(run)
    run.print(HOST, 250, "a line without")
    with web:
        run.print(HOST, 251, " its end until now\n")
        story.meet(run)
        site.wait(lambda: site.text("#feed").startswith("Live"), "the feed again", 30)
        site.wait(lambda: rows(site, HOST) == expected(1, HOST), "all lines of the host, once")
        site.wait(lambda: rows(site, CLIENT_2)[-1:] == ["<LAVA_SYNC_COMPLETE>"], "the VMs' consoles")
        assert line_numbers(site, CLIENT_2) == list(range(1, len(expected(1, CLIENT_2)) + 1))
        fresh = queries.job_snapshot(asha, 1)
        site.wait(lambda: site.texts("#t-results span") == [str(len(fresh["results"]))], "all results")
        assert len(site.all("#results .case")) == len(fresh["results"])
    complaints = site.complaints()
    assert all("ERR_CONNECTION" in one or "WebSocket" in one for one in complaints)


def test_many_lines_stay_a_window_and_reading_is_not_disturbed(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    watch(site, asha, "/jobs/1/")
    for block in range(30):
        run.print(HOST, block, "".join(f"line {block * 200 + n}\n" for n in range(1, 201)))
    site.wait(lambda: rows(site, HOST)[-1:] == ["line 6000"], "the last line")
    assert line_numbers(site, HOST) == list(range(5601, 6001))
    assert "5,600 earlier lines" in site.text("#con-0 .con-earlier")
    site.run("document.querySelector('#con-0 .con-b').scrollTop = 2000")
    site.wait(
        lambda: site.find("#con-0 [data-act=follow]").get_attribute("aria-pressed") == "false", "no follow"
    )
    top = site.run("return document.querySelector('#con-0 .con-b').scrollTop")
    run.print(HOST, 40, "one more\nand another\n")
    site.wait(lambda: "2 new lines" in site.text("#con-0 .con-new"), "the count of new lines")
    assert site.run("return document.querySelector('#con-0 .con-b').scrollTop") == top
    assert rows(site, HOST)[-1] == "line 6000"
    site.find("#con-0 .con-new").click()
    site.wait(lambda: rows(site, HOST)[-1:] == ["and another"], "the end again")
    assert len(rows(site, HOST)) == 400
    bottom = site.run(
        "const b = document.querySelector('#con-0 .con-b');"
        "return b.scrollHeight - b.scrollTop - b.clientHeight"
    )
    assert abs(bottom) < 2
    for _ in range(5):
        first = line_numbers(site, HOST)[0]
        site.run("document.querySelector('#con-0 .con-earlier').click()")
        site.wait(lambda first=first: line_numbers(site, HOST)[0] < first, "earlier lines")  # type: ignore[misc]
    numbers = line_numbers(site, HOST)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) == 2000
    site.run("document.querySelector('#con-0 .con-later').click()")
    site.wait(lambda: line_numbers(site, HOST)[-1] > numbers[-1], "later lines")
    site.run("location.hash = '#host-L7'")
    site.wait(lambda: site.text("#con-0 .at-line").endswith("line 7"), "a line that the page had dropped")


def test_a_result_leads_to_its_line_and_a_line_has_an_address(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    story.boot_host(run)
    run.print_lines(HOST, [(140 + n / 10, f"noise {n}") for n in range(400)])
    watch(site, asha, "/jobs/1/")
    at = next(i for i, line in enumerate(expected(1, HOST), 1) if "qemu-version" in line)
    site.run(
        "[...document.querySelectorAll('.case')].find((c) => c.textContent.includes('qemu-version')).click()"
    )
    site.wait(lambda: f"#host-L{at}" in site.path, "the line's address")
    assert "qemu-version" in site.text("#con-0 .at-line")
    site.open(f"/jobs/1/#host-L{at + 5}")
    site.driver.refresh()
    site.wait(
        lambda: site.text("#con-0 .at-line").endswith(expected(1, HOST)[at + 4]), "the line of the link"
    )


def test_deliveries_and_metadata_are_shown_with_how_far_they_are(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}/results"
    text = json.loads(story.DEFINITION) | {"notify": ["asha@example.org"]}
    text["actions"][1]["metadata"] = {"commit": "abc123", "build": {"number": 7}}
    text["actions"].append(
        {"command": "submit_results", "parameters": {"server": server, "stream": "/nightly/"}}
    )
    monkeypatch.setattr(story, "DEFINITION", json.dumps(text))
    with Mailbox() as mailbox:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
            mail.SMTP,
            "127.0.0.1",
            mailbox.port,
        )
        settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": True}
        run = story.begin(asha, monkeypatch)
        watch(site, asha, "/jobs/1/")
        site.find("#t-notes").click()
        site.wait(lambda: "commit=abc123" in site.text("#p-notes"), "the metadata")
        assert 'build={"number":7}' in site.text("#p-notes")
        story.boot_host(run)
        run.recorder.finish(outcome="complete", failure=None)
        site.wait(lambda: len(site.all("[data-delivery=planned]")) == 2, "what is planned")
        for number in (1, 2):
            deliver(1, number)
        site.wait(lambda: site.all("[data-delivery=delivered]"), "the mail")
        assert "Mail to asha@example.org has arrived" in site.text("[data-delivery=delivered]")
        site.wait(lambda: site.all("[data-delivery=waiting]"), "the results on their way")
        waiting = site.text("[data-delivery=waiting]")
        assert f"Results to {server} is tried again" in waiting
        assert "/nightly/" in waiting
        site.open("/jobs/1/")
        site.find("#t-notes").click()
        assert [one.get_attribute("data-delivery") for one in site.all("[data-delivery]")] == [
            "delivered",
            "waiting",
        ]


def test_what_a_target_prints_never_becomes_markup(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = story.begin(asha, monkeypatch)
    watch(site, asha, "/jobs/1/")
    hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    run.print(HOST, 1, f"{hostile}\n\x1b[31mred {hostile}\x1b[0m\n\x1b]0;title\x07shown\n")
    run.result(HOST, "<b>suite</b>", hostile, "fail", 2, message=hostile, units=hostile, measurement="1")
    site.wait(lambda: rows(site, HOST) == [hostile, f"red {hostile}", "shown"], "the lines as text")
    site.wait(lambda: hostile in site.text("#results"), "the result as text")
    assert site.text("#con-0 .ar") == f"red {hostile}"
    assert not site.all("main img, main script:not([type='application/json'])")
    assert site.driver.title.startswith("Running")


def test_a_job_is_cancelled_with_a_reason(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    story.begin(asha, monkeypatch)
    watch(site, asha, "/jobs/1/")
    site.find("#cancel").click()
    site.find("#dc-r").send_keys("client-2 hangs" + Keys.ENTER)
    site.wait(lambda: "Cancelling" in site.text("#pills"), "the state")
    assert "Asked for by asha: client-2 hangs." in site.text("#failure")
    assert not site.find("#cancel").is_displayed()


def test_on_a_phone_one_console_is_shown_at_a_time(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell_until_stall(story.begin(asha, monkeypatch))
    site.resize(390, 844)
    watch_phone = "/jobs/1/"
    site.log_in(asha)
    site.open(watch_phone)
    site.wait(lambda: rows(site, CLIENT_2), "the consoles")
    assert [one.is_displayed() for one in site.all(".con")] == [True, False, False, False]
    site.find("#tab-3").click()
    assert [one.is_displayed() for one in site.all(".con")] == [False, False, False, True]
    assert site.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_keyboard_reaches_consoles_and_lists(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell_until_stall(story.begin(asha, monkeypatch))
    watch(site, asha, "/jobs/1/")
    body = site.find("body")
    body.send_keys("2")
    assert site.run("return document.activeElement.closest('.con').id") == "con-1"
    site.driver.switch_to.active_element.send_keys("m")
    assert site.all("#con-1.is-max")
    site.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not site.all(".is-max")
    site.find("#t-results").send_keys(Keys.ARROW_RIGHT)
    assert site.find("#p-events").is_displayed()
