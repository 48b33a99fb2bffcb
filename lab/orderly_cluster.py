"""django-q2's cluster, stopped by the main thread in the course of its work and not by a signal handler.

django-q2's own handler stops the cluster there and then. A SIGTERM that comes while the sentinel is being
forked finds none alive and is forgotten: the cluster comes up, and runs for ever. One that comes while the
main thread looks at an event holds up the sentinel, which waits for the same lock. Here the handler only
leaves word, and what must be done is done when it can be.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import wait
from types import FrameType

from django_q.cluster import Cluster


class OrderlyCluster(Cluster):  # type: ignore[misc]  # django-q2 has no types
    """Create it in the main thread: it takes SIGTERM and SIGINT for itself."""

    def __init__(self) -> None:
        self._word, self._leave = os.pipe()
        os.set_blocking(self._leave, False)
        super().__init__()

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):  # then there is more than enough of it
            os.write(self._leave, b".")

    def run(self) -> None:
        """Start the processes; return when they are gone, which they are after a SIGTERM or SIGINT."""
        self.start()
        wait([self._word, self.sentinel.sentinel])
        self.stop()
