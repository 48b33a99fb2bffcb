"""What the API answers about boards and device types, as types: see `jobs.api.shapes`."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

BoardState = Literal["free", "reserved", "unhealthy", "unchecked", "offline", "quarantined", "retired"]
Health = Literal["unknown", "good", "bad"]
Kind = Literal["board", "vm"]
Right = Literal["view", "use", "console", "handle", "administer"]


class Board(TypedDict):
    """A board. `reason`: why no job can have it now; empty: it can be reserved."""

    name: str
    device_type: str
    site: str
    tags: list[str]
    description: str
    state: BoardState
    reason: str
    offline: bool
    held_by_job: int | None
    held_since: str | None
    health: Health
    health_reason: str
    health_job: int | None
    check: str
    check_job: int | None
    checked_at: str | None
    check_every: float | None
    runs: list[str]
    version: int
    url: str


class Boards(TypedDict):
    """A page of the list; `next` is the address of the following one."""

    boards: list[Board]
    next: str | None


class Setting(TypedDict):
    """One value of an effective configuration; `origin` says in words where it comes from."""

    path: str
    value: Any
    source: str
    origin: str


class Change(TypedDict):
    what: str
    old: str | None
    new: str | None


class HistoryEntry(TypedDict):
    """One event in words; `who` did it by the interface `cause`."""

    position: int
    version: int
    at: str
    who: str
    cause: str
    type: str
    text: str
    changes: list[Change]
    why: str


class History(TypedDict):
    """The newest first; `next` is the address of what was before."""

    history: list[HistoryEntry]
    next: str | None


class Reservation(TypedDict):
    """A job had the board; `until` null: it still has."""

    job: int
    since: str
    until: str | None
    why: str


class Reservations(TypedDict):
    """The newest first."""

    reservations: list[Reservation]


class ErrandStep(TypedDict):
    """One thing that was tried. `said` and `transcript`: for who may see how the board is reached."""

    step: str
    result: Literal["pass", "fail", "skip"]
    said: str
    transcript: str
    seconds: float


class Errand(TypedDict):
    """What a worker does to a board at somebody's request; `outcome` empty: it is not over."""

    number: int
    what: Literal["test", "on", "off", "cycle", "console"]
    by: str
    asked_at: str
    worker: str
    steps: list[ErrandStep]
    ended_at: str | None
    outcome: Literal["pass", "fail", "lost", ""]
    reason: str


class Errands(TypedDict):
    """The newest first."""

    errands: list[Errand]


class ErrandMade(TypedDict):
    errand: int
    url: str


class ImportedEntry(TypedDict):
    """What became, or would become, of a type or board of the text; `line`: where the text has it."""

    kind: Literal["type", "board"]
    name: str
    doing: Literal["added", "changed", "as it is", "refused"]
    version: int
    line: int
    changes: list[Change]
    problems: list[str]


class Imported(TypedDict):
    """`applied`: whether it was done. `versions`: for `expected` of the real run after a dry one."""

    applied: bool
    summary: str
    entries: list[ImportedEntry]
    versions: dict[str, int]


class Configured(TypedDict):
    """How the lab reaches its machines: null for those who may not see that."""

    config: dict[str, Any] | None
    effective: list[Setting] | None
    problems: list[str] | None


class WholeBoard(Board, Configured):
    """All about a board. The header ETag holds its version, for a change."""


class DeviceType(TypedDict):
    """A type of boards or of virtual machines. `chain`: it, what it is based on, and so on."""

    name: str
    kind: Kind
    description: str
    chain: list[str]
    based_on_it: list[str]
    boards: list[str]
    retired: str
    version: int
    url: str


class DeviceTypes(TypedDict):
    """A page of the list; `next` is the address of the following one."""

    device_types: list[DeviceType]
    next: str | None


class WholeDeviceType(DeviceType, Configured):
    """All about a type. The header ETag holds its version, for a change."""


class Lists(TypedDict, total=False):
    """By right, who has it: `user:NAME`, `group:NAME`, `everybody` or `nobody`."""

    view: list[str]
    use: list[str]
    console: list[str]
    handle: list[str]
    administer: list[str]


class Access(TypedDict):
    """Who may do what. `access`: what the thing says itself; `effective`: with what it leaves to others.

    Both are null for who may not see the configuration. `rights`: the reader's; `granted_by`: who helps.
    """

    access: Lists | None
    effective: Lists | None
    rights: list[Right]
    granted_by: str


class AvailableBoard(TypedDict):
    """A board of a type. `job`: who holds it, if the reader may see that job."""

    name: str
    state: BoardState
    free: bool
    reason: str
    job: int | None
    tags: list[str]


class AvailableBoardType(TypedDict):
    """A type of boards: how many are free, and how many jobs wait for one."""

    name: str
    description: str
    runs: list[str]
    deploy: str
    free: int
    queued: int
    boards: list[AvailableBoard]


class AvailableVmType(TypedDict):
    name: str
    description: str
    memory: int
    cpus: int


class Availability(TypedDict):
    """What the lab could give a job now, and what a definition may name."""

    board_types: list[AvailableBoardType]
    vm_types: list[AvailableVmType]
    groups: list[str]
    images: list[str]


# -- what is sent --------------------------------------------------------------------------------


class Reason(TypedDict, total=False):
    """Goes into the history."""

    reason: str


class GivenReason(TypedDict):
    """Goes into the history."""

    reason: str


class BoardChange(TypedDict, total=False):
    """What is to be changed; `config` as an object, or as its text in YAML."""

    device_type: str
    site: str
    tags: list[str]
    description: str
    config: dict[str, Any] | str
    reason: str


class _Named(TypedDict):
    name: str
    device_type: str


class NewBoard(_Named, total=False):
    """A board to register. Its `config` is laid over the type's and must make it complete."""

    site: str
    tags: list[str]
    description: str
    config: dict[str, Any] | str
    access: Lists


class _GivenAccess(TypedDict):
    access: Lists


class AccessChange(_GivenAccess, total=False):
    """All lists of a board or a type; those that are left out say nothing."""

    reason: str


class DeviceTypeChange(TypedDict, total=False):
    """What is to be changed; `base` empty: it is based on nothing any more."""

    base: str
    description: str
    config: dict[str, Any] | str
    reason: str


class _Kind(TypedDict):
    name: str
    kind: Kind


class NewDeviceType(_Kind, total=False):
    """A type to register."""

    base: str
    description: str
    config: dict[str, Any] | str
    access: Lists


class HealthNote(TypedDict):
    """Bad needs a reason, and keeps jobs away."""

    health: Health
    reason: str


class WantedErrand(TypedDict):
    """``test``: of its connections. The others switch its power, where it is offline."""

    what: Literal["test", "on", "off", "cycle"]


class _ImportText(TypedDict):
    text: str


class Import(_ImportText, total=False):
    """An inventory as YAML or JSON. `expected`: the `versions` of the dry run that was looked at."""

    dry_run: bool
    reason: str
    expected: dict[str, int] | None


class _NewName(TypedDict):
    name: str


class Clone(_NewName, total=False):
    """The name of the new board, and what its configuration says otherwise."""

    config: dict[str, Any] | str


class PowerAction(TypedDict):
    action: Literal["on", "off", "cycle"]
