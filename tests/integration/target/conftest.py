"""A lab with real shells on ptys, once for every shell that the helpers must work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.target.lab_side import Lab, Shell, left_behind, shells


@pytest.fixture(scope="session")
def all_shells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shell]:
    return shells(tmp_path_factory.mktemp("shells"))


@pytest.fixture(params=["dash", "busybox", "bash"])
def shell(request: pytest.FixtureRequest, all_shells: dict[str, Shell]) -> Shell:
    return all_shells[request.param]


@pytest.fixture
def lab(shell: Shell, tmp_path: Path) -> Iterator[Lab]:
    """A lab whose runners must leave nothing behind, neither processes nor files."""
    lab = Lab(tmp_path, shell)
    try:
        yield lab
        ended = all(node.exited for node in lab.nodes.values())
        lab.run_until(lambda: not left_behind(tmp_path), 10)
    finally:
        lab.stop()
    if ended:
        assert not list(tmp_path.glob("*/lava-*/state"))
