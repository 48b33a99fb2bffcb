"""The demo as a person runs it, in a data folder in which nothing but the images is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
OTHERS = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL")


def prepare(folder: Path, images: Iterable[Path]) -> None:
    """Put the images where the demo looks for them."""
    (folder / "images").mkdir()
    for path in images:
        (folder / "images" / path.name).hardlink_to(path)


def environment(var: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in OTHERS}
    return kept | {"LABBOOK_VAR": str(var), "PYTHONUNBUFFERED": "1"}


def demo(var: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "demo", *arguments],
        env=environment(var),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def manage(var: Path, *arguments: str, stdin: str = "", status: int = 0) -> bytes:
    """What a management command prints in the demo's lab, if it ends with that status."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env=environment(var), input=stdin.encode(), capture_output=True)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def processes_of(var: Path) -> list[str]:
    """Command lines of everything that runs with this data folder or in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            command = " ".join(process.cmdline())
            if str(var) in command or process.environ().get("LABBOOK_VAR") == str(var):
                found.append(command)
        except psutil.Error:
            continue
    return found
