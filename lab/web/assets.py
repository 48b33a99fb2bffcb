"""Where the vendored front-end files are. Their list, with versions, is ``static/vendor/MANIFEST.json``."""

from __future__ import annotations

import json
from functools import cache

from django.conf import settings
from django.templatetags.static import static


@cache
def _folders() -> dict[str, str]:
    manifest = json.loads((settings.BASE_DIR / "static" / "vendor" / "MANIFEST.json").read_text())
    return {package["name"]: package["folder"] for package in manifest["packages"]}


def vendor_url(package: str, file: str) -> str:
    """Return the URL of a file of a vendored package, in the version that the manifest names."""
    return static(f"vendor/{_folders()[package]}/{file}")
