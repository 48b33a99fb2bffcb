"""A job again, with a clock."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from jobs import console_log
from tests.browser import story
from tests.browser.conftest import Site
from tests.browser.story import CLIENT_1, CLIENT_2, HOST, SERVER
from tests.support.web import WebServer

pytestmark = pytest.mark.e2e


def told(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the job run to its end, and look at its replay from the start."""
    run = story.begin(asha, monkeypatch)
    story.tell_until_stall(run)
    story.lose_client_2(run)
    site.log_in(asha)


def rows(site: Site, node: int) -> list[str]:
    return site.texts(f"#con-{node} .con-rows > div > span")


def test_every_moment_shows_what_was_true_then(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(site, asha, monkeypatch)
    site.open("/jobs/1/replay/?t=125")
    site.wait(lambda: site.text("#clock") == "02:05.0", "the moment of the address")
    site.wait(lambda: any("qemu-version" in row for row in rows(site, HOST)), "the host's console")
    assert not any("disk-space" in row for row in rows(site, HOST)), "a line from 131 s is shown at 125 s"
    assert rows(site, CLIENT_2) == []
    nodes = site.texts("#nodes-at li")
    assert "kvm-host-smoke" in nodes[HOST]
    assert "not started" in nodes[CLIENT_2]
    future = set(site.texts("#results .case.fut > span:first-child"))
    assert "disk-space" in future
    assert "qemu-version" not in future

    site.find("#next-failure").click()
    site.wait(lambda: site.text("#clock") == "07:00.0", "five seconds before the failure")
    site.wait(lambda: "iperf-tcp" in "\n".join(rows(site, CLIENT_1)), "the client's console")
    assert "wait-all traffic-done" in site.texts("#nodes-at li")[SERVER]
    site.wait(lambda: "t=420.0" in site.path, "the moment in the address")
    assert site.find("#con-2").get_attribute("class") == "con is-sel at"

    site.find("#next-message").click()
    site.wait(lambda: site.text("#clock") == "07:10.0", "the next message")

    # Back again: what was not there then is gone again.
    site.find("#to-start").click()
    site.wait(lambda: site.text("#clock") == "00:00.0" and rows(site, HOST) == [], "the start")
    assert site.texts("#results .case:not(.fut)") == []


def test_it_plays_skips_silence_and_stops_at_the_end(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(site, asha, monkeypatch)
    site.open("/jobs/1/replay/")
    site.wait(lambda: site.text("#clock") == "00:00.0", "the start")
    site.find('#speed [data-speed="16"]').click()
    site.find("#play").click()
    # 506 s at 16 times the speed would take half a minute: almost all of it is silence.
    site.wait(lambda: site.find("#play").get_attribute("aria-pressed") == "false", "the end", 60)
    site.wait(lambda: site.text("#clock") == "08:26.0", "the end on its clock, which is drawn a frame later")
    assert site.texts("#results .case.fut") == []
    assert "closed" in site.texts("#nodes-at li")[CLIENT_2]


def test_a_line_is_a_moment(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    told(site, asha, monkeypatch)
    site.open("/jobs/1/replay/#client-2-L1")
    site.wait(lambda: rows(site, CLIENT_2), "the line of the address")
    here = site.text("#clock")
    site.find("#t-events").click()
    site.wait(lambda: site.all("#p-events .ev"), "the events")
    site.run("document.querySelectorAll('#p-events .ev')[20].click()")
    site.wait(lambda: site.text("#clock") != here, "the moment of the event")


def test_a_console_is_a_cast_that_asciinema_plays(
    web: WebServer, asha: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = story.begin(asha, monkeypatch)
    story.boot_host(run)
    run.print(HOST, 140, "gr")
    for piece in ("ü".encode()[:1], "ü".encode()[1:], b"n\n"):
        console_log.append(1, [(HOST, piece, run.start + 141)])
    with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/jobs/1/nodes/0/console.cast") as answer:
        text = answer.read().decode()
    head, *events = [json.loads(line) for line in text.splitlines()]
    assert head["version"] == 2
    assert head["timestamp"] == int(run.start + 1)
    assert "".join(event[2] for event in events).endswith("grün\n")
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    cast = tmp_path / "host.cast"
    cast.write_text(text)
    played = subprocess.run(
        # It wants a terminal, which `script` gives it.
        ["script", "-qec", f"asciinema play --speed 1000 --idle-time-limit 0.1 {cast}", "/dev/null"],
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
    )
    assert "grün" in played.stdout.decode()
