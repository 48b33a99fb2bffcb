"""What lies in static/vendor is what the manifest says, and pages need nothing from anywhere else."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
OWN = [
    *(ROOT / "templates").rglob("*.html"),
    *(path for path in STATIC.rglob("*") if path.is_file() and VENDOR not in path.parents),
]


def manifest() -> dict[str, object]:
    loaded: dict[str, object] = json.loads((VENDOR / "MANIFEST.json").read_text())
    return loaded


def test_every_vendored_file_is_listed_with_its_digest() -> None:
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "MANIFEST.json"
    }
    assert found == manifest()["sha256"]


def test_every_package_has_its_licence_and_its_version_in_the_folder_name() -> None:
    packages = manifest()["packages"]
    assert isinstance(packages, list)
    assert {p["folder"] for p in packages} == {path.name for path in VENDOR.iterdir() if path.is_dir()}
    for package in packages:
        assert package["folder"].endswith(f"-{package['version']}")
        assert (VENDOR / package["folder"] / "LICENSE").stat().st_size > 500


def test_style_sheets_refer_to_files_that_are_there() -> None:
    for sheet in (STATIC / "css").glob("*.css"):
        for reference in re.findall(r"url\(([^)\"']+)\)", sheet.read_text()):
            assert (sheet.parent / reference).resolve().is_file(), f"{sheet.name} names {reference}"


def test_modules_import_files_that_are_there() -> None:
    for module in (STATIC / "js").rglob("*.js"):
        for reference in re.findall(r'from "(\.[^"]+)"', module.read_text()):
            assert (module.parent / reference).resolve().is_file(), f"{module.name} imports {reference}"


def test_icons_that_pages_use_are_in_the_sprite() -> None:
    sprite = next(VENDOR.glob("tabler-icons-*/icons.svg")).read_text()
    there = set(re.findall(r'id="i-([a-z0-9-]+)"', sprite))
    used = set()
    for path in OWN:
        used |= set(re.findall(r'{% icon "([a-z0-9-]+)"', path.read_text(errors="ignore")))
        used |= set(re.findall(r'\bicon\("([a-z0-9-]+)"', path.read_text(errors="ignore")))
    assert used
    assert used <= there


def test_pages_load_nothing_from_elsewhere_and_hold_no_inline_code() -> None:
    for path in OWN:
        text = path.read_text()
        assert not re.search(r"""(?:src|href|url|from|import)[=( ]*["']?(?:https?:)?//""", text), path
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
            assert not re.search(r"""\s(?:style|on[a-z]+)\s*=\s*["']""", text), path
