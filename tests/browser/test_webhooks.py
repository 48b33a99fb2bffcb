"""Webhooks in a browser: made on the profile, tried against a real server, failing, sent again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from jobs.hooks import courier
from tests.browser.conftest import Site
from tests.support import jobs
from tests.support.databases import Database
from tests.support.receiver import Receiver
from tests.support.web import WebServer

pytestmark = pytest.mark.e2e
SHOTS = os.environ.get("LABBOOK_SHOTS", "")


@pytest.fixture
def web(sqlite_database: Database, tmp_path: Path) -> Iterator[WebServer]:
    """A lab that may send to servers of its own machine: the receiver is one."""
    jobs.make_inventory("bench-01")
    log = tmp_path / "web.log"
    with WebServer(sqlite_database.url, log, LABBOOK_ALLOW_LOCAL_HTTP="yes") as server:
        yield server


@pytest.fixture
def receiver(web: WebServer, settings: Settings) -> Iterator[Receiver]:
    """A server that takes messages, and a courier that brings them."""
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": True, "WEBHOOK_DELAYS": [3600.0]}
    with Receiver() as one:
        end = courier.start()
        try:
            yield one
        finally:
            end()


def shoot(site: Site, name: str) -> None:
    """Keep pictures of a page in both themes and widths, where LABBOOK_SHOTS names a folder."""
    if not SHOTS:
        return
    for width in (1440, 390):
        site.resize(width, 1000)
        for theme in ("light", "dark"):
            site.run(f"document.documentElement.dataset.bsTheme = '{theme}'")
            site.driver.save_screenshot(f"{SHOTS}/webhooks-{name}-{width}-{theme}.png")
    site.run("document.documentElement.dataset.bsTheme = 'light'")
    site.resize(1440, 1000)


def narrow(site: Site) -> int:
    site.resize(390, 900)
    wide = int(site.run("return document.documentElement.scrollWidth - innerWidth"))
    site.resize(1440, 1000)
    return wide


def test_a_webhook_is_made_tried_and_seen_at_work(site: Site, asha: User, receiver: Receiver) -> None:
    site.log_in(asha)
    site.open("/profile/")
    site.find('a[href="/profile/webhooks/"]').click()
    site.wait(lambda: "You have no webhook" in site.text("main"), "the empty page")
    shoot(site, "empty")
    site.find("#id_name").send_keys("build server")
    site.find("#id_url").send_keys(receiver.url)
    site.find("form .btn-primary").click()
    site.wait(lambda: site.text(".token").startswith("whsec_"), "the secret")
    receiver.secret = site.text(".token")
    shoot(site, "made")
    assert narrow(site) <= 0
    site.find("#hooks a").click()
    site.wait(lambda: "Nothing was sent yet" in site.text("#log"), "the page of the webhook")
    site.find('[formaction$="/test"]').click()
    site.wait(lambda: "delivered" in site.text("#log"), "that the test was taken")
    assert receiver.types == ["webhook.test"]

    receiver.answers = [500]
    jobs.submit(asha, jobs.definition("nightly"))
    receiver.wait(lambda: len(receiver.came) == 2)
    site.open(site.path)
    site.wait(lambda: "said with 500" in site.text("#log"), "what the server answered")
    assert "Nothing got through since" in site.text("main")
    shoot(site, "failing")
    assert narrow(site) <= 0
    site.find('#log [aria-label^="Send msg_"]').click()
    site.wait(lambda: site.text("#log").count("delivered") == 2, "the message, taken at once")
    assert receiver.came[1][0]["webhook-id"] == receiver.came[2][0]["webhook-id"]
    site.find("#log tbody a").click()
    site.wait(lambda: '"job.submitted"' in site.text(".hook-body"), "what was sent")
    assert '"nightly"' in site.text(".hook-body")
    assert len(site.all("tbody tr")) == 2, "both attempts"
    shoot(site, "message")
    assert narrow(site) <= 0

    site.driver.back()
    site.find('[formaction$="/secret"]').click()
    site.wait(lambda: site.text(".token").startswith("whsec_"), "the new secret")
    assert site.text(".token") != receiver.secret
    assert site.path.endswith("/profile/webhooks/1/"), "reloading asks for no third one"
    site.find('[value="off"]').click()
    site.wait(lambda: "switched off by asha" in site.text("main"), "that it is off")
    site.find('[data-dialog="dlg-remove"]').click()
    site.find("dialog .btn-danger").click()
    site.wait(lambda: "You have no webhook" in site.text("main"), "that it is gone")
    assert "whsec_" not in site.text("main")
