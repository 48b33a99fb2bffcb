"""A whole lab, running: its own data folder and database, a throw-away ssh host, web, workers and reconciler.

Everything is real and started as a user starts it, by ``manage.py serve``. What one does with it goes through
the REST API, as a program in the lab would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import psutil

from lab.demo.sshd import Sshd, SshServer
from lab.kernel.deadline import Deadline
from tests.support.images import IMAGES

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, "manage.py"]
HASTY = 40
"""Seconds until a VM of type kvm-hasty must have booted."""
Json = dict[str, Any]


class RunningLab:
    """Use as a context manager. `database_url` empty: SQLite in the lab's folder."""

    def __init__(self, database_url: str = "", *, workers: int = 3, **environment: str) -> None:
        # Short, because sockets lie in it.
        self.folder = Path(tempfile.mkdtemp(prefix="labbook-lab-"))
        self.password = "correct horse battery"
        self.work_dir = self.folder / "host"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LABBOOK_")},
            "DJANGO_SETTINGS_MODULE": "lab.settings",
            "DATABASE_URL": database_url or f"sqlite:///{self.folder}/labbook.sqlite3",
            "LABBOOK_VAR": str(self.folder),
            "LABBOOK_FILE_ROOTS": f"{IMAGES}:{ROOT}/lab/demo/examples:{self.folder}/files",
            **environment,
        }
        self._workers = workers
        self._sshd = Sshd(self.folder / "sshd")
        self.host: SshServer
        self.pause = 0.1
        """Seconds between two looks at a job: each costs the lab some work."""
        self.url = ""
        self.token = ""
        self._serve: subprocess.Popen[str] | None = None
        self.log = self.folder / "serve.log"
        self.wrapper = self.folder / "wrapped-qemu"
        """What starts VMs of type kvm-wrapped; not there until somebody writes it."""

    def __enter__(self) -> RunningLab:
        try:
            (self.folder / "files").mkdir()
            self.host = self._sshd.start()
            self.token = self._seed()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._sshd.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start web and workers; returns when pages are served."""
        with self.log.open("ab") as log:
            self._serve = subprocess.Popen(
                [*MANAGE, "serve", "--port", "0", "--workers", str(self._workers)],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip
        assert self._serve.stdout is not None
        for line in self._serve.stdout:
            if "Labbook is at " in line:
                self.url = line.split("Labbook is at ")[1].strip().rstrip("/")
                break
        else:
            raise RuntimeError(f"serve ended before it was up:\n{self.log.read_text()}")
        self._drained = threading.Thread(target=self._drain, args=(self._serve,), daemon=True)
        self._drained.start()
        self.client: httpx.Client = httpx.Client(
            base_url=f"{self.url}/api/v1/", headers={"Authorization": f"Token {self.token}"}, timeout=30
        )
        deadline = Deadline.after(60, "the start of the web server")
        while True:
            try:
                if self.client.get("jobs/").is_success:
                    return
            except httpx.TransportError:
                pass
            deadline.check()

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and see that nothing stays behind."""
        if self._serve is None:
            return
        self.client.close()
        family = [psutil.Process(self._serve.pid), *psutil.Process(self._serve.pid).children(recursive=True)]
        self._serve.send_signal(signal.SIGTERM)
        try:
            self._serve.wait(120)
        finally:
            _, left = psutil.wait_procs(family, timeout=5)
            for process in left:
                process.kill()
            self._serve = None
            self._drained.join(10)
        assert not left, f"left behind: {left}\n{self.log.read_text()}"

    def processes(self) -> list[psutil.Process]:
        """All processes of the lab itself (not of its host)."""
        assert self._serve is not None
        main = psutil.Process(self._serve.pid)
        return [main, *main.children(recursive=True)]

    def manage(self, *words: str, check: bool = True, patience: float = 600, **extra: str) -> str:
        """Run a management command in this lab; returns what it printed."""
        done = subprocess.run(
            [*MANAGE, *words],
            cwd=ROOT, env=self.environment | extra, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=patience,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(
                f"manage.py {words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    # -- as a program uses it ------------------------------------------------------------------------

    def submit(self, definition: Json | str) -> int:
        """Submit through the API; returns the job's number."""
        text = definition if isinstance(definition, str) else json.dumps(definition, indent=2)
        answer = self.client.post("jobs/", json={"definition": text})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def job(self, number: int) -> Json:
        answer = self.client.get(f"jobs/{number}/")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, number: int, seconds: float = 240, until: Any = None) -> Json:
        """Wait until the job is finished, or until `until(job)` says yes; returns it."""
        deadline = Deadline.after(seconds, f"job {number}")
        pause = threading.Event()
        while True:
            job = self.job(number)
            if until(job) if until else job["state"] == "finished":
                return job
            if job["state"] == "finished":
                raise AssertionError(f"job {number} ended early: {job['outcome']} {job['failure']}")
            if deadline.expired:
                raise AssertionError(
                    f"job {number} is still {job['state']}: {json.dumps(job, indent=1)[-6000:]}"
                )
            pause.wait(self.pause)

    def run(self, definition: Json | str, seconds: float = 240) -> Json:
        return self.wait(self.submit(definition), seconds)

    def console(self, number: int, node: int) -> bytes:
        """All that the node has printed so far; the API gives it in pieces."""
        found = bytearray()
        while True:
            answer = self.client.get(f"jobs/{number}/nodes/{node}/console/", params={"offset": len(found)})
            assert answer.status_code == 200, answer.text
            found += answer.content
            if not answer.content or len(found) >= int(answer.headers["X-Console-Size"]):
                return bytes(found)

    def board(self, name: str = "demo-host") -> Json:
        shown: Json = next(one for one in json.loads(self.manage("boards", "--json")) if one["name"] == name)
        return shown

    def traces(self, number: int) -> list[str]:
        """What a job has left on its host: processes, files, keys; seen from outside."""
        found = []
        folder = self.work_dir / "jobs" / str(number)
        if folder.exists():
            found.append(str(folder))
        if f"labbook-job-{number}-" in self.host.authorized_keys.read_text():
            found.append("a key in authorized_keys")
        for process in psutil.process_iter():
            try:
                folder_of = process.environ().get("LABBOOK_FOLDER", "")
                if folder_of == str(folder) or str(folder) in " ".join(process.cmdline()):
                    found.append(f"process {process.pid} {process.name()}")
            except psutil.Error:
                continue
        return found

    # -- inside --------------------------------------------------------------------------------------

    def _seed(self) -> str:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            closed_port = closed.getsockname()[1]
        found = {
            "port": self.host.port,
            "user": self.host.user,
            "key_file": str(self.host.key_file),
            "host_key": self.host.host_key,
            "authorized_keys": str(self.host.authorized_keys),
            "images": str(IMAGES),
            "work_dir": str(self.work_dir),
            "password": self.password,
            "closed_port": closed_port,
            "hasty": HASTY,
            "wrapper": str(self.wrapper),
        }
        code = "import tests.support.seed_lab"
        printed = self.manage("shell", "-c", code, LABBOOK_SEED=json.dumps(found))
        return printed.split("token ")[1].split()[0]

    @staticmethod
    def _drain(process: subprocess.Popen[str]) -> None:
        """Read what it says, so that it never waits for a reader."""
        assert process.stdout is not None
        with process.stdout:
            for _ in process.stdout:
                pass
