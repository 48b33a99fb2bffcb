"""How a run's facts and console bytes get into the log: in order, soon, all of them, and bounded."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import override_settings

from jobs import commands, console_log, log_writer, queries
from jobs.domain.events import Failure
from jobs.execution.ports import ConsoleFull, Superseded
from jobs.files import Files, path_of
from jobs.log_writer import LogWriter
from jobs.models import Job, Result
from jobs.recorder import Recorder
from lab.kernel.errors import InfrastructureError
from tests.support.databases import Database
from tests.support.jobs import make_inventory, make_user, result, started

pytestmark = pytest.mark.usefixtures("database")


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def recorder(database: Database) -> Recorder:
    make_inventory()
    return started(make_user())[1]


@pytest.fixture
def writer(recorder: Recorder) -> Iterator[LogWriter]:
    one = LogWriter(recorder, max_console=100_000)
    yield one
    one.supersede()
    one._thread.join()


def console(recorder: Recorder, node: int = 1) -> bytes:
    return console_log.read(recorder.number, node, 0, 10_000_000)[1]


def test_facts_arrive_in_order(recorder: Recorder, writer: LogWriter) -> None:
    for number in range(50):
        writer.report(result(f"case-{number}"), result(f"again-{number}"))
    writer.flush()
    cases = list(Result.objects.order_by("version").values_list("case", flat=True))
    assert cases == [f"{word}-{number}" for number in range(50) for word in ("case", "again")]


def test_what_is_reported_after_a_silence_is_there_at_once(recorder: Recorder, writer: LogWriter) -> None:
    writer.report(result("first"))
    writer.write(1, b"hello")
    until(lambda: Result.objects.filter(case="first").exists() and console(recorder) == b"hello")


def test_bytes_are_kept_one_by_one_with_the_offsets_that_were_told(
    recorder: Recorder, writer: LogWriter
) -> None:
    offsets = [writer.write(1, b"line %d\n" % number) for number in range(200)]
    assert writer.write(0, b"host") == 0
    writer.close()
    data = console(recorder)
    assert data == b"".join(b"line %d\n" % number for number in range(200))
    assert offsets == [data.index(b"line %d\n" % number) for number in range(200)]
    assert console(recorder, 0) == b"host"


def test_a_fact_is_never_there_before_the_bytes_it_points_to(recorder: Recorder, writer: LogWriter) -> None:
    def run() -> None:
        for number in range(300):
            offset = writer.write(1, b"x" * 50 + b"%d\n" % number)
            writer.report(result(f"{number}", offset=offset))
        writer.flush()

    thread = threading.Thread(target=run)
    thread.start()
    seen = 0
    while thread.is_alive() or seen < 300:
        rows = list(Result.objects.order_by("version").values_list("offset", "line"))
        size = console_log.size(recorder.number, 1)
        assert all(offset is not None and offset < size for offset, _ in rows)
        assert [line for _, line in rows] == list(range(len(rows)))
        seen = len(rows)
    thread.join()


def test_many_threads_may_write_at_once(recorder: Recorder, writer: LogWriter) -> None:
    def run(node: int) -> None:
        for number in range(100):
            writer.write(node, b"%d %d\n" % (node, number))
            writer.report(result(f"{node}-{number}", node=node))

    threads = [threading.Thread(target=run, args=(node,)) for node in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    for node in (0, 1):
        assert console(recorder, node) == b"".join(b"%d %d\n" % (node, number) for number in range(100))
    assert Job.objects.get(pk=recorder.number).passed == 200


def test_a_talkative_run_costs_few_transactions(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    append = console_log.append

    def counted(job: int, pieces: list[console_log.Piece]) -> dict[int, int]:
        batches.append(len(pieces))
        return append(job, pieces)

    monkeypatch.setattr(console_log, "append", counted)
    writer = LogWriter(recorder, max_console=100_000)
    for _ in range(1000):
        writer.write(1, b"a short line\n")
    writer.close()
    assert len(console(recorder)) == 13_000
    assert len(batches) < 50


def test_a_node_that_prints_too_much_is_stopped_and_what_fits_is_kept(
    recorder: Recorder, writer: LogWriter
) -> None:
    writer.write(1, b"a" * 99_990)
    with pytest.raises(ConsoleFull, match="100,000 bytes"):
        writer.write(1, b"b" * 20)
    with pytest.raises(ConsoleFull):
        writer.write(1, b"c")
    assert writer.write(0, b"others go on") == 0
    writer.close()
    assert console(recorder) == b"a" * 99_990 + b"b" * 10


def test_a_long_piece_is_stored_whole(recorder: Recorder) -> None:
    writer = LogWriter(recorder, max_console=10_000_000)
    data = bytes(range(256)) * 4096
    assert writer.write(1, data) == 0
    assert writer.write(1, b"end") == len(data)
    writer.close()
    assert console(recorder) == data + b"end"


def test_who_writes_faster_than_the_database_waits(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()
    append = console_log.append

    def slow(job: int, pieces: list[console_log.Piece]) -> dict[int, int]:
        opened.wait(20)
        return append(job, pieces)

    monkeypatch.setattr(console_log, "append", slow)
    monkeypatch.setattr(log_writer, "MAX_PENDING", 1000)
    writer = LogWriter(recorder, max_console=1_000_000)
    written: list[int] = []

    def run() -> None:
        for _ in range(10):
            written.append(writer.write(1, b"x" * 500))

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: len(written) == 2)
    thread.join(0.2)
    assert len(written) == 2
    opened.set()
    thread.join()
    writer.close()
    assert len(console(recorder)) == 5000


def test_facts_of_a_superseded_run_are_refused(recorder: Recorder, writer: LogWriter) -> None:
    commands.lose_job(recorder.number, recorder.fence, "silence")

    def refused() -> bool:
        try:
            writer.report(result("late"))
        except Superseded:
            return True
        return False

    until(refused)
    with pytest.raises(Superseded):
        writer.write(1, b"late")
    with pytest.raises(Superseded):
        writer.close()
    assert not Result.objects.exists()


def test_a_fact_of_a_node_that_is_not_there_is_refused_where_it_is_reported(writer: LogWriter) -> None:
    with pytest.raises(ValueError, match="no node 5"):
        writer.report(result("x", node=5))
    writer.report(result("y"))
    writer.close()
    assert Result.objects.count() == 1


def test_a_database_that_fails_for_a_while_costs_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OperationalError("server closed the connection")] * 3)
    append = console_log.append

    def shaky(job: int, pieces: list[console_log.Piece]) -> dict[int, int]:
        for error in failures:
            raise error
        return append(job, pieces)

    monkeypatch.setattr(console_log, "append", shaky)
    writer = LogWriter(recorder, max_console=100_000)
    writer.write(1, b"hello")
    writer.report(result("once"))
    writer.close()
    assert console(recorder) == b"hello"
    assert Result.objects.count() == 1


@pytest.mark.parametrize("with_facts", [True, False])
def test_what_was_stored_though_the_answer_got_lost_is_not_stored_twice(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, with_facts: bool
) -> None:
    atomic = transaction.atomic
    failures = iter([OperationalError("lost in the very moment of the commit")])

    class Unlucky:
        def __init__(self, *args: Any, **options: Any) -> None:
            self.inner = atomic(*args, **options)

        def __enter__(self) -> None:
            self.outermost = not connection.in_atomic_block
            self.inner.__enter__()

        def __exit__(self, *error: Any) -> None:
            self.inner.__exit__(*error)
            if self.outermost:
                for failure in failures:
                    raise failure

    writer = LogWriter(recorder, max_console=100_000)
    monkeypatch.setattr(transaction, "atomic", Unlucky)
    writer.write(1, b"hello\n")
    if with_facts:
        writer.report(result("once"))
    writer.flush()
    monkeypatch.undo()
    writer.write(1, b"again\n")
    writer.report(result("twice"))
    writer.close()
    assert console(recorder) == b"hello\nagain\n"
    assert Result.objects.count() == 1 + with_facts


def test_a_database_that_fails_for_good_ends_the_run_as_a_failure_of_the_lab(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(job: int, pieces: list[console_log.Piece]) -> dict[int, int]:
        raise OperationalError("no space left")

    monkeypatch.setattr(console_log, "append", dead)
    monkeypatch.setattr(log_writer, "PATIENCE", 0.1)
    writer = LogWriter(recorder, max_console=100_000)
    writer.write(1, b"hello")
    with pytest.raises(InfrastructureError, match="no space left"):
        writer.close()


def test_a_request_to_cancel_does_not_disturb_the_writing(recorder: Recorder, writer: LogWriter) -> None:
    writer.report(result("before"))
    writer.flush()
    erika = type(make_user("x")).objects.get(username="erika")
    commands.request_cancel(recorder.number, "enough", user=erika, cause="test")
    writer.report(result("after"))
    writer.close()
    recorder.finish(outcome="incomplete", failure=Failure(kind="test", message="it hung"))
    types = [row["type"] for row in queries.job_events(recorder.number)]
    assert types[-4:] == [
        "job.result_reported",
        "job.cancel_requested",
        "job.result_reported",
        "job.finished",
    ]


def test_attachments_are_stored_once_by_what_is_in_them(tmp_path: Path) -> None:
    with override_settings(VAR_DIR=tmp_path):
        digest, size = Files().keep(io.BytesIO(b"hello"))
        assert (Files().keep(io.BytesIO(b"hello")), size) == ((digest, 5), 5)
        assert path_of(digest).read_bytes() == b"hello"
        kept = [path for path in (tmp_path / "attachments").rglob("*") if path.is_file()]
        assert kept == [path_of(digest)]
    with pytest.raises(ValueError, match="not a SHA-256"):
        path_of("../../etc/passwd")


def test_an_attachment_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("gone")

    with override_settings(VAR_DIR=tmp_path), pytest.raises(OSError, match="gone"):
        Files().keep(Broken())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
