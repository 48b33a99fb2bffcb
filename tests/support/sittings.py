"""Workers that have a board's console for somebody."""

from __future__ import annotations

import threading

from django.db import connection

from devices import sitting


class Worker:
    """Does a sitting, in a thread."""

    def __init__(self, errand: int, board: str = "alpha", *, seconds: float = 60, power: str = "") -> None:
        self.said = ""

        def work() -> None:
            try:
                self.said = sitting.serve(board, errand, seconds, power)
            finally:
                connection.close()

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def done(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.said
