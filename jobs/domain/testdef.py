"""Test definitions: ``Lava-Test Test Definition 1.0``, read from YAML and turned into scripts.

Values are taken as they are written: ``false`` stays ``false`` and ``1.10`` stays ``1.10``, because a shell
will read them. All problems of a definition are reported at once, each with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from jobs.domain.definition.model import TestSource
from jobs.domain.patterns import PatternFault, ResultPattern
from jobs.domain.yaml_nodes import NULL, Nodes, NotYaml, compose
from lab.kernel.errors import DefinitionFault

FORMATS = ("lava-test test definition 1.0", "lava-test-shell test definition 1.0")
MAX_NAME = 120
SKIPPABLE = frozenset({"all", "keys", "sources", "repos", "deps", "steps"})
"""What ``skip_install`` may name, several joined by commas."""

_BAD_IN_NAME = re.compile(r"""[\s$&()"'<>/\\|;`\x00-\x1f]""")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.A)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepo:
    """A repository that the lab fetches into the test's folder."""

    url: str
    branch: str = ""
    destination: str = ""
    """Folder below the test's; empty: the repository's own name."""

    @property
    def folder(self) -> str:
        name = self.url.rstrip("/").rpartition("/")[2]
        return self.destination or name.removesuffix(".git")


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """What must be there before the test runs."""

    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    deps_by_distro: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    git_repos: tuple[GitRepo, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDefinition:
    """One test definition, valid."""

    __test__ = False
    name: str
    steps: tuple[str, ...]
    version: str = ""
    description: str = ""
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The lists of the metadata: ``os``, ``devices``, ``environment``, ``scope``, ``maintainer``."""
    params: Mapping[str, str] = field(default_factory=dict)
    install: Install = Install()
    pattern: ResultPattern = field(default_factory=ResultPattern.default)
    depends: tuple[TestSource, ...] = ()
    """Definitions to run before this one (``test-case-deps``)."""
    warnings: tuple[str, ...] = ()
    text: str = ""
    """The definition as it was written."""

    def with_parameters(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables of its scripts: its own `params`, overridden and added to by the job's.

        Raises `DefinitionFault` for a name that no shell takes.
        """
        for name in parameters:
            if not _VARIABLE.fullmatch(name):
                raise DefinitionFault(
                    f"the parameter {name!r} of test definition {self.name!r} is no shell variable name:"
                    " letters, digits and '_', no digit first"
                )
        return {**self.params, **parameters}


def parse(text: str) -> TestDefinition:
    """Read a test definition.

    Raises `DefinitionFault`, whose message names every problem with its line.
    """
    return _Reader().read(text)


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return suite names for definitions: their own, with ``-2``, ``-3`` … where one is used already.

    >>> unique_names(["net", "net", "disk"], taken=["disk"])
    ['net', 'net-2', 'disk-2']
    """
    used, result = set(taken), []
    for name in names:
        candidate, number = name, 1
        while candidate in used:
            number += 1
            candidate = f"{name}-{number}"
        used.add(candidate)
        result.append(candidate)
    return result


class _Reader(Nodes):
    """Reads a definition, and collects what is wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def read(self, text: str) -> TestDefinition:
        try:
            tree = compose(text)
        except NotYaml as error:
            _fail([str(error)])
        top = self.mapping(tree, "the test definition")
        meta = self.mapping(top.pop("metadata", None), "metadata")
        name = self._name(meta.pop("name", None))
        self._format(meta.pop("format", None))
        version = self.text(meta.pop("version", None), "metadata.version")
        description = self.text(meta.pop("description", None), "metadata.description")
        lists = {key: self.texts(node, f"metadata.{key}") for key, node in meta.items()}
        params = self._variables(top.pop("params", None))
        install = self._install(top.pop("install", None))
        run = self.mapping(top.pop("run", None), "run")
        steps = self.steps(run.pop("steps", None), "run.steps")
        if not steps and not self.problems and not install.steps:
            self.problems.append("run.steps: there is no step to run")
        pattern = self._pattern(top.pop("parse", None))
        depends = self._depends(top.pop("test-case-deps", None))
        self.warnings += [
            f"line {node.start_mark.line + 1}: {key!r} is not used" for key, node in top.items()
        ]
        if self.problems:
            _fail(self.problems)
        return TestDefinition(
            name=name,
            steps=steps,
            version=version,
            description=description,
            metadata=lists,
            params=params,
            install=install,
            pattern=pattern,
            depends=depends,
            warnings=tuple(self.warnings),
            text=text,
        )

    def _name(self, node: yaml.Node | None) -> str:
        name = self.text(node, "metadata.name")
        if node is None or not name:
            self.problems.append("metadata.name: is missing")
        elif bad := _BAD_IN_NAME.findall(name):
            message = f"may not contain {' '.join(sorted({repr(each) for each in bad}))}"
            self.problem(node, "metadata.name", message)
        elif len(name) > MAX_NAME or name in (".", ".."):
            self.problem(node, "metadata.name", f"must be a name of at most {MAX_NAME} characters")
        return name

    def _format(self, node: yaml.Node | None) -> None:
        said = self.text(node, "metadata.format")
        if node is not None and said and " ".join(said.lower().split()) not in FORMATS:
            self.problem(node, "metadata.format", f"is {said!r}, not 'Lava-Test Test Definition 1.0'")

    def _variables(self, node: yaml.Node | None) -> dict[str, str]:
        variables = {}
        for name, value in self.mapping(node, "params").items():
            if not _VARIABLE.fullmatch(name):
                message = "is no shell variable name: letters, digits and '_', no digit first"
                self.problem(value, f"params.{name}", message)
            else:
                variables[name] = self.text(value, f"params.{name}")
        return variables

    def _install(self, node: yaml.Node | None) -> Install:
        parts = self.mapping(node, "install")
        by_distro = {}
        for key in [key for key in parts if key.startswith("deps-")]:
            by_distro[key.removeprefix("deps-")] = self.texts(parts.pop(key), f"install.{key}")
        install = Install(
            keys=self.texts(parts.pop("keys", None), "install.keys"),
            sources=self.texts(parts.pop("sources", None), "install.sources")
            + self.texts(parts.pop("repos", None), "install.repos"),
            deps=self.texts(parts.pop("deps", None), "install.deps"),
            deps_by_distro=by_distro,
            git_repos=self._repos(parts.pop("git-repos", None)),
            steps=self.steps(parts.pop("steps", None), "install.steps"),
        )
        for key, value in parts.items():
            self.problem(value, f"install.{key}", "is not supported")
        return install

    def _repos(self, node: yaml.Node | None) -> tuple[GitRepo, ...]:
        if node is None or node.tag == NULL:
            return ()
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        repos = []
        for index, item in enumerate(items):
            path = f"install.git-repos[{index}]"
            parts = {"url": item} if isinstance(item, yaml.ScalarNode) else self.mapping(item, path)
            texts = {key: self.text(value, f"{path}.{key}") for key, value in parts.items()}
            repo = GitRepo(
                url=texts.get("url", ""),
                branch=texts.get("branch", ""),
                destination=texts.get("destination", ""),
            )
            if not repo.url:
                self.problem(item, path, "has no url")
            elif repo.folder.startswith("/") or ".." in repo.folder.split("/") or not repo.folder:
                self.problem(item, path, f"the destination {repo.folder!r} is not below the test's folder")
            elif texts.get("skip_by_default", "").lower() not in ("true", "yes", "1"):
                repos.append(repo)
        return tuple(repos)

    def _pattern(self, node: yaml.Node | None) -> ResultPattern:
        parts = self.mapping(node, "parse")
        source = self.text(parts.get("pattern"), "parse.pattern")
        fixups = {
            key: self.text(value, f"parse.fixupdict.{key}")
            for key, value in self.mapping(parts.get("fixupdict"), "parse.fixupdict").items()
        }
        try:
            return ResultPattern(source, fixups) if source else ResultPattern.default(fixups)
        except PatternFault as fault:
            self.problem(parts.get("pattern") or _first(node), "parse", str(fault))
            return ResultPattern.default()

    def _depends(self, node: yaml.Node | None) -> tuple[TestSource, ...]:
        if node is None or node.tag == NULL:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.problem(node, "test-case-deps", "must be a list")
            return ()
        found = []
        for index, item in enumerate(node.value):
            path = f"test-case-deps[{index}]"
            texts = {
                key: self.text(value, f"{path}.{key}") for key, value in self.mapping(item, path).items()
            }
            source = TestSource(
                url=texts.get("url", ""),
                git_repo=texts.get("git-repo", ""),
                revision=texts.get("revision", texts.get("branch", "")),
                testdef=texts.get("testdef", ""),
            )
            if bool(source.url) == bool(source.git_repo):
                self.problem(
                    item, path, "needs either url or git-repo (bzr-repo and tar-repo are not supported)"
                )
            else:
                found.append(source)
        return tuple(found)


def _first(node: yaml.Node | None) -> yaml.Node:
    assert node is not None
    return node


def _fail(problems: list[str]) -> NoReturn:
    raise DefinitionFault("the test definition cannot be used: " + "; ".join(problems))
