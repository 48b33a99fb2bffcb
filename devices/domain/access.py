"""Who may do what with a device type or a board: lists in, decision out.

A board and a device type each have an *access*: for some of the `RIGHTS`, who has them. An entry is
``user:NAME``, ``group:NAME``, ``everybody`` or ``nobody``. What a board leaves out its type says, then what
that type is based on, then the lab (settings), then the defaults below. See docs/permissions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lab.kernel.errors import Rejected

Right = Literal["view", "use", "console", "handle", "administer"]
RIGHTS: tuple[Right, ...] = get_args(Right)
WORDS: Mapping[Right, str] = {
    "view": "know of it",
    "use": "run jobs on it",
    "console": "type into its console",
    "handle": "take it offline and online, check its health, test it, switch its power, release it",
    "administer": "change its configuration and this list, retire it; includes all other rights",
}
EVERYBODY, NOBODY = "everybody", "nobody"
MOST_ENTRIES, LONGEST = 200, 160

Access = Mapping[str, Sequence[str]]
"""By right, the entries of its list; a right that is missing is left to others to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for one board or type, each right from whoever said it first; empty: the default."""

    view: tuple[str, ...] = ()
    """Default: everybody who may read at all."""
    use: tuple[str, ...] = ()
    """Default: every user."""
    console: tuple[str, ...] = ()
    """Default: in a job, its submitter; else its administrators."""
    handle: tuple[str, ...] = ()
    """Default: its administrators."""
    administer: tuple[str, ...] = ()
    """Default: nobody beside those who administer the lab."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who wants something, as far as rules look at it."""

    name: str = ""
    """For sentences; empty: a visitor who is not logged in."""
    entries: frozenset[str] = frozenset()
    """By what lists may name them: ``user:…`` and ``group:…``. None for visitors."""
    known: bool = False
    """Logged in, with an active account."""
    reads: bool = False
    """May see what everybody may see: who is known, and visitors where the site lets them read."""
    boards: frozenset[Right] = frozenset()
    """Rights on all boards of the lab, whatever their lists say."""
    types: frozenset[Right] = frozenset()
    """The same of all device types."""


def resolve(layers: Iterable[Access]) -> Rules:
    """Return what layers make together; the nearest comes first, and the first that names a right counts."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        for right, entries in layer.items():
            if entries and right not in found:
                found[right] = tuple(entries)
    return Rules(**{right: found[right] for right in RIGHTS if right in found})


def allows(
    rules: Rules, right: Right, person: Person, *, everywhere: Iterable[Right] = (), own: bool = False
) -> bool:
    """Whether a person has a right.

    `everywhere`: the rights that the person has on all things of this kind. `own`: in a job that the person
    has submitted. Who has a right by name may view; who may not view has none of the others.
    """
    if right in everywhere or _among(rules.administer, person):
        return True
    if "view" not in everywhere and not _sees(rules, person):
        return False
    match right:
        case "view":
            return True
        case "use":
            return _among(rules.use, person) if rules.use else person.known
        case "console":
            return _among(rules.console, person) if rules.console else own and person.known
        case "handle":
            return _among(rules.handle, person)
        case "administer":
            return False


def granted_by(rules: Rules) -> str:
    """Who can put somebody on a list, in words."""
    named = [words_of(entry) for entry in rules.administer if ":" in entry]
    if not named:
        return "the lab's administrators"
    return f"{', '.join(named)} or the lab's administrators"


def words_of(entry: str) -> str:
    """An entry as it is said: ``group:kernel`` is the group kernel."""
    kind, _, name = entry.partition(":")
    return f"the group {name}" if kind == "group" else name or kind


def checked_access(access: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return it as it is stored: known rights, entries sorted, each once, empty lists left out.

    Whether the users and groups exist is for the caller to check: see `named`.
    """
    for right in access:
        if right not in RIGHTS:
            raise Rejected(f"access: {str(right)[:60]!r} is no right: they are {', '.join(RIGHTS)}.")
    found: dict[str, list[str]] = {}
    for right in RIGHTS:
        entries = access.get(right) or ()
        if not isinstance(entries, list | tuple | set | frozenset):
            raise Rejected(f"access.{right}: write a list of entries such as user:NAME or group:NAME.")
        if len(entries) > MOST_ENTRIES:
            raise Rejected(
                f"access.{right}: {len(entries)} entries; the most is {MOST_ENTRIES}: name a group instead."
            )
        if entries:
            found[right] = sorted({_checked_entry(right, entry) for entry in entries})
    return found


def named(access: Access, kind: Literal["user", "group"]) -> set[str]:
    """Return the names of all users, or all groups, in the lists."""
    prefix = f"{kind}:"
    return {
        entry.removeprefix(prefix)
        for entries in access.values()
        for entry in entries
        if entry.startswith(prefix)
    }


def _checked_entry(right: Right, entry: object) -> str:
    if entry in (EVERYBODY, NOBODY):
        return str(entry)
    kind, _, name = entry.partition(":") if isinstance(entry, str) else ("", "", "")
    if kind not in ("user", "group") or not name or len(name) > LONGEST or not name.isprintable():
        raise Rejected(
            f"access.{right}: {str(entry)[:80]!r} names nobody: write user:NAME, group:NAME, "
            f"{EVERYBODY} or {NOBODY}."
        )
    return f"{kind}:{name}"


def _sees(rules: Rules, person: Person) -> bool:
    if not person.reads:
        return False
    if not rules.view or EVERYBODY in rules.view:
        return True
    lists = (rules.view, rules.use, rules.console, rules.handle)
    return any(not person.entries.isdisjoint(entries) for entries in lists)


def _among(entries: Sequence[str], person: Person) -> bool:
    if not person.known:
        return False
    return EVERYBODY in entries or not person.entries.isdisjoint(entries)
