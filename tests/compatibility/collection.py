"""Which definitions of a collection run where, with what parameters, and which do not and why."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

GUESTS = ("busybox", "debian")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One definition to run."""

    path: str
    """Inside the collection."""
    name: str
    params: Mapping[str, str]
    """Its own, overridden by ours."""
    ours: Mapping[str, str]
    """Parameters that the job gives."""
    steps: Sequence[str]
    packages: Sequence[str] = ()
    """What it wants installed (``install.deps``)."""

    @property
    def script(self) -> str:
        """What somebody would type who runs it by hand."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.params.items()]
        return "\n".join(["set -e", *exports, *self.steps, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Definitions for several nodes at once."""

    name: str
    guest: str
    roles: Mapping[str, Definition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is to be done with a collection."""

    runs: Mapping[str, Sequence[Definition]]
    """By guest, in order."""
    together: Sequence[Together] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Path → why it does not run."""
    unknown: Sequence[str] = ()
    """Definitions of the collection that the table does not mention."""


def read_table(file: Path, collection: Path) -> Table:
    """Read a table of the definitions in `collection`. Raises `ValueError` for one that is not there."""
    text = yaml.load(file.read_text(), Loader=yaml.BaseLoader)
    common = text.get("parameters") or {}
    left_out = {path: why for why, paths in (text.get("left out") or {}).items() for path in paths}
    groups = text.get("together") or {}
    known = {path for guest in GUESTS for path in text.get(guest) or {}} | set(left_out)
    known |= {path for group in groups.values() for role in group if role != "guest" for path in group[role]}
    every = {
        str(path.relative_to(collection))
        for path in sorted(collection.rglob("*.yaml"))
        if str(path.relative_to(collection)).startswith(text.get("below", "")) and is_definition(load(path))
    }
    if gone := sorted(known - every):
        raise ValueError(f"{file} names what {collection} has not: {', '.join(gone)}")
    runs = {}
    for guest in GUESTS:
        wanted = (text.get(guest) or {}).items()
        runs[guest] = [read(collection, path, {**common, **(own or {})}) for path, own in wanted]
    together = []
    for name, group in groups.items():
        roles = {}
        for role in group.keys() - {"guest"}:
            ((path, own),) = group[role].items()
            roles[role] = read(collection, path, {**common, **(own or {})})
        together.append(Together(name=name, guest=group["guest"], roles=dict(sorted(roles.items()))))
    return Table(together=together, runs=runs, left_out=left_out, unknown=sorted(every - known))


def read(collection: Path, path: str, parameters: Mapping[str, str]) -> Definition:
    """Read a definition, by a reader that is not Labbook's. Of `parameters` it gets those that it has."""
    found = load(collection / path)
    if not is_definition(found):
        raise ValueError(f"{collection / path} is no test definition")
    params = {name: value or "" for name, value in (found.get("params") or {}).items()}
    if "parameters" in found:
        # Some definitions say "parameters", which nobody reads: then they depend on what the job gives.
        ours = {name: value for name, value in parameters.items() if name in found["parameters"]}
    else:
        ours = {name: value for name, value in parameters.items() if name in params}
    return Definition(
        path=path,
        name=found["metadata"]["name"],
        params={**params, **ours},
        ours=ours,
        steps=found["run"]["steps"],
        packages=(found.get("install") or {}).get("deps") or (),
    )


def load(path: Path) -> Any:
    """Return what a YAML file says, every scalar as it is written."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def is_definition(found: Any) -> bool:
    return isinstance(found, dict) and "metadata" in found and "steps" in (found.get("run") or {})
