"""Who makes health checks. The inventory does not run jobs: those who do say here how a check is queued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from devices.domain.parse_config import BadConfig, ConfigProblem

KEY = "health.definition"


class Checker(Protocol):
    """Turns a request for a health check into a job."""

    def problems(self, definition: str) -> list[str]:
        """Return what is wrong with the definition of a health check, in sentences; none: it is right."""

    def queue(self, board: str) -> int:
        """Submit the health check that a board waits for; returns the job's number, also if it is there.

        Raises `Rejected` with the reason if that cannot be done.
        """


_checkers: list[Checker] = []


def use(checker: Checker) -> None:
    """Let this one make all health checks from now on."""
    _checkers[:] = [checker]


def queue(board: str) -> int | None:
    """Queue the check that a board waits for; None where nobody does that."""
    return _checkers[0].queue(board) if _checkers else None


def check_definition(config: Mapping[str, Any]) -> None:
    """Raise `BadConfig` if the definition of a health check in this configuration is wrong by itself."""
    health = config.get("health")
    text = health.get("definition") if isinstance(health, Mapping) else None
    if not isinstance(text, str) or not text or not _checkers:
        return
    if found := _checkers[0].problems(text):
        raise BadConfig([ConfigProblem(path=KEY, message=one) for one in found])
