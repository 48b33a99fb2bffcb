"""One job, from its start to its end: wires `jobs.execution` to the log. Runs in a process of its own."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from django.conf import settings
from django.db import connection

from devices import queries as inventory
from devices.domain.config import BoardConfig
from devices.images import queries as image_library
from jobs import queries
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.validate import read_accepted
from jobs.domain.events import Check, CleanedUp, Failure, NoteTaken
from jobs.domain.job import Job, Stale
from jobs.execution.hands import Hands
from jobs.execution.ports import (
    Assignment,
    Cancellation,
    Consoles,
    Ending,
    Files,
    LibraryImage,
    Reporter,
    Retry,
    Superseded,
    Workplace,
)
from jobs.files import Files as Attachments
from jobs.log_writer import LogWriter
from jobs.models import Job as JobRow
from jobs.recorder import Recorder
from jobs.run_watch import SHUT_DOWN, Stop, watched
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError, Rejected

log = logging.getLogger(__name__)


class Execution(Protocol):
    """Does the work: `jobs.real_execution`, or what a test puts in its place."""

    def run_job(
        self,
        assignment: Assignment,
        *,
        report: Reporter,
        consoles: Consoles,
        files: Files,
        cancel: Cancellation,
        deadline: Deadline,
        workplace: Workplace,
        hands: Hands,
    ) -> Ending:
        """Run a job on its board."""

    def clean_host(self, board: BoardConfig, job: int, deadline: Deadline) -> Evidence:
        """Remove what a job left on its host, and look whether it is gone."""


class Evidence(Protocol):
    """What was looked at, and whether all of it is as it should be."""

    @property
    def checks(self) -> Sequence[Check]: ...
    @property
    def clean(self) -> bool: ...
    @property
    def dirt(self) -> str: ...


def execution() -> Execution:
    """Return what does the work, as the settings name it."""
    return cast(Execution, import_module(settings.LABBOOK["EXECUTION"]))


def run(number: int, fence: int, stop: Stop) -> None:
    """Run a job that this worker has started with `fence`, and record its end.

    Returns quietly when somebody else took over. What goes wrong is part of the job's record.
    """
    recorder = Recorder(number, fence)
    try:
        ending = _run(recorder, stop)
        _finish(recorder, ending, stop)
    except (Stale, Superseded) as exc:
        log.warning("%s", exc)


def _run(recorder: Recorder, stop: Stop) -> Ending:
    try:
        assignment = assignment_of(recorder.job)
    except Invalid as exc:
        return _failed("job", f"the definition is no longer accepted: {exc}")
    except Rejected as exc:
        return _failed("infrastructure", f"the inventory has changed: {exc}")
    writer = LogWriter(recorder, max_console=settings.LABBOOK["MAX_CONSOLE_BYTES"])
    cancel, hands = Cancellation(), Hands()
    try:
        with (
            watched(recorder, writer, cancel, hands, stop),
            _workplace(recorder.number) as workplace,
        ):
            ending = _executed(assignment, writer, cancel, hands, workplace, recorder)
    finally:
        writer.close()
    return ending


def _executed(
    assignment: Assignment,
    writer: LogWriter,
    cancel: Cancellation,
    hands: Hands,
    workplace: Workplace,
    recorder: Recorder,
) -> Ending:
    job = recorder.job
    timeout = JobRow.objects.values_list("timeout", flat=True).get(pk=job.number)
    connection.close()  # not needed while the job runs: the log has its own thread
    try:
        return execution().run_job(
            assignment,
            report=writer,
            consoles=writer,
            files=Attachments(),
            cancel=cancel,
            deadline=Deadline.after(timeout, f"job {job.number} (its timeout is {timeout} s)"),
            workplace=workplace,
            hands=hands,
        )
    except Superseded:
        raise
    except JobError as exc:  # it should have become an ending; the class and the words are right anyway
        log.exception("job %d: an error escaped from the execution", job.number)
        failure = Failure(kind="bug", message=str(exc), node=exc.node, action=exc.action)
    except Exception as exc:  # a bug of ours ends the job as such
        log.exception("job %d: a bug in Labbook", job.number)
        failure = Failure(kind="bug", message=f"Labbook itself failed: {type(exc).__name__}: {exc}")
    note = f"{failure.message} (the traceback is in the log of worker {job.worker})"
    writer.report(NoteTaken(node=None, level="error", text=note, at=time.time()))
    return _cleaned_up(assignment, failure, writer)


def _cleaned_up(assignment: Assignment, failure: Failure, writer: LogWriter) -> Ending:
    """Clean the host after an execution that could not."""
    board = assignment.board
    deadline = Deadline.after(board.leave_timeout, f"cleaning board {assignment.board_name}")
    evidence = execution().clean_host(board, assignment.job, deadline)
    writer.report(CleanedUp(checks=list(evidence.checks), clean=evidence.clean, at=time.time()))
    return Ending(outcome="incomplete", failure=failure, clean=evidence.clean, dirt=evidence.dirt)


def _finish(recorder: Recorder, ending: Ending, stop: Stop) -> None:
    recorder.refresh()
    outcome, failure, interrupted = ending.outcome, ending.failure, False
    if outcome == "canceled" and recorder.job.cancel_reason is None:
        # Nobody asked for it but the worker itself.
        reason = SHUT_DOWN if stop.requested else "the run was ended without a request"
        outcome, interrupted = "incomplete", stop.requested
        failure = Failure(kind="infrastructure" if stop.requested else "bug", message=reason)
    if outcome == "incomplete" and failure is None:
        failure = Failure(kind="bug", message="the run ended without saying why")
    dirt = "" if ending.clean else ending.dirt or "the host was not proven clean"
    recorder.finish(outcome=outcome, failure=failure, dirt=dirt, interrupted=interrupted)


def assignment_of(job: Job) -> Assignment:
    """Put together what a runner must know. Raises `Invalid` or `Rejected` where that is impossible now."""
    vm_types = {node.device_type for node in job.nodes if node.index > 0}
    return Assignment(
        job=job.number,
        definition=read_accepted(queries.definition_text(job.number)),
        nodes=job.nodes,
        board_name=job.board,
        board=inventory.effective_config(job.board),
        vm_types={name: inventory.vm_type_config(name) for name in sorted(vm_types)},
    )


def _failed(kind: str, message: str) -> Ending:
    return Ending(outcome="incomplete", failure=Failure(kind=kind, message=message))  # type: ignore[arg-type]


def _library() -> dict[str, LibraryImage]:
    """Return what ``lab:NAME`` stands for, from now to the end of the run."""
    return {
        one.name: LibraryImage(path=one.path, sha256=one.sha256, size=one.size, filename=one.filename)
        for one in image_library.images()
    }


@contextmanager
def _workplace(number: int) -> Iterator[Workplace]:
    var = Path(settings.VAR_DIR)
    cache, scratch = var / "cache", var / "scratch"
    for folder in (cache, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=f"job-{number}-", dir=scratch))
    try:
        lab = settings.LABBOOK
        roots = tuple(Path(root) for root in lab["FILE_ROOTS"])
        yield Workplace(
            cache=cache,
            scratch=own,
            file_roots=roots,
            allow_local_http=lab["ALLOW_LOCAL_HTTP"],
            library=_library(),
            retry=Retry(
                attempts=lab["DOWNLOAD_ATTEMPTS"],
                pause=lab["DOWNLOAD_PAUSE"],
                silence=lab["DOWNLOAD_SILENCE"],
                clone=lab["CLONE_TIMEOUT"],
            ),
        )
    finally:
        shutil.rmtree(own, ignore_errors=True)
