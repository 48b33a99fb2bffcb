"""Guest images for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from lab.demo.images import GuestImages, build


@pytest.fixture(scope="session")
def guest_images() -> Callable[[str], GuestImages]:
    """Return a function from architecture (``amd64``, ``arm64``, ``armhf``) to its images.

    They are built where missing, next to those of the demo; workers that run side by side build them once.
    """
    folder = Path(settings.VAR_DIR) / "images"
    return lambda name: build(name, folder)
