#!/usr/bin/env python3
"""Fetch the front-end files that pages use and put them below ``static/vendor/``. For maintainers only.

    tools/vendor_assets.py

Packages come by name and exact version through npm, from whatever registry it is set up for; nothing of them
is run. Each package gets a folder ``<name>-<version>`` with the few files that pages need and its licence.
``static/vendor/MANIFEST.json`` lists all of them with their SHA-256; a test compares it with what lies there.
To move to another version: change it below, run this, look at the pages, commit.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
TESTS = ROOT / "tests" / "browser"

TABLER_CORE = "1.6.1"
INTER = "5.3.0"
JETBRAINS_MONO = "5.3.0"
TABLER_ICONS = "3.51.0"
YAML = "2.9.1"
JSONC_PARSER = "3.3.1"
XTERM = "6.0.0"
AXE_CORE = "4.14.1"
"""Looks for what people with impairments stumble over; for tests only, so not below ``static``."""
ESBUILD = "0.28.2"
"""Makes one file of packages that ship many modules. It does not go into the pages itself."""

ICONS = (
    "adjustments-horizontal alert-circle alert-triangle arrow-down arrows-exchange ban bolt "
    "calendar-plus check chevron-down chevron-right chevron-up chevrons-down circle-dashed clock "
    "clock-pause code copy device-desktop device-sd-card dots download external-link eye "
    "file-text flag git-compare grip-vertical heart-broken heartbeat history hourglass "
    "info-circle key keyboard layout-grid layout-rows link list lock login logout maximize "
    "message minimize minus moon network paperclip player-pause player-play player-skip-back "
    "player-stop player-track-next player-track-prev plug plug-connected-x plus power refresh "
    "search send server shield shield-exclamation stopwatch sun terminal-2 text-wrap tool trash "
    "upload user x"
)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        fetched = Path(scratch)
        core = unpack(fetched, f"@tabler/core@{TABLER_CORE}")
        inter = unpack(fetched, f"@fontsource-variable/inter@{INTER}")
        mono = unpack(fetched, f"@fontsource-variable/jetbrains-mono@{JETBRAINS_MONO}")
        icons = unpack(fetched, f"@tabler/icons@{TABLER_ICONS}")
        yaml = unpack(fetched, f"yaml@{YAML}")
        jsonc = unpack(fetched, f"jsonc-parser@{JSONC_PARSER}")
        xterm = unpack(fetched, f"@xterm/xterm@{XTERM}")
        bundled = {
            f"yaml-{YAML}/yaml.min.js": bundle(fetched, yaml / "browser/index.js"),
            f"jsonc-parser-{JSONC_PARSER}/jsonc-parser.min.js": bundle(fetched, jsonc / "lib/esm/main.js"),
        }

        shutil.rmtree(VENDOR, ignore_errors=True)
        css = (core / "dist/css/tabler.min.css").read_text()
        put(
            f"tabler-core-{TABLER_CORE}/tabler.min.css", re.sub(r"\s*/\*# sourceMappingURL=.*?\*/", "\n", css)
        )
        put(f"tabler-core-{TABLER_CORE}/LICENSE", tabler_licence(css, (icons / "LICENSE").read_text()))
        for package, folder, font in (
            (inter, f"inter-{INTER}", "inter-latin-wght-normal.woff2"),
            (mono, f"jetbrains-mono-{JETBRAINS_MONO}", "jetbrains-mono-latin-wght-normal.woff2"),
        ):
            put(f"{folder}/{font}", (package / "files" / font).read_bytes())
            put(f"{folder}/LICENSE", (package / "LICENSE").read_text())
        put(f"tabler-icons-{TABLER_ICONS}/icons.svg", sprite(icons / "icons/outline"))
        put(f"tabler-icons-{TABLER_ICONS}/LICENSE", (icons / "LICENSE").read_text())
        for name, content in bundled.items():
            put(name, content)
        put(f"xterm-{XTERM}/xterm.min.js", terminal((xterm / "lib/xterm.mjs").read_text()))
        put(f"xterm-{XTERM}/xterm.css", (xterm / "css/xterm.css").read_text())
        put(f"xterm-{XTERM}/LICENSE", (xterm / "LICENSE").read_text())
        put(f"yaml-{YAML}/LICENSE", (yaml / "LICENSE").read_text())
        put(f"jsonc-parser-{JSONC_PARSER}/LICENSE", (jsonc / "LICENSE.md").read_text())
        axe = unpack(fetched, f"axe-core@{AXE_CORE}")
        for old in TESTS.glob("axe-core-*"):
            shutil.rmtree(old)
        beside = TESTS / f"axe-core-{AXE_CORE}"
        beside.mkdir()
        for name in ("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"):
            shutil.copy(axe / name, beside / name)
    write_manifest()


def unpack(scratch: Path, package: str) -> Path:
    """Return the folder with the content of an npm package, given as ``name@version``."""
    done = subprocess.run(
        ["npm", "pack", "--silent", "--ignore-scripts", package],
        cwd=scratch,
        check=True,
        capture_output=True,
        text=True,
    )
    target = scratch / package.replace("/", "-")
    with tarfile.open(scratch / done.stdout.split()[-1]) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def bundle(scratch: Path, entry: Path) -> bytes:
    """Return an ES module with everything that `entry` exports, minified."""
    tools = scratch / "tools"
    if not tools.exists():
        tools.mkdir()
        install = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--prefix", "."]
        subprocess.run([*install, f"esbuild@{ESBUILD}"], cwd=tools, check=True)
    done = subprocess.run(
        [
            tools / "node_modules/.bin/esbuild",
            entry,
            "--bundle",
            "--minify",
            "--format=esm",
            "--target=es2022",
            "--legal-comments=none",
        ],
        check=True,
        capture_output=True,
    )
    return done.stdout


def terminal(module: str) -> str:
    """Return xterm.js fit for a policy without inline styles: it sets the style of a cell as an attribute."""
    attribute = 't.setAttribute("style",`${t.getAttribute("style")||""}${e};`)'
    if module.count(attribute) != 1:
        raise SystemExit("xterm.js has changed: look how it sets colours that are no palette's")
    module = module.replace(attribute, "t.style.cssText+=`${e};`")
    return re.sub(r"\n?//# sourceMappingURL=.*", "\n", module)


def put(name: str, content: str | bytes) -> None:
    path = VENDOR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def sprite(folder: Path) -> str:
    """Return one SVG file with a symbol ``i-<name>`` for each icon; pages draw it with ``<use>``."""
    symbols = []
    for name in ICONS.split():
        source = (folder / f"{name}.svg").read_text()
        shapes = re.findall(r"<(?:path|circle|rect|line|polyline)\b[^>]*/>", source)
        drawn = " ".join(shape for shape in shapes if 'd="M0 0h24v24H0z"' not in shape)
        symbols.append(f'<symbol id="i-{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def tabler_licence(css: str, icons_licence: str) -> str:
    """Return the MIT licence with the copyright lines of the style sheet: the package ships none."""
    owners = "\n".join(re.findall(r"Copyright [^\n]+", css[:600]))
    return re.sub(r"Copyright \(c\)[^\n]+", owners, icons_licence)


def write_manifest() -> None:
    packages = [
        {
            "name": "@tabler/core",
            "version": TABLER_CORE,
            "licence": "MIT",
            "folder": f"tabler-core-{TABLER_CORE}",
        },
        {
            "name": "@tabler/icons",
            "version": TABLER_ICONS,
            "licence": "MIT",
            "folder": f"tabler-icons-{TABLER_ICONS}",
        },
        {
            "name": "@fontsource-variable/inter",
            "version": INTER,
            "licence": "OFL-1.1",
            "folder": f"inter-{INTER}",
        },
        {
            "name": "@fontsource-variable/jetbrains-mono",
            "version": JETBRAINS_MONO,
            "licence": "OFL-1.1",
            "folder": f"jetbrains-mono-{JETBRAINS_MONO}",
        },
        {"name": "yaml", "version": YAML, "licence": "ISC", "folder": f"yaml-{YAML}"},
        {
            "name": "jsonc-parser",
            "version": JSONC_PARSER,
            "licence": "MIT",
            "folder": f"jsonc-parser-{JSONC_PARSER}",
        },
        {"name": "@xterm/xterm", "version": XTERM, "licence": "MIT", "folder": f"xterm-{XTERM}"},
    ]
    files = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.rglob("*"))
        if path.is_file() and path.name != "MANIFEST.json"
    }
    put("MANIFEST.json", json.dumps({"packages": packages, "sha256": files}, indent=2) + "\n")


if __name__ == "__main__":
    main()
