from __future__ import annotations

from pathlib import Path

import pytest

from lab.demo.sshd import SshServer
from tests.integration.execution.lab import Lab


@pytest.fixture
def lab(sshd: SshServer, tmp_path: Path) -> Lab:
    """A lab with a host of its own."""
    return Lab(sshd, tmp_path)
