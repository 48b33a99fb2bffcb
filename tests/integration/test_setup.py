"""tools/setup and the Makefile: what they say and do on systems that are not as they should be."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "tools/setup"


def setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SETUP), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def system(folder: Path, release: str) -> str:
    """A root folder in which nothing is installed."""
    (folder / "etc").mkdir()
    (folder / "etc/os-release").write_text(release)
    return str(folder)


def test_another_system_is_told_what_is_missing_and_left_alone(tmp_path: Path) -> None:
    done = setup("demo", LABBOOK_SETUP_SYSTEM=system(tmp_path, 'ID=fedora\nVERSION_ID="41"\n'))
    assert done.returncode == 1
    assert "qemu-system-arm (virtual machines of types kvm-arm and kvm-aarch64)" in done.stdout
    assert "this is not Debian 12, so nothing is installed here" in done.stderr
    assert "apt-get" not in done.stdout


def test_another_debian_is_another_system(tmp_path: Path) -> None:
    done = setup("demo", LABBOOK_SETUP_SYSTEM=system(tmp_path, 'ID=debian\nVERSION_ID="13"\n'))
    assert done.returncode == 1
    assert "this is not Debian 12" in done.stderr


def test_apt_that_fails_ends_the_setup_with_the_command_to_try(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in (("apt-get", 'echo "$@" >>"${0%/*}/calls"; [ "$1" = update ]'), ("sudo", '"$@"')):
        (programs / name).write_text(f'#!/bin/sh\nwhile [ "$1" = -n ]; do shift; done\n{does}\n')
        (programs / name).chmod(0o755)
    root = tmp_path / "root"
    root.mkdir()
    release = system(root, 'ID=debian\nVERSION_ID="12"\n')
    done = setup("demo", LABBOOK_SETUP_SYSTEM=release, PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "As root, try: apt-get update && apt-get install" in done.stderr
    update, install = (programs / "calls").read_text().splitlines()
    assert update == "update -qq"
    assert "openssh-server" in install
    assert "openssh-client" in install
    assert "postgresql" not in install, "the demo needs no more than the demo"


def test_an_environment_that_fits_the_lock_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\necho touched; exit 1\n")
    (tmp_path / "bin/python").chmod(0o755)
    digest = subprocess.check_output(["sha256sum", str(ROOT / "requirements-dev.lock")], text=True).split()[0]
    (tmp_path / ".lock").write_text(digest + "\n")
    for purpose in ("test", "demo"):
        done = setup(purpose, LABBOOK_VENV=str(tmp_path))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_package_list_names_nothing_that_is_already_here() -> None:
    lines = [line for line in SETUP.read_text().splitlines() if re.match(r"^[a-z0-9.-]+ /\S+ \S", line)]
    missing = [line.split()[0] for line in lines if not Path(line.split()[1]).exists()]
    assert missing == [], "these tests run where setup has run, so its marks must be there"


def test_setup_is_plain_sh() -> None:
    subprocess.run(["dash", "-n", str(SETUP)], check=True)
    subprocess.run(["busybox", "ash", "-n", str(SETUP)], check=True)


@pytest.mark.parametrize("target", ["setup", "images", "demo", "serve", "lint", "test", "check", "clean"])
def test_every_target_of_the_makefile_exists_and_is_explained(target: str) -> None:
    dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr
    told = subprocess.check_output(["make"], cwd=ROOT, text=True)
    assert re.search(rf"^{target}\s+\S", told, re.M)


def test_once_ends_the_demo_after_its_job() -> None:
    with_once = subprocess.check_output(["make", "-n", "demo", "ONCE=1"], cwd=ROOT, text=True)
    assert "manage.py demo --once" in with_once
    assert "--once" not in subprocess.check_output(["make", "-n", "demo"], cwd=ROOT, text=True)


def test_ci_runs_what_everybody_runs() -> None:
    assert re.search(r"^exec make test$", (ROOT / ".ci/run").read_text(), re.M)
    checks = subprocess.check_output(["make", "-n", "check"], cwd=ROOT, text=True)
    for part in (
        "ruff format --check",
        "ruff check",
        "mypy",
        "lint-imports",
        "makemigrations --check",
        "pytest",
    ):
        assert part in checks
