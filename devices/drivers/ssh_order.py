"""What one channel of an ssh connection sends, in an order that sshd forgives.

paramiko decides under a lock what a channel sends next, and sends it after it has let go of the lock. In
between, its reading thread may answer the host's CLOSE with a CLOSE; what the other thread then sends, most
often the EOF of a command that printed and ended at once, is about a channel that is no more. sshd
answers that with a disconnect ("packet referred to nonexistent channel"), and all other sessions of the
connection are lost with it. So each channel sends through one of these: nothing follows a CLOSE.

Two waits without an end are prevented on the way. A question that is asked when the channel has just been
closed would never see an answer, and the reading thread must not wait for the end of a key exchange that only
it can bring about.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any, cast

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE
from paramiko.ssh_exception import SSHException


def in_order(channel: paramiko.Channel) -> paramiko.Channel:
    """Have a channel that was just opened, and that nobody uses yet, send in order."""
    transport = channel.get_transport()
    channel.transport = cast("paramiko.Transport", _Sender(transport, channel))
    return channel


class _Sender:
    """Stands between a channel and its connection; all but sending is the connection's."""

    def __init__(self, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        self._transport, self._channel = transport, weakref.ref(channel)
        self._lock = threading.Lock()
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        """As paramiko's own, which channels send everything by."""
        if threading.current_thread() is not self._transport:
            with self._lock:
                self._send(message)
        elif self._transport.clear_to_send.is_set() and self._lock.acquire(blocking=False):
            try:
                self._send(message)
            finally:
                self._lock.release()
        else:
            threading.Thread(target=self._send_later, args=(message,), daemon=True, name="ssh close").start()
        channel = self._channel()
        if channel is not None and channel.closed:
            channel.event.set()  # paramiko may have cleared it since, for an answer that nobody will give

    def _send(self, message: paramiko.Message) -> None:
        if self._closed:
            return
        self._closed = message.asbytes()[0] == MSG_CHANNEL_CLOSE
        self._transport._send_user_message(message)  # type: ignore[attr-defined]

    def _send_later(self, message: paramiko.Message) -> None:
        with contextlib.suppress(SSHException, EOFError, OSError), self._lock:
            self._send(message)
