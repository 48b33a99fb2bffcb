"""The test definitions that actions without one stand for: commands, installations, package sources.

Every command is a test case of its own, named by what it does, and the next one runs whether it passed or
not, in the same shell, as if somebody typed them.
"""

from __future__ import annotations

import shlex

from jobs.domain.definition.model import Action, AddAptRepository, CommandRun, TestInstall
from jobs.domain.patterns import PatternFault, ResultPattern
from jobs.domain.testdef import TestDefinition
from lab.kernel.errors import DefinitionFault

LONGEST = 80
"""Characters of a command that the name of its case keeps."""

_TOLD = """\
labbook_told() {
  if [ "$1" = 0 ]; then lava-test-case "$2" --result pass; return; fi
  echo "$2: exit status $1"
  lava-test-case "$2" --result fail
}"""

_PIP = """\
labbook_pip() {
  export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore
  command -v pip3 >/dev/null 2>&1 || command -v pip >/dev/null 2>&1 ||
    lava-install-packages python3-pip || return
  if command -v pip3 >/dev/null 2>&1; then pip3 install "$1"; else pip install "$1"; fi
}"""


def definition_of(action: Action) -> TestDefinition:
    """Return the definition that an action stands for. Raises `DefinitionFault` for an unusable pattern."""
    if isinstance(action, CommandRun):
        return _command_run(action)
    if isinstance(action, TestInstall):
        return _test_install(action)
    if isinstance(action, AddAptRepository):
        steps = [_TOLD, *(_step(one, f"lava-add-sources {shlex.quote(one)}") for one in action.arg)]
        return TestDefinition(name="add_apt_repository", steps=tuple(steps))
    raise TypeError(f"{action.command} runs in no test shell")


def _command_run(action: CommandRun) -> TestDefinition:
    try:
        pattern = (
            ResultPattern(action.parser, action.fixupdict)
            if action.parser
            else ResultPattern.default(action.fixupdict)
        )
    except PatternFault as fault:
        raise DefinitionFault(f"parser of {action.command}: {fault}") from fault
    steps = [_TOLD]
    for turn in range(1, action.iterations + 1):
        again = f" ({turn})" if turn > 1 else ""
        steps += [_step(case_name(command) + again, command) for command in action.commands]
    return TestDefinition(name="lava-command", steps=tuple(steps), pattern=pattern)


def _test_install(action: TestInstall) -> TestDefinition:
    steps = [_TOLD, _PIP]
    if action.install_deb:
        names = " ".join(action.install_deb)
        steps.append(_step(f"deb {names}", f"lava-install-packages {shlex.join(action.install_deb)}"))
    steps += [_step(f"python {name}", f"labbook_pip {shlex.quote(name)}") for name in action.install_python]
    steps += [
        _step(f"register {url}", f"lava-test register-test {shlex.quote(url)}") for url in action.register
    ]
    steps += [_step(f"test {name}", f"lava-test install {shlex.quote(name)}") for name in action.tests]
    return TestDefinition(name="lava_test_install", steps=tuple(steps))


def case_name(command: str) -> str:
    """Return the name of a command's case: the command itself, on one line, shortened."""
    words = " ".join(command.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 3].rstrip() + "..."


def _step(name: str, command: str) -> str:
    """Return a step. A command on the left of ``||`` does not end the script when it fails."""
    return (
        f"labbook_status=0\n{{ {command}\n}} </dev/null || labbook_status=$?\n"
        f"labbook_told $labbook_status {shlex.quote(case_name(name))}"
    )
