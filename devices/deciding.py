"""How every command of the inventory decides: read a stream, let the domain decide, append.

Who loses a race re-reads and decides again. A form passes the stream version that it showed as
`expected_version`: if somebody has edited the thing since, the change is refused (`EditedMeanwhile`) instead
of overwriting theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction

from devices import availability
from devices.checking import check_definition
from devices.dependents import check_runs
from devices.domain import device_type as types
from devices.domain.device_type import DeviceType
from devices.domain.events import (
    BoardAccessChanged,
    BoardChanged,
    BoardRetired,
    DeviceTypeAccessChanged,
    DeviceTypeChanged,
    DeviceTypeRetired,
)
from devices.loading import load_chain
from lab.actors import Actor, authorise
from lab.eventstore.store import store
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import Conflict, Rejected
from lab.kernel.events import Event, Meta, Recorded
from lab.kernel.ports import Append, FollowUp

S = TypeVar("S")
Lists = Mapping[str, Sequence[str]]
"""By right, who has it: see `devices.domain.access`."""
ATTEMPTS = 10
"""How often a command that loses races decides again; each loss means that another one got through."""


class EditedMeanwhile(Rejected):
    """Somebody changed the thing after the actor looked at it.

    `since`: the versions of the edits; `version`: of the stream now, for who has seen them and goes on.
    """

    def __init__(self, sentence: str, since: Sequence[int] = (), version: int = 0) -> None:
        self.since, self.version = tuple(since), version
        super().__init__(sentence)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Events for the own stream, and what else must be true when they are appended."""

    events: list[Event]
    relies_on: Sequence[Loaded[Any]] = ()
    """Other streams that must not have moved since the decision."""
    verify: Callable[[], None] = lambda: None
    """Looks at read rows once appends of others have to wait; raises `Rejected` to undo everything."""
    follow_ups: Sequence[FollowUp] = ()
    """Tasks that this makes necessary, besides looking for jobs that may now get a board."""


def meta_of(actor: Actor, permission: str, to_do: str, cause: str) -> Meta:
    """Return what stands beside the events of somebody with this permission. Raises `NotPermitted`."""
    return Meta(actor=authorise(actor, permission, to_do), cause=cause)


def perform(
    read: Callable[[], Loaded[S]], decide: Callable[[Loaded[S]], Decision | list[Event]], meta: Meta
) -> None:
    """Read, decide, append; after a lost race once more."""
    for attempt in range(1, ATTEMPTS + 1):
        found = read()
        decided = decide(found)
        decision = decided if isinstance(decided, Decision) else Decision(events=decided)
        if not decision.events:
            return
        own = Append(stream=found.stream, expected=found.version, events=decision.events)
        others = [Append(stream=o.stream, expected=o.version, events=()) for o in decision.relies_on]
        try:
            with transaction.atomic():
                tasks = [*availability.follow_ups(decision.events), *decision.follow_ups]
                store.append(*others, own, meta=meta, follow_ups=tasks)
                decision.verify()
        except Conflict as exc:
            if attempt == ATTEMPTS:
                raise Rejected(
                    f"Others change {found.stream} faster than this command: try again in a moment."
                ) from exc
        else:
            return


def check_unedited(found: Loaded[Any], expected: int | None, what: str) -> None:
    """Refuse a change that is based on a version after which somebody has edited the same thing.

    Reservations, health and being offline are no edits: they do not touch what a form shows for editing.
    """
    if expected is None or expected >= found.version:
        return
    edits = (
        BoardChanged,
        BoardAccessChanged,
        BoardRetired,
        DeviceTypeChanged,
        DeviceTypeAccessChanged,
        DeviceTypeRetired,
    )
    since = [r for r in store.read(found.stream, after=expected) if isinstance(r.event, edits)]
    if since:
        versions = [one.version for one in since]
        raise EditedMeanwhile(_sentence(what, since[-1]), versions, found.version)


def check_named(config: Mapping[str, Any], actor: Actor) -> None:
    """Refuse a configuration that names what there is not."""
    check_runs(config, actor)
    check_definition(config)


def chain_of(name: str) -> list[Loaded[DeviceType]]:
    """Return a type, the one it is based on, and so on; nothing for no name. Raises `NotFound`."""
    chain = load_chain(name)
    if chain:
        types.exists(chain[0].state, name)
    return chain


def _sentence(what: str, last: Recorded) -> str:
    did = "changed it"
    if isinstance(last.event, BoardChanged | DeviceTypeChanged):
        did = f"changed its {' and '.join(last.event.changes).replace('_', ' ')}"
    elif isinstance(last.event, BoardAccessChanged | DeviceTypeAccessChanged):
        did = "changed who may do what with it"
    elif isinstance(last.event, BoardRetired | DeviceTypeRetired):
        did = "retired it"
    return (
        f"{what} was edited after you opened it: {last.meta.actor} {did} at "
        f"{last.recorded_at:%Y-%m-%d %H:%M:%S} UTC (event {last.position}). Nothing of yours is saved: "
        "open it again and repeat your change on top of that."
    )
