"""Every page, in both themes, wide and on a phone: readable for all, fits, complains not, asks nobody else.

``LABBOOK_SHOTS=folder pytest tests/browser/test_every_page.py`` saves a picture of each, as PNG or, with
``LABBOOK_SHOTS_AS=webp``, as WebP.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.browser.conftest import Site
from tests.browser.every_page import ADMIN, NO_PAGES, PAGES, SKIPPED, VIEWS, View, names, populate, shots

AXE = next(Path(__file__).parent.glob("axe-core-*/axe.min.js")).read_text()
SERIOUS = ("serious", "critical")
CHECK = """
const found = await axe.run(document, {resultTypes: ["violations"], runOnly: given[0], preload: false});
return found.violations.filter((one) => given[1].includes(one.impact)).map((one) =>
  `${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 4).map(
    (node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ELSEWHERE = """
return performance.getEntriesByType("resource").map((one) => one.name)
  .filter((one) => !one.startsWith("data:") && new URL(one).host !== location.host);
"""
WIDER = """
const wide = document.documentElement.scrollWidth - innerWidth;
if (wide <= 0) return "";
const out = [...document.querySelectorAll("main *")].filter(
  (one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".table-wrap, pre, .ed"));
const told = out.slice(-3).map((one) => one.outerHTML.slice(0, 120)).join(" | ");
return `${wide} px wider than the window: ${told}`;
"""


def test_every_address_is_looked_at_or_is_no_page() -> None:
    found = {name for name in names() if not name.startswith(SKIPPED)}
    assert ADMIN.keys() - set(names()) == set(), "take pages of the admin that are gone out of ADMIN there"
    listed = {name for name in PAGES if not name.startswith(SKIPPED)} - {"nothing"} | NO_PAGES.keys()
    assert found - listed == set(), "add new pages to PAGES in tests/browser/every_page.py"
    assert listed - found == set(), "take pages that are gone out of tests/browser/every_page.py"


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_every_page_is_fit_for_everybody(site: Site, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.filter(pk=asha.pk).update(is_staff=True, is_superuser=True)
    populate(asha, monkeypatch)
    # Colours are measured: none may be on its way to another.
    still = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    site.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", still)
    faults: list[str] = []
    for path in PAGES["login"]:
        faults += look_at(site, path)
    site.log_in(asha)
    for name, paths in (PAGES | ADMIN).items():
        for path in paths if name != "login" else ():
            faults += look_at(site, path)
    assert not faults, "\n".join(faults)


def look_at(site: Site, path: str) -> list[str]:
    """Open a page and look at it in all ways; returns what is wrong with it."""
    site.open(path)
    settle(site)
    site.driver.execute_script(AXE)
    faults = []
    for view in VIEWS:
        site.resize(view.width, view.height)
        # The first for our pages, the other for the admin's.
        site.run(
            "Object.assign(document.documentElement.dataset, {bsTheme: given[0], theme: given[0]})",
            view.theme,
        )
        # What does not depend on the theme is looked at once for each width.
        rules = RULES if view.theme == "light" else ["color-contrast"]
        found = site.run(CHECK, rules, SERIOUS)
        if wider := site.run(WIDER):
            found = [*found, wider]
        faults += [f"{path} ({view.theme}, {view.width} px): {one}" for one in found]
        save(site, path, view)
    faults += [f"{path} asks {one}" for one in site.run(ELSEWHERE)]
    faults += [f"{path}: {one}" for one in site.complaints() if "404 (Not Found)" not in one]
    site.resize(1440, 1000)
    return faults


def settle(site: Site) -> None:
    """Wait for what a page fetches and draws by itself."""
    if site.all("[data-live-topic], #timeline"):
        site.wait(lambda: site.text("#feed").startswith("Live"), f"the live feed of {site.path}")


def save(site: Site, path: str, view: View) -> None:
    """Save a picture of the whole page, if that is wanted."""
    folder = shots()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", path).strip("-") or "home"
    kind = os.environ.get("LABBOOK_SHOTS_AS", "png")
    options = {"format": kind, "captureBeyondViewport": True} | ({"quality": 80} if kind == "webp" else {})
    taken: Any = site.driver.execute_cdp_cmd("Page.captureScreenshot", options)
    target = folder / f"{name}-{view.theme}-{view.width}.{kind}"
    target.write_bytes(base64.b64decode(taken["data"]))
