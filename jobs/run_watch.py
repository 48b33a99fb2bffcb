"""What people want of a run while it goes on, brought to it: its end, a hold, what they type.

A thread beside the run looks at the job's row, a few times a second; it renews the lease as well. Only while
somebody has a keyboard does the worker listen to the doorbell, so that keys do not wait for the next look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

from jobs import leases
from jobs.execution.hands import Hands, HoldWish
from jobs.execution.ports import Cancellation
from jobs.keyboard_relay import KeyboardRelay
from jobs.log_writer import LogWriter
from jobs.models import Job as JobRow
from jobs.recorder import Recorder

LOOK_EVERY = 0.3
"""Seconds between looks for what people want."""
SHUT_DOWN = "the worker was shut down while the job ran"

log = logging.getLogger(__name__)


class Stop:
    """Asks a run to end orderly because its worker must. Safe to set from a signal handler."""

    def __init__(self) -> None:
        self.requested = False

    def set(self) -> None:
        self.requested = True


@contextmanager
def watched(
    recorder: Recorder, writer: LogWriter, cancel: Cancellation, hands: Hands, stop: Stop
) -> Iterator[None]:
    """Bring to the run what people want of it, and renew the lease, beside what happens inside."""
    done = threading.Event()
    watch = _Watch(recorder.number, recorder.fence, writer, cancel, hands, stop)
    hands.look = watch.look_at_hold
    thread = threading.Thread(target=watch.go, args=(done.wait,), name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Watch:
    def __init__(
        self, number: int, fence: int, writer: LogWriter, cancel: Cancellation, hands: Hands, stop: Stop
    ) -> None:
        self._number, self._fence = number, fence
        self._writer, self._cancel, self._hands, self._stop = writer, cancel, hands, stop

    def go(self, done: Callable[[float], bool]) -> None:
        renewed = time.monotonic()
        relay = KeyboardRelay(self._number, self._hands, self._writer)
        try:
            while not done(LOOK_EVERY):
                if self._stop.requested:
                    self._cancel.cancel(SHUT_DOWN)
                try:
                    self._look(relay)
                    due = time.monotonic() > renewed + leases.RENEW_EVERY
                    if due and leases.renew(self._number, self._fence):
                        renewed = time.monotonic()
                except DatabaseError as exc:
                    # The lease outlives several of these; the writer decides when it is too much.
                    log.warning("job %d: cannot look for requests: %s", self._number, exc)
                    connection.close()
        finally:
            relay.close()
            connection.close()

    def _look(self, relay: KeyboardRelay) -> None:
        row = JobRow.objects.only("state", "fence", "cancel", "hold", "keyboards").get(pk=self._number)
        if row.state not in ("running", "canceling") or row.fence != self._fence:
            self._writer.supersede()
            self._cancel.cancel("the job has ended without this worker")
        elif row.cancel:
            self._cancel.cancel(row.cancel["reason"] or f"canceled by {row.cancel['by']}")
        self._hands.want(_wish(row.hold))
        relay.serve(row.keyboards)

    def look_at_hold(self) -> None:
        """Take over what people want as of now. Called by the run's own threads, where it matters."""
        try:
            row = JobRow.objects.only("hold").get(pk=self._number)
            self._hands.want(_wish(row.hold))
        except DatabaseError as exc:
            log.warning("job %d: cannot look whether it is to be held: %s", self._number, exc)
        finally:
            connection.close()


def _wish(hold: dict[str, Any] | None) -> HoldWish | None:
    if hold is None:
        return None
    return HoldWish(
        user=hold["user"],
        seconds=hold["seconds"],
        reason=hold["reason"],
        if_failed=hold["if_failed"],
        until=hold["until"],
    )
