"""What keeps a worker from a board that is not its errand's any more: released by somebody, or given up."""

from __future__ import annotations

import logging
import time

from django.db import Error, connection

from devices.domain.errand import Over
from devices.models import Board
from lab import cluster_ties
from lab.kernel.errors import InfrastructureError

LOOK_EVERY = 1.0
"""Seconds between two looks while something lasts. Before each act there is one in any case."""
SHUT_DOWN = "the worker was shut down"

log = logging.getLogger(__name__)


class Fence:
    """Stands between an errand's worker and the board."""

    def __init__(self, board: str, errand: int) -> None:
        self._board, self._errand = board, errand
        self._look_at = 0.0

    def __call__(self) -> None:
        """Let pass who is about to do something to the board while it is the errand's.

        Raises `Over` for anybody else, and `InfrastructureError` where that cannot be found out now.
        """
        self._look_at = time.monotonic() + LOOK_EVERY
        try:
            ours = Board.objects.filter(pk=self._board, errand=self._errand).exists()
        except Error as exc:
            connection.close()
            raise InfrastructureError(f"nobody can say whether the board is still reserved: {exc}") from exc
        if not ours:
            raise Over("somebody took the board away; see its history")

    def stop(self) -> Exception | None:
        """Return why not to go on, for deadlines: this process has to end, or the board is taken."""
        if cluster_ties.stopping():
            return InfrastructureError(SHUT_DOWN)
        if time.monotonic() >= self._look_at:
            try:
                self()
            except Over as exc:
                return exc
            except InfrastructureError as exc:
                log.warning("board %s: %s", self._board, exc)  # it is asked again before the next act
        return None
