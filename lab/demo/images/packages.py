"""Debian packages of any architecture, without root and without touching the system's own dpkg.

A private apt lives in a folder of its own: its own lists and status, the system's sources and keys.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from lab.demo.images.errors import ImageError

SOURCES = Path("/etc/apt")


class Archive:
    """The packages of one architecture."""

    def __init__(self, folder: Path, architecture: str, *, sources: Path = SOURCES) -> None:
        self.architecture = architecture
        self._folder = folder
        self._debs = folder / "debs"
        self._sources = sources
        self._config = folder / "apt.conf"
        self._updated = False

    def fetch(self, package: str) -> Path:
        """Return the newest version of the package as a file; raises `ImageError`.

        Where the archive cannot be reached, a copy downloaded before will do.
        """
        with alone(self._folder):
            return self._fetch(package)

    def depends(self, package: str, pattern: str) -> str:
        """Return the first dependency of a (meta) package whose name matches."""
        with alone(self._folder):
            return self._depends(package, pattern)

    def fetch_system(self, packages: Sequence[str]) -> list[Path]:
        """Return packages and all that they need, without what is only recommended; raises `ImageError`.

        apt chooses, as for a machine on which nothing is installed yet, and checks what it downloads; what it
        downloaded before it does not fetch again.
        """
        with alone(self._folder):
            return self._fetch_system(list(packages))

    def _fetch_system(self, packages: list[str]) -> list[Path]:
        self._update()
        folder, nothing = self._folder / "cache/archives", self._folder / "cache/nothing"
        (nothing / "partial").mkdir(parents=True, exist_ok=True)
        ask = ("apt-get", "install", "-qq", "--no-install-recommends")
        # What is downloaded already is not listed.
        listed = self._run(*ask, "--print-uris", "-o", f"Dir::Cache::archives={nothing}", *packages)
        names = re.findall(r"^'\S+' (\S+) ", listed.stdout, re.M)
        if listed.returncode or not names:
            raise ImageError(
                f"apt cannot put together {', '.join(packages)} for {self.architecture}: "
                f"{_last_line(listed.stderr) or 'it names no packages'}. "
                "Check that apt-get update works on this machine, then try again."
            )
        files, said = [folder / name for name in names], ""
        for _ in range(3):
            if all(file.exists() for file in files):
                return files
            said = self._run(*ask, "--yes", "--download-only", *packages).stderr
        if missing := [file.name for file in files if not file.exists()]:
            raise ImageError(
                f"cannot get {len(missing)} Debian packages for {self.architecture} ({missing[0]}, …): "
                f"{_last_line(said) or 'the download failed'}. Check the network, then try again."
            )
        return files

    def _fetch(self, package: str) -> Path:
        self._update()
        found = self._run("apt-get", "download", "-qq", "--print-uris", package)
        if found.returncode == 0 and (match := re.search(r"^'\S+' (\S+) ", found.stdout, re.M)):
            wanted = self._debs / match.group(1)
            if wanted.exists() or self._download(package, wanted):
                return wanted
        for earlier in sorted(self._debs.glob(f"{package}_*.deb")):
            return earlier
        raise ImageError(
            f"cannot get the Debian package {package} for {self.architecture}: "
            f"{_last_line(found.stderr) or 'the download failed'}. "
            "Check that apt-get update works on this machine, then try again."
        )

    def _depends(self, package: str, pattern: str) -> str:
        self._update()
        answer = self._run("apt-cache", "depends", "--important", package)
        if match := re.search(rf"Depends: ({pattern})$", answer.stdout, re.M):
            return match.group(1)
        for earlier in sorted(self._debs.glob("*.deb")):
            if re.fullmatch(pattern, name := earlier.name.split("_")[0]):
                return name
        raise ImageError(
            f"the package {package} for {self.architecture} is not in this machine's apt sources "
            f"({self._sources}): {_last_line(answer.stderr) or 'it has no such dependency'}."
        )

    def _download(self, package: str, wanted: Path) -> bool:
        """Download, a few times over: mirrors in mid-synchronisation give wrong checksums for a while."""
        for _ in range(3):
            self._run("apt-get", "download", "-qq", package, cwd=self._debs)
            if wanted.exists():
                for other in self._debs.glob(f"{package}_*.deb"):
                    if other != wanted:
                        other.unlink()
                return True
        return False

    def _update(self) -> None:
        if self._updated:
            return
        self._configure()
        # Part of the archive may be out of step (a security mirror being written); the rest is enough.
        self._run("apt-get", "update", "-qq")
        self._updated = True

    def _configure(self) -> None:
        for sub in ("lists/partial", "cache/archives/partial", "preferences.d", "debs"):
            (self._folder / sub).mkdir(parents=True, exist_ok=True)
        parts = self._folder / "sources.list.d"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        for source in debian_sources(self._sources):
            (parts / source.name).symlink_to(source)
        (self._folder / "status").touch()
        options = {
            "APT::Architecture": self.architecture,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Dir::State": self._folder,
            "Dir::State::Lists": self._folder / "lists",
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": parts,
            "Dir::Etc::preferencesparts": self._folder / "preferences.d",
        }
        lines = [f'{key} "{value}";' for key, value in options.items()]
        lines.append(f'APT::Architectures {{ "{self.architecture}"; }};')
        self._config.write_text("\n".join(lines) + "\n")

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"APT_CONFIG": str(self._config), "LC_ALL": "C"}
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder to ourselves, among threads and processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def debian_sources(folder: Path) -> list[Path]:
    """Return the files of apt's configuration that name a Debian archive, or all where none says so."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    files = [f for f in files if f.suffix in (".list", ".sources") and f.is_file()]
    debian = [
        f for f in files if re.search(r"^[^#\n]*://\S*/debian(-security)?/?(\s|$)", f.read_text(), re.M)
    ]
    return debian or files


def unpack(package: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the regular files of a package whose path (``./usr/…``) is wanted."""
    files: dict[str, bytes] = {}
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=cast(IO[bytes], process.stdout), mode="r|") as archive,
    ):
        for member in archive:
            if member.isreg() and wanted(member.name) and (content := archive.extractfile(member)):
                files[member.name] = content.read()
    if process.returncode:
        raise ImageError(f"{package} cannot be unpacked (dpkg-deb said {process.returncode}); remove it.")
    return files


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("E: ") if lines else ""
