"""The picture in the README is of the real page.

To write it anew: ``LABBOOK_SCREENSHOT=docs/job-page.png pytest tests/browser/test_screenshot.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from tests.browser import story
from tests.browser.conftest import Site

pytestmark = pytest.mark.e2e


@pytest.mark.skipif("LABBOOK_SCREENSHOT" not in os.environ, reason="names no file")
def test_the_job_page_poses_for_the_readme(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    site.log_in(asha)
    story.tell_until_stall(story.begin(asha, monkeypatch))
    site.open("/jobs/1/")
    site.run("localStorage.setItem('labbook-theme', 'light')")
    site.driver.refresh()
    site.wait(lambda: "Everything waits on client-2" in site.text("#waits"), "the whole page")
    site.wait(lambda: site.text("#feed").startswith("Live"), "the live feed")
    assert site.driver.save_screenshot(str(Path(os.environ["LABBOOK_SCREENSHOT"]).resolve()))
