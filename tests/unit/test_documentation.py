"""What the documentation points to is there, and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    files = {path.name for path in ROOT.glob("docs/decisions/*.md")} - {"README.md"}
    assert {name for name in files if f"({name})" not in index} == set()


def test_every_setting_is_documented() -> None:
    names = set(re.findall(r'env_\w+\(\s*"(\w+)"', (ROOT / "lab/settings.py").read_text()))
    told = (ROOT / "docs/operations.md").read_text()
    assert {name for name in names if f"`{name}`" not in told} == set()


def test_every_command_for_people_is_documented() -> None:
    names = {path.stem for path in ROOT.glob("*/**/management/commands/*.py") if ".venv" not in path.parts}
    internal = {"__init__", "run_job", "task_cluster", "web_server", "flush"}
    told = "\n".join(page.read_text() for page in PAGES)
    assert {name for name in names - internal if not re.search(rf"\b{name}\b", told)} == set()
