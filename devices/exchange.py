"""The inventory as a text: written for who may see it, brought in by the same commands as everything else.

An import is all or nothing. What the text says is compared with what there is while others go on writing;
what it adds and changes then goes in in one step. A dry run does the same and undoes it, so what it tells is
what would happen; it also tells the versions it has seen, which the real run takes, to refuse where somebody
came in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from devices import access, board_commands, seen, type_commands
from devices.deciding import check_unedited
from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain import inventory_text as texts
from devices.domain.history import Change, differences
from devices.domain.inventory_text import Entry, InventoryText
from devices.domain.parse_config import BadConfig
from devices.models import Board, DeviceType
from lab.actors import Actor
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import NotFound, NotPermitted, Rejected

Row = TypeVar("Row", bound=Model)
Doing = Literal["added", "changed", "as it is", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became, or would become, of one type or board of a text."""

    entry: Entry
    doing: Doing
    version: int
    """Of its stream before; 0: there was none."""
    line: int
    """Where the text has it."""
    changes: Sequence[Change] = ()
    problems: Sequence[str] = ()
    """Why it is refused, in sentences."""
    old: Mapping[str, Any] = field(default_factory=dict)
    """What it was, by the keys of the text."""

    @property
    def key(self) -> str:
        return _key(self.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import did, or would do."""

    done: Sequence[Done]
    applied: bool
    """Whether any of it was done: not in a dry run, nor where anything was refused."""

    @property
    def refused(self) -> list[Done]:
        return [one for one in self.done if one.doing == "refused"]

    @property
    def changing(self) -> list[Done]:
        return [one for one in self.done if one.doing in ("added", "changed")]

    @property
    def versions(self) -> dict[str, int]:
        """What the real run must find, to do what the dry run told."""
        return {one.key: one.version for one in self.done}

    @property
    def summary(self) -> str:
        counts = {doing: sum(one.doing == doing for one in self.done) for doing in WORDS}
        told = [f"{count} {WORDS[doing]}" for doing, count in counts.items() if count]
        return ", ".join(told) or "the text names nothing"


WORDS: dict[str, str] = {"added": "added", "changed": "changed", "as it is": "as it is", "refused": "refused"}


def export_text(
    viewer: Actor, *, types: Collection[str] | None = None, boards: Collection[str] | None = None
) -> str:
    """Return what is in use as a text, as far as the viewer may see it; None: all of them.

    Raises `NotFound` for a name of which the viewer may not see the configuration, or that there is not.
    """
    all_types = DeviceType.objects.filter(retired_at=None).order_by("kind", "name")
    all_boards = Board.objects.filter(retired_at=None).order_by("name")
    chosen_types, chosen_boards = _chosen(all_types, types), _chosen(all_boards, boards)
    closed = seen.without_config(viewer)  # read last: what was not there before is not shown
    type_rows = _shown(chosen_types, types, "device type", closed.types)
    board_rows = _shown(chosen_boards, boards, "board", closed.boards)
    return texts.write(
        {row.pk: _type_values(row) for row in type_rows}, {row.pk: _board_values(row) for row in board_rows}
    )


def import_text(
    text: str,
    *,
    dry_run: bool,
    reason: str = "",
    expected: Mapping[str, int] | None = None,
    actor: Actor,
    cause: str = "",
) -> Outcome:
    """Bring a text in, all of it or nothing; `expected`: the `versions` of the dry run that was looked at.

    Nobody else can write while entries go in, so what needs no writing is found out before, and how many may
    go in at once has a limit. Raises `BadConfig` for a text that cannot be understood, `Rejected` for one
    that adds and changes too much; what commands refuse is in the outcome.
    """
    read = texts.read(text)
    looking = _Looking(read, expected, actor)
    looked_at = [looking.at(one) for one in read.entries]
    wanted = sum(one.doing in ("added", "changed") for one in looked_at)
    most = settings.LABBOOK["MAX_IMPORT"]
    if wanted > most:
        raise Rejected(
            f"This text adds or changes {wanted} types and boards; at most {most} go in at once, because "
            "nobody else can write meanwhile. Bring it in in parts, types before the boards of them: "
            "what a text does not name stays as it is."
        )
    if not wanted:
        return Outcome(done=looked_at, applied=not dry_run and not any(one.problems for one in looked_at))
    with transaction.atomic():
        done = [_brought_in(one, read, reason, actor, cause) for one in looked_at]
        # From the first append on nobody else can write: what was compared is so still, or will not be.
        done = _unmoved(done)
        applied = not dry_run and not any(one.doing == "refused" for one in done)
        if not applied:
            transaction.set_rollback(True)
    return Outcome(done=done, applied=applied)


class _Looking:
    """What a text names, and what the actor may know of it: read once for all entries."""

    def __init__(self, read: InventoryText, expected: Mapping[str, int] | None, actor: Actor) -> None:
        access.require_reading(actor)
        self._read, self._expected = read, expected
        rows = _rows(read.entries)
        self._present = {key: (_values(row), row.version) for key, row in rows.items()}
        # Read last: what was not there before is not shown.
        self._hidden, self._closed = access.hidden(actor), seen.without_config(actor)

    def at(self, entry: Entry) -> Done:
        """Return what is to become of an entry as things stand; what is hidden is taken for new."""
        present = None if _is_among(entry, self._hidden) else self._present.get(_key(entry))
        old, version = present or ({}, 0)
        found = Done(entry=entry, doing="added", version=version, line=self._read.line(entry))
        try:
            if present and _is_among(entry, self._closed):
                raise NotPermitted(f"You may not see the configuration of {entry.kind} {entry.name}.")
            if self._expected is not None and self._expected.get(found.key) != version:
                raise Rejected("Somebody changed it after you looked at the differences: look at them again.")
            new = {**old, **entry.values}
            found = replace(found, changes=differences(old, new))
            if present:
                same = not found.changes and not _reordered(old, new)
                return replace(found, doing="as it is" if same else "changed", old=old)
            if texts.NEEDED[entry.kind] not in entry.values:
                raise Rejected(f"It is new: say its {texts.NEEDED[entry.kind]}.")
        except Rejected as exc:
            return _refused(found, exc)
        return found


def _unmoved(done: Sequence[Done]) -> list[Done]:
    """Refuse those that are as the text says, but were edited after they were compared."""
    same = [one for one in done if one.doing == "as it is"]
    rows = _rows([one.entry for one in same])
    checked = {}
    for one in same:
        row = rows[one.key]
        if row.version != one.version:  # jobs move it, too
            stream, what = (
                (boards.stream, "Board") if isinstance(row, Board) else (types.stream, "Device type")
            )
            try:
                check_unedited(Loaded(stream(row.pk), row, row.version), one.version, f"{what} {row.pk}")
            except Rejected as exc:
                checked[one.key] = _refused(one, exc)
    return [checked.get(one.key, one) for one in done]


def _brought_in(found: Done, read: InventoryText, reason: str, actor: Actor, cause: str) -> Done:
    if found.doing not in ("added", "changed"):
        return found
    try:
        _bring_in(found, reason, actor, cause)
    except BadConfig as bad:
        return replace(found, doing="refused", problems=read.sentences(found.entry, bad.problems))
    except Rejected as exc:
        return _refused(found, exc)
    return found


def _refused(found: Done, why: Rejected) -> Done:
    told = f"Line {found.line}: {why}" if found.line else str(why)
    return replace(found, doing="refused", problems=[told])


def _bring_in(found: Done, reason: str, actor: Actor, cause: str) -> None:
    entry, old = found.entry, found.old
    said = dict(entry.values)
    if found.doing == "added":
        if entry.kind == "type":
            type_commands.register_device_type(
                entry.name,
                said["kind"],
                said.get("description", ""),
                said.get("config", {}),
                base=said.get("base", ""),
                access=said.get("access"),
                actor=actor,
                cause=cause,
            )
        else:
            board_commands.register_board(
                entry.name,
                said["type"],
                said.get("site", "default"),
                said.get("tags", []),
                said.get("description", ""),
                said.get("config", {}),
                access=said.get("access"),
                actor=actor,
                cause=cause,
            )
        return
    if "kind" in said and said.pop("kind") != old["kind"]:
        raise Rejected(f"There is a type of that name for something else ({old['kind']}).")
    # What was looked at is what is changed: an edit since then is refused.
    told: dict[str, Any] = {
        "reason": reason,
        "actor": actor,
        "cause": cause,
        "expected_version": found.version,
    }
    changed = {key: value for key, value in said.items() if value != old[key] and key != "access"}
    if entry.kind == "board" and "type" in changed:
        changed["device_type"] = changed.pop("type")
    if changed and entry.kind == "type":
        type_commands.change_device_type(entry.name, **changed, **told)
    elif changed:
        board_commands.change_board(entry.name, **changed, **told)
    if changed:
        del told["expected_version"]  # this transaction has changed it itself, and nobody else can have
    if "access" in said and said["access"] != old["access"]:
        change = (
            type_commands.change_device_type_access
            if entry.kind == "type"
            else board_commands.change_board_access
        )
        change(entry.name, said["access"], **told)


def _rows(entries: Iterable[Entry]) -> dict[str, Board | DeviceType]:
    """Return what there is of these names. Rows are drawn in the transactions that append."""
    names: dict[str, list[str]] = {"type": [], "board": []}
    for entry in entries:
        names[entry.kind].append(entry.name)
    return {
        **{f"type/{row.pk}": row for row in DeviceType.objects.filter(pk__in=names["type"])},
        **{f"board/{row.pk}": row for row in Board.objects.filter(pk__in=names["board"])},
    }


def _key(entry: Entry) -> str:
    return f"{entry.kind}/{entry.name}"


def _is_among(entry: Entry, names: access.Names) -> bool:
    return entry.name in (names.types if entry.kind == "type" else names.boards)


def _values(row: Board | DeviceType) -> dict[str, Any]:
    return _board_values(row) if isinstance(row, Board) else _type_values(row)


def _type_values(one: DeviceType) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "base": one.base,
        "description": one.description,
        "config": dict(one.config),
        "access": {right: list(entries) for right, entries in one.access.items()},
    }


def _board_values(one: Board) -> dict[str, Any]:
    return {
        "type": one.device_type_id,
        "site": one.site,
        "tags": list(one.tags),
        "description": one.description,
        "config": dict(one.config),
        "access": {right: list(entries) for right, entries in one.access.items()},
    }


def _reordered(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether they differ in what no difference shows, as the types of values: 1 and "1"."""
    return {key: value for key, value in new.items() if value != old.get(key)} != {}


def _chosen(rows: QuerySet[Row], names: Collection[str] | None) -> list[Row]:
    return list(rows if names is None else rows.filter(pk__in=names))


def _shown(
    rows: Sequence[Row], names: Collection[str] | None, what: str, closed: Collection[str]
) -> list[Row]:
    found = [row for row in rows if row.pk not in closed]
    if names is not None and (missing := sorted(set(names) - {row.pk for row in found})):
        raise NotFound(f"There is no {what} {missing[0]!r} in use whose configuration you may see.")
    return found
