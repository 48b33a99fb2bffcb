"""Guest images for tests: those of `make images`, kept from run to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from lab.demo.images import GuestImages, build

IMAGES = Path(os.environ.get("LABBOOK_TEST_IMAGES") or Path(settings.BASE_DIR) / "var" / "images").resolve()
"""Not in the run's own data folder, which is thrown away."""


@pytest.fixture(scope="session")
def guest_images() -> Callable[[str], GuestImages]:
    """Return a function from architecture (``amd64``, ``arm64``, ``armhf``) to its images.

    They are built where missing; workers that run side by side build them once. Definitions may name them:
    the folder is one of the run's FILE_ROOTS.
    """
    roots = settings.LABBOOK["FILE_ROOTS"]
    if str(IMAGES) not in roots:
        roots.append(str(IMAGES))
    return lambda name: build(name, IMAGES)
