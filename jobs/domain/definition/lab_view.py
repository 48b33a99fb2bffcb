"""What a definition is checked against: the inventory and the site's limits, as one submitter sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.domain.definition.limits import MAX_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """A board that is not retired, whatever it does just now."""

    name: str
    tags: frozenset[str] = frozenset()
    barred: str = ""
    """Who could let the submitter use it, in words; empty: the submitter may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTypeView:
    name: str
    boards: tuple[BoardView, ...] = ()
    runs: frozenset[str] = frozenset()
    """VM types that its boards can run."""
    deploy: str = "none"
    """Deploy method; ``none``: the installed system is used as it is."""
    barred: str = ""
    """Who could let the submitter use any of it, in words; empty: the submitter may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabView:
    """The lab, as far as a definition depends on it."""

    board_types: Mapping[str, BoardTypeView] = field(default_factory=dict)
    vm_types: frozenset[str] = frozenset()
    barred_vm_types: Mapping[str, str] = field(default_factory=dict)
    """Those of `vm_types` that the submitter may not use, each with who can grant it, in words."""
    launched: frozenset[str] | None = frozenset()
    """Those of `vm_types` that are started by commands of their own, which may need no image. None: not
    known."""
    sends_mail: bool = True
    groups: frozenset[str] = frozenset()
    """Names of user groups that a job can be visible to."""
    images: frozenset[str] | None = None
    """Names for ``lab:NAME``; None: not known here, a run will tell."""
    file_roots: tuple[str, ...] | None = None
    """Absolute folders below which file:// URLs may point; None: not known. A run resolves links, too."""
    max_timeout: int = 24 * 3600
    """Seconds."""
    max_vms: int = 16
    """VMs in one group, copies counted."""
    max_bytes: int = MAX_TEXT
    """UTF-8 bytes of a definition."""
