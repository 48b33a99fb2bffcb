"""The page that describes the API."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.browser.conftest import Site

pytestmark = pytest.mark.e2e


def test_what_a_link_leads_to_is_open_and_the_page_fits_narrow_screens(site: Site, asha: User) -> None:
    site.log_in(asha)
    for width, theme in ((1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")):
        site.resize(width, 900)
        site.open("/api/v1/docs/")
        site.run(f"localStorage.setItem('labbook-theme', '{theme}')")
        site.open("/api/v1/docs/#show_board")
        site.driver.refresh()
        site.wait(lambda: site.run("return document.getElementById('show_board').open"), "the operation")
        wide = site.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{width} px: the page is {wide} px too wide"
    site.run("document.querySelector('#show_board a[href=\"#shape-WholeBoard\"]').click()")
    site.wait(lambda: site.run("return document.getElementById('shape-WholeBoard').open"), "the shape")
