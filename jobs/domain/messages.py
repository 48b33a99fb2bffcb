"""The messages of a group: what nodes have sent each other, kept for the whole job within limits."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.domain.signals import Request

RESERVED = frozenset({"lava_vm_start", "lava_vm_stop"})
"""Ids that LAVA used for starting and stopping VMs."""
MAX_ID = 200
MAX_DATA = 32 * 1024
"""Characters of one message."""
MAX_KEPT = 16 * 1024 * 1024
"""Characters of all messages of a job."""

Data = Mapping[str, str]


class Refused(Exception):
    """A request that cannot be granted; the message is shown to the test's author."""


class Messages:
    """Data by message id and sender; a sender's second message of an id replaces its first."""

    def __init__(self) -> None:
        self._sent: dict[str, dict[int, Data]] = {}
        self._kept = 0

    def keep(self, node: int, id_: str, data: Data) -> None:
        """Keep a message. Raises `Refused` where it, or all of them together, would be too big."""
        size = _size(id_, data)
        if size > MAX_DATA:
            raise Refused(f"the message {id_!r} has {size} characters; at most {MAX_DATA} are allowed")
        old = self._sent.get(id_, {}).get(node)
        kept = self._kept + size - (0 if old is None else _size(id_, old))
        if kept > MAX_KEPT:
            raise Refused(
                f"the messages of this job have more than {MAX_KEPT} characters: nothing more is kept"
            )
        self._kept = kept
        self._sent.setdefault(id_, {})[node] = data

    def of(self, id_: str) -> Mapping[int, Data]:
        """Return the data by sender."""
        return self._sent.get(id_, {})

    def cache_text(self, id_: str, names: Mapping[int, str]) -> str:
        """Return the data of all senders of `id_` in the form of the cache file: ``node:key=value`` lines.

        One pair is one line: a line end inside a value is written as a backslash and an ``n``.
        """
        pairs = [
            f"{names[node]}:{key}={value}"
            for node, data in sorted(self.of(id_).items())
            for key, value in data.items()
        ]
        return "\n".join(pair.replace("\r\n", "\n").replace("\n", "\\n") for pair in pairs)


def _size(id_: str, data: Data) -> int:
    return len(id_) + sum(len(key) + len(value) for key, value in data.items())


def id_of(request: Request, command: str) -> str:
    """Return the message id of a request; raise `Refused` for one that nobody may use."""
    if not request.args or not request.args[0]:
        raise Refused(f"{command} needs a message id")
    message = request.args[0]
    if message in RESERVED:
        raise Refused(
            f"the message id {message!r} is reserved: use lava-start-vms and lava-wait-for-vms instead"
        )
    if len(message) > MAX_ID or "=" in message or not message.isprintable() or " " in message:
        raise Refused(
            f"{message[:MAX_ID]!r} is no message id: one word of at most {MAX_ID} printable characters"
            " without '='"
        )
    return message
