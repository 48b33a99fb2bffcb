"""Actions without a test definition: what they make of themselves, run by real shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.domain import scripts
from jobs.domain.definition.model import AddAptRepository, BootImage, CommandRun, TestInstall
from jobs.domain.made_definitions import LONGEST, case_name, definition_of
from lab.kernel.errors import DefinitionFault

SHELLS = [one for one in ("dash", "bash", "busybox") if shutil.which(one)]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """Runs a definition's script with helpers that say what they were called with."""
    for name in ("lava-test-case", "lava-install-packages", "lava-add-sources", "pip3"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "{name}:$*"\ncase "{name} $*" in pip3*broken) exit 7;; esac\n')
        tool.chmod(0o755)
    shell = ["busybox", "sh"] if request.param == "busybox" else [request.param]

    def run_it(action: CommandRun | TestInstall | AddAptRepository) -> list[str]:
        script = tmp_path / "run.sh"
        script.write_text(scripts.run_script(definition_of(action), {}))
        done = subprocess.run(
            [*shell, str(script)],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run_it


def commands(*words: str, **more: object) -> CommandRun:
    return CommandRun(command="lava_command_run", index=0, commands=words, **more)  # type: ignore[arg-type]


def test_every_command_is_a_case_and_a_failing_one_does_not_end_the_rest(run) -> None:  # type: ignore[no-untyped-def]
    said = run(commands("cd /; here=$PWD", "false", "echo $here # where", "cat"))

    assert [line for line in said if line.startswith("lava-test-case")] == [
        "lava-test-case:cd /; here=$PWD --result pass",
        "lava-test-case:false --result fail",
        "lava-test-case:echo $here # where --result pass",
        "lava-test-case:cat --result pass",
    ]
    assert "/" in said, "commands share one shell, as if somebody typed them"
    assert "false: exit status 1" in said


def test_iterations_are_counted(run) -> None:  # type: ignore[no-untyped-def]
    said = run(commands("echo a\necho b", iterations=2))
    assert said == [
        *("a", "b", "lava-test-case:echo a echo b --result pass"),
        *("a", "b", "lava-test-case:echo a echo b (2) --result pass"),
    ]


def test_installations_and_sources_are_cases_too(run) -> None:  # type: ignore[no-untyped-def]
    install = TestInstall(
        command="lava_test_install",
        index=0,
        install_deb=("gcc", "make"),
        install_python=("six", "broken"),
        register=("http://tests.example.org/t.json",),
        tests=("stream",),
    )
    said = run(install)

    assert "lava-install-packages:gcc make" in said
    assert "pip3:install six" in said
    cases = [line.removeprefix("lava-test-case:") for line in said if line.startswith("lava-test-case")]
    assert cases == [
        "deb gcc make --result pass",
        "python six --result pass",
        "python broken --result fail",
        "register http://tests.example.org/t.json --result fail",
        "test stream --result fail",
    ], "the tool lava-test is not there"

    said = run(
        AddAptRepository(command="add_apt_repository", index=0, arg=("ppa:a/b", "deb http://x y main"))
    )
    assert said[0] == "lava-add-sources:ppa:a/b"
    assert "lava-test-case:deb http://x y main --result pass" in said


def test_long_commands_have_short_names() -> None:
    assert len(case_name("x" * 500)) == LONGEST
    assert case_name(" a\n  b ") == "a b"


def test_patterns_are_the_commands_own_or_the_usual_one() -> None:
    own = definition_of(
        commands("x", parser=r"(?P<test_case_id>\w+)=(?P<result>\w+)", fixupdict={"OK": "pass"})
    )
    assert (own.name, own.pattern.search("disk=OK").result) == ("lava-command", "pass")  # type: ignore[union-attr]
    usual = definition_of(commands("x", fixupdict={"FAIL": "skip"}))
    assert usual.pattern.search("net : FAIL").result == "skip"  # type: ignore[union-attr]
    with pytest.raises(DefinitionFault, match="parser of lava_command_run: the pattern"):
        definition_of(commands("x", parser="("))
    with pytest.raises(TypeError, match="boot_linaro_image runs in no test shell"):
        definition_of(BootImage(command="boot_linaro_image", index=0))
