"""The scripts that a test definition becomes: run.sh and install.sh, for any POSIX shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from jobs.domain.testdef import SKIPPABLE, Install, TestDefinition
from lab.kernel.errors import DefinitionFault


def run_script(definition: TestDefinition, variables: Mapping[str, str]) -> str:
    """Return run.sh: the variables, then the steps, the first failing one ends it."""
    return "\n".join([*_head(definition, "run", variables), *definition.steps, ""])


def install_script(definition: TestDefinition, variables: Mapping[str, str], skip: str = "") -> str:
    """Return install.sh, or an empty text if nothing is to be installed.

    Raises `DefinitionFault` if `skip` (``skip_install``) names something else than `SKIPPABLE`.
    """
    skipped = {word for word in re.split(r"[\s,]+", skip.strip()) if word}
    if unknown := skipped - SKIPPABLE:
        raise DefinitionFault(
            f"skip_install names {', '.join(sorted(unknown))!r}; allowed are {', '.join(sorted(SKIPPABLE))}"
        )
    install, lines = definition.install, []

    def wanted(what: str) -> bool:
        return not skipped & {"all", what}

    if install.keys and wanted("keys"):
        lines.append(f"lava-add-keys {shlex.join(install.keys)}")
    if install.sources and wanted("sources"):
        lines.append(f"lava-add-sources {shlex.join(install.sources)}")
    if wanted("deps"):
        lines += _dependencies(install)
    if wanted("steps"):
        lines += install.steps
    return "\n".join([*_head(definition, "install", variables), *lines, ""]) if lines else ""


def _head(definition: TestDefinition, part: str, variables: Mapping[str, str]) -> list[str]:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return ["#!/bin/sh", f"# {definition.name}: {part}", "set -e", *exports]


def _dependencies(install: Install) -> list[str]:
    lines = [f"lava-install-packages {shlex.join(install.deps)}"] if install.deps else []
    if install.deps_by_distro:
        lines += ["(", "ID=", "ID_LIKE=", "[ ! -r /etc/os-release ] || . /etc/os-release"]
        lines.append('case " $ID $ID_LIKE " in')
        for distro, packages in install.deps_by_distro.items():
            if packages:
                lines.append(
                    f'*" "{shlex.quote(distro)}" "*) lava-install-packages {shlex.join(packages)} ;;'
                )
        lines += ["esac", ")"]
    return lines
