"""Labs that run, shared by the tests of a worker: what they share is only the host, as in real life."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.demo.images import GuestImages
from tests.support.running_lab import RunningLab


@pytest.fixture(scope="module")
def lab(guest_images: Callable[[str], GuestImages]) -> Iterator[RunningLab]:
    """A lab on SQLite with the demo's host and VM types."""
    for architecture in ("amd64", "armhf", "arm64"):
        guest_images(architecture)
    with RunningLab() as one:
        yield one
