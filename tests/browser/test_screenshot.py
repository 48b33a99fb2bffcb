"""The pictures in the README are of the real pages.

To write them anew: ``LABBOOK_SCREENSHOTS=docs pytest tests/browser/test_screenshot.py``. They are WebP, at a
quality at which small letters stay sharp: less than half of what PNG takes.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.browser import story
from tests.browser.conftest import Site
from tests.browser.every_page import populate

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("LABBOOK_SCREENSHOTS" not in os.environ, reason="names no folder"),
]
QUALITY = 82


def pose(site: Site, name: str) -> None:
    """Save a picture of what the window shows."""
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    options = {"format": "webp", "quality": QUALITY}
    taken: Any = site.driver.execute_cdp_cmd("Page.captureScreenshot", options)
    (Path(os.environ["LABBOOK_SCREENSHOTS"]) / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))


def test_the_job_page_poses_for_the_readme(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    site.log_in(asha)
    story.tell_until_stall(story.begin(asha, monkeypatch))
    site.open("/jobs/1/")
    site.run("localStorage.setItem('labbook-theme', 'light')")
    site.driver.refresh()
    site.wait(lambda: "Everything waits on client-2" in site.text("#waits"), "the whole page")
    pose(site, "job-page")


def test_the_dashboard_and_a_board_pose_for_the_readme(
    site: Site, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=asha.pk).update(is_staff=True, is_superuser=True)
    populate(asha, monkeypatch)
    site.log_in(asha)
    site.open("/")
    site.run("localStorage.setItem('labbook-theme', 'light')")
    site.driver.refresh()
    pose(site, "dashboard")
    site.open("/boards/bench-01/")
    pose(site, "board")
