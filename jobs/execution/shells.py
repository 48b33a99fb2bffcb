"""Test shells as they are prepared: definitions fetched and read, the tree for a node, what it will say."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.domain import testdef
from jobs.domain.definition.model import (
    Action,
    AddAptRepository,
    CommandRun,
    TestInstall,
    TestShell,
    TestSource,
)
from jobs.domain.made_definitions import definition_of
from jobs.domain.overlay import NodeFacts, OverlayFile, SuitePlan, build
from jobs.execution.journal import SUITE
from jobs.execution.shell import SHELL, Expected
from jobs.execution.sources import MAX_TREE, Got, Sources
from jobs.target import helpers
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault

MAX_DEFINITIONS = 200
"""In one shell, with everything that they depend on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A test definition, read."""

    definition: testdef.TestDefinition
    got: Got
    files: tuple[OverlayFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellPlan:
    """One test shell of one node."""

    action: Action
    folder: str
    """Name of the tree's folder on the node."""
    files: tuple[OverlayFile, ...] = field(repr=False)
    expected: tuple[Expected, ...]
    timeout: float | None

    @property
    def reboots(self) -> bool:
        """Whether it wants a node that nothing has run on."""
        return isinstance(self.action, TestShell)

    def deadline(self, outer: Deadline) -> Deadline:
        return outer if self.timeout is None else outer.within(self.timeout, f"{SHELL}{self.timeout:g} s")


def is_shell(action: Action) -> bool:
    """Say whether an action runs something in a test shell."""
    return isinstance(action, TestShell | CommandRun | TestInstall | AddAptRepository)


def gate_action(actions: Sequence[Action]) -> Action | None:
    """Return the action of the host after which it waits for its VMs.

    That is its first test shell; without one the last other action that runs something.
    """
    shells = [action for action in actions if is_shell(action)]
    return next((one for one in shells if isinstance(one, TestShell)), shells[-1] if shells else None)


class Loader:
    """Fetches and reads the definitions of a job's test shells, each action once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._trees: dict[Path, tuple[OverlayFile, ...]] = {}

    def load(self, action: Action, deadline: Deadline) -> tuple[Loaded, ...]:
        """Return what an action runs, in order. Raises `DefinitionFault`, `InfrastructureError`."""
        try:
            if isinstance(action, TestShell):
                found: list[Loaded] = []
                for source in action.sources:
                    self._load(source, deadline, found, set())
                return tuple(found)
            return (Loaded(definition=definition_of(action), got=Got(text="", where=action.command)),)
        except DefinitionFault as exc:
            exc.action = exc.action or action.command
            raise

    def _load(self, source: TestSource, deadline: Deadline, found: list[Loaded], path: set[str]) -> None:
        deadline.check()
        got = self._sources.get(source, deadline)
        if got.where != "inline" and got.where in path:
            raise DefinitionFault(f"{got.where} depends on itself (test-case-deps)")
        try:
            definition = testdef.parse(got.text)
        except DefinitionFault as exc:
            raise DefinitionFault(f"{got.where}: {exc}") from exc
        for needed in definition.depends:
            self._load(needed, deadline, found, path | {got.where})
        files = list(self._files(got.tree, got.where)) if got.tree is not None else []
        for repo in definition.install.git_repos:
            tree, _ = self._sources.clone(repo.url, repo.branch, deadline)
            below = self._files(tree, repo.url)
            files += [replace(file, path=f"{repo.folder}/{file.path}") for file in below]
        found.append(Loaded(definition=definition, got=got, files=tuple(files)))
        if len(found) > MAX_DEFINITIONS:
            raise DefinitionFault(f"the test shell has more than {MAX_DEFINITIONS} test definitions")

    def _files(self, tree: Path, where: str) -> tuple[OverlayFile, ...]:
        """Return a working tree's files; definitions of one repository share them."""
        if tree not in self._trees:
            self._trees[tree] = tuple(_tree(tree, where))
        return self._trees[tree]


def plan_shells(
    facts: NodeFacts, index: int, actions: Sequence[tuple[Action, tuple[Loaded, ...]]]
) -> tuple[ShellPlan, ...]:
    """Return the shells of one node, in order."""
    plans: list[ShellPlan] = []
    taken: list[str] = [SUITE]
    for number, (action, loaded) in enumerate(actions, 1):
        names = testdef.unique_names((one.definition.name for one in loaded), taken)
        taken += names
        skip = action.skip_install if isinstance(action, TestShell) else ""
        suites = [
            SuitePlan(
                definition=one.definition,
                suite=name,
                uuid=str(uuid.uuid4()),
                parameters=one.got.parameters,
                skip_install=skip,
                files=one.files,
            )
            for name, one in zip(names, loaded, strict=True)
        ]
        plans.append(
            ShellPlan(
                action=action,
                folder=f"lava-{facts.job}.{index}" + (f"-{number}" if number > 1 else ""),
                files=tuple(build(facts, suites, helpers())),
                expected=tuple(_expected(suite, one) for suite, one in zip(suites, loaded, strict=True)),
                timeout=_timeout(action),
            )
        )
    return tuple(plans)


def _expected(suite: SuitePlan, loaded: Loaded) -> Expected:
    definition, got = loaded.definition, loaded.got
    origin = {
        "name": definition.name,
        "version": definition.version,
        "description": definition.description[:1000],
        "source": got.where,
        "revision": got.revision,
    }
    return Expected(
        suite=suite.suite,
        uuid=suite.uuid,
        origin={key: value for key, value in origin.items() if value},
        pattern=definition.pattern,
        warnings=definition.warnings,
    )


def _timeout(action: Action) -> float | None:
    return action.timeout if isinstance(action, TestShell | CommandRun | TestInstall) else None


def _leads_down(folder: str, name: str, root: str) -> bool:
    """Say whether a folder, or a link to one, is inside of the tree and does not lead back up."""
    target = Path(os.path.realpath(os.path.join(folder, name)))
    return target.is_relative_to(root) and not Path(os.path.realpath(folder)).is_relative_to(target)


def _tree(tree: Path, where: str) -> Iterable[OverlayFile]:
    """Yield the files of a working tree. Links are followed inside of it and left out where they lead out."""
    root = os.path.realpath(tree)
    total = 0
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if name != ".git" and _leads_down(folder, name, root))
        for name in sorted(names):
            path = Path(os.path.realpath(os.path.join(folder, name)))
            if not path.is_relative_to(root) or not path.is_file():
                continue
            content = path.read_bytes()
            total += len(content)
            if total > MAX_TREE:
                raise DefinitionFault(f"{where} has more than {MAX_TREE} bytes of files")
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            relative = os.path.relpath(os.path.join(folder, name), root)
            yield OverlayFile(path=relative, content=content, mode=mode)
