"""Hearing the doorbell where there is no event loop: in a thread that sets an event."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Any

from lab.eventstore.doorbell import Doorbell
from lab.eventstore.live import AGAIN, doorbell

log = logging.getLogger(__name__)


class Ears:
    """While in this context, `rung` is set by every ring. Whoever waits for it needs a poll besides: rings
    may be lost."""

    def __init__(self, rung: threading.Event, bell: Doorbell | None = None) -> None:
        self._rung, self._bell = rung, bell or doorbell()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ears", daemon=True)
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Ears:
        self._stop = asyncio.Event()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        assert self._stop is not None
        stopped = asyncio.create_task(self._stop.wait())
        while not stopped.done():
            try:
                async with self._bell.listening(self._rung.set) as end:
                    self._rung.set()  # something may have come while nobody listened
                    either: list[asyncio.Future[Any]] = [stopped, end]
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            except Exception:
                log.warning("The doorbell is silent.", exc_info=True)
            if not stopped.done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(stopped), AGAIN)
