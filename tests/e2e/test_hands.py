"""Hands on a real VM, in two browsers: one types, the other sees it; a job is held, looked at, let go."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.e2e.definitions import boot, group, shell
from tests.support.browser import PASSWORD, Site, a_browser
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
SLOW = 60.0
ACCOUNTS = f"""
from django.contrib.auth.models import User
User.objects.create_user("asha", password={PASSWORD!r})
User.objects.create_superuser("boris", password={PASSWORD!r})
"""


def person(driver: webdriver.Chrome, lab: RunningLab, name: str) -> Site:
    site = Site(driver, urlsplit(lab.url).port or 80)
    site.resize(1440, 1000)
    site.open("/login/")
    site.find("[name=username]").send_keys(name)
    site.find("[name=password]").send_keys(PASSWORD, Keys.ENTER)
    site.wait(lambda: "/login" not in site.path, "the log-in")
    return site


def rows(site: Site, node: int) -> str:
    return "\n".join(site.texts(f"#con-{node} .con-rows > div > span"))


def type_line(site: Site, text: str) -> None:
    ActionChains(site.driver).send_keys(text, Keys.ENTER).perform()


def test_a_job_is_held_and_typed_on_while_others_look(
    lab: RunningLab, chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    lab.manage("shell", "-c", ACCOUNTS)
    steps = shell("lava-test-case fine --result pass", role="guest")
    number = lab.submit(group(boot("guest"), steps))
    lab.wait(number, until=lambda job: job["board"])
    held = lab.client.post(f"jobs/{number}/hold/", json={"seconds": 600, "reason": "look at the guest"})
    assert held.status_code == 202, held.text
    with a_browser(tmp_path / "second") as second:
        boris, asha = person(chromium, lab, "boris"), person(second, lab, "asha")
        for site in (boris, asha):
            site.open(f"/jobs/{number}/")
            site.wait(lambda site=site: "Held until" in site.text("#hold"), "the hold", 240)  # type: ignore[misc]
        job = lab.job(number)
        assert [one["case"] for one in job["results"] if one["suite"] == "steps"][:1] == ["fine"]
        assert job["consoles"] == [0, 1]
        assert "by engineer: look at the guest" in asha.text("#hold")
        assert not asha.all("#con-1 [data-act=keyboard]"), "she has no right to type"
        assert not asha.all("#hold [data-act=release]")

        for node, prompt_of in ((1, "the guest"), (0, "the host")):
            boris.find(f"#con-{node} [data-act=keyboard]").click()
            boris.wait(lambda node=node: boris.all(f"#con-{node} .con-t[data-ready]"), prompt_of, SLOW)  # type: ignore[misc]
            assert "nothing reads this console but you" in boris.text(f"#con-{node} .con-words")
            type_line(boris, f"echo by-hand-$((40 + {node}))")
            boris.wait(
                lambda node=node: f"by-hand-4{node}" in boris.text(f"#con-{node} .xterm-rows"),  # type: ignore[misc]
                "the answer in the terminal",
                SLOW,
            )
            asha.wait(
                lambda node=node: f"by-hand-4{node}" in rows(asha, node),  # type: ignore[misc]
                "the answer in the other browser",
                SLOW,
            )
            assert asha.text(f"#con-{node} .typist") == "boris types"

        keyboard = lab.client.post(f"jobs/{number}/nodes/1/keyboard/")
        assert keyboard.status_code == 409
        assert "boris has the keyboard of guest" in keyboard.json()["detail"]

        boris.open("/")  # leaving gives back
        asha.wait(lambda: not asha.find("#con-1 .typist").is_displayed(), "the keyboards given back", SLOW)
        assert lab.job(number)["keyboards"] == []
        boris.open(f"/jobs/{number}/")
        boris.wait(lambda: boris.text("#feed").startswith("Live"), "the live feed")
        boris.find("#hold [data-act=release]").click()
        asha.wait(lambda: "Passed" in asha.text("#pills"), "the end of the job", SLOW)
    job = lab.job(number)
    assert (job["outcome"], job["hold"], job["consoles"]) == ("complete", None, [])
    assert all(check["ok"] for check in job["checks"])
    assert job["checks"], "clean-up followed, with its evidence"
    assert lab.traces(number) == []
    events = lab.client.get(f"jobs/{number}/events/").json()["events"]
    said = [one["text"] for one in events]
    typed = [one["data"] for one in events if one["type"] == "job.input_typed"]
    assert {one["user"] for one in typed} == {"boris"}
    on_guest = "".join(one["text"] for one in typed if one["node"] == 1)
    assert on_guest == "echo by-hand-$((40 + 1))\r", "what was typed is kept, with who did"
    assert any(one.startswith("the keyboard of host is back from boris: its holder left") for one in said)
    ended = next(one for one in said if one.startswith("it is held no more"))
    assert said.index(ended) < next(n for n, one in enumerate(said) if one.startswith("the host is clean"))
