"""A host to log in to, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.domain.config import SshConfig
from lab.demo.sshd import Sshd, SshServer


def ssh_config(server: SshServer) -> SshConfig:
    """Return how to reach it, as a board's configuration has it."""
    return SshConfig(
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        key_file=str(server.key_file),
        host_key=server.host_key,
        authorized_keys=str(server.authorized_keys),
    )


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    """A running sshd of the test's own; the invoking user can log in."""
    with Sshd(tmp_path / "sshd") as server:
        yield server
