"""A valid definition, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.kernel.errors import DefinitionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a definition."""

    path: str
    """For example ``vm_group.vms[1].count``; empty for the document as a whole."""
    line: int
    """1-based, in the submitted text."""
    column: int
    """1-based, in characters."""
    message: str
    hint: str = ""
    """What is allowed, or a did-you-mean."""

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}"
        return f"{where}: {self.path + ': ' if self.path else ''}{self.message}" + (
            f" ({self.hint})" if self.hint else ""
        )


class Invalid(DefinitionError):
    """The definition has problems; `problems` are in the order of the text."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in where no shell prompt comes by itself (`deploy_*` login keys)."""

    login_prompt: str = ""
    username: str = ""
    password_prompt: str = ""
    password: str = ""
    login_commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    device_type: str
    role: str
    board: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """One entry of ``vm_group.vms``: `count` nodes of one role."""

    device_type: str
    role: str
    image: str = ""
    count: int = 1
    launch_with: tuple[str, ...] = ()
    shell_prompt: str = ""
    memory: int | None = None
    """MiB."""
    cpus: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Base of all actions. `role` empty: for all roles."""

    command: str
    index: int
    """0-based place in ``actions``."""
    role: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def applies_to(self, role: str) -> bool:
        return self.role in ("", role)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployImage(Action):
    image: str
    sha256: str = ""
    login: Login = Login()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployKernel(Action):
    kernel: str
    """Empty: `firmware` finds the boot loader on `rootfs`."""
    ramdisk: str = ""
    dtb: str = ""
    rootfs: str = ""
    firmware: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Expected SHA-256 by key (``kernel``, ``ramdisk``, …), from the ``*_sha256`` keys."""
    boot_cmds: tuple[str, ...] = ()
    login: Login = Login()


@dataclass(frozen=True, slots=True, kw_only=True)
class DummyDeploy(Action):
    target_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage(Action):
    options: tuple[str, ...] = ()
    boot_cmds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSource:
    """Where one test definition comes from: exactly one of `url`, `git_repo`, `inline`."""

    __test__ = False
    url: str = ""
    git_repo: str = ""
    revision: str = ""
    testdef: str = ""
    """Path inside the repository."""
    inline: str = ""
    """The test definition itself, as YAML text."""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestShell(Action):
    __test__ = False
    sources: tuple[TestSource, ...]
    """In document order: urls first, then repos, then inline."""
    timeout: int | None = None
    """Seconds for the whole shell; None: what is left of the job."""
    skip_install: str = ""
    lava_test_dir: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun(Action):
    commands: tuple[str, ...]
    parser: str = ""
    fixupdict: Mapping[str, str] = field(default_factory=dict)
    iterations: int = 1
    timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestInstall(Action):
    __test__ = False
    tests: tuple[str, ...] = ()
    install_python: tuple[str, ...] = ()
    install_deb: tuple[str, ...] = ()
    register: tuple[str, ...] = ()
    timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAptRepository(Action):
    arg: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResults(Action):
    server: str = ""
    stream: str = ""

    @property
    def words(self) -> str:
        """What becomes of the results."""
        return f"they go to {self.server} when the job has ended" if self.server else "results are kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole VM group."""

    job_name: str
    timeout: int
    host: Host
    vms: tuple[Vm, ...]
    actions: tuple[Action, ...]
    auto_start_vms: bool = True
    logging_level: str = "INFO"
    priority: int = 50
    tags: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    notify_on_incomplete: tuple[str, ...] = ()
    visibility: tuple[str, ...] = ()
    """``("public",)``, ``("private",)`` or group names; empty: the site's default."""
    warnings: tuple[Problem, ...] = ()
    """What is legal but probably not meant, for example an `image` that a deploy action overrides."""
