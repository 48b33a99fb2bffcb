"""What switches say, made fit for messages and understood as a state."""

from __future__ import annotations

import re

from devices.domain.config import PowerConfig
from devices.drivers.board import PowerState
from lab.kernel.errors import InfrastructureError


def told(answer: str) -> str:
    """Return the end of an answer in one line."""
    return " ".join(answer.split())[-300:]


def understood(answer: str, config: PowerConfig) -> PowerState:
    """Return what an answer to `PowerConfig.status` means.

    Raises `InfrastructureError` when it means nothing or both: then one of the patterns is wrong.
    """
    on, off = re.search(config.on_pattern, answer), re.search(config.off_pattern, answer)
    if bool(on) == bool(off):
        how = "both on_pattern and off_pattern match" if on else "neither on_pattern nor off_pattern matches"
        raise InfrastructureError(f"its answer to power.status cannot be understood: {how} {told(answer)!r}")
    return "on" if on else "off"
