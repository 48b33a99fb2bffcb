"""What an append's transaction promises, on both databases: all of it or nothing, and in order."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django_q.models import OrmQ

from lab.eventstore import append_only, projecting
from lab.eventstore.models import EventRow
from lab.eventstore.rebuild import rebuild
from lab.eventstore.store import DjangoEventStore
from lab.kernel.errors import Conflict, NotFound
from lab.kernel.events import Codec, Event
from lab.kernel.ports import Append, FollowUp
from tests.support.databases import Database
from tests.support.forking import ROOT
from tests.support.lamps import META, Dark, LampLit, LampRow, lamp_table, lamps, lit
from tests.support.threads import run_at_once

store = DjangoEventStore(events=lamps)


@pytest.fixture
def lamp_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database in which lamps are projected."""
    with connection.schema_editor() as editor:
        editor.create_model(LampRow)
    monkeypatch.setitem(projecting._installed, "lamps", lamp_table)
    return database


def test_projections_are_up_to_date_when_append_returns(lamp_rows: Database) -> None:
    store.append(lit("lamp/1", 0, "hall", "hall", "attic"), meta=META)
    assert dict(LampRow.objects.values_list("room", "times")) == {"hall": 2, "attic": 1}


def test_events_projections_and_follow_ups_are_one_transaction(lamp_rows: Database) -> None:
    tasks = [FollowUp(task="jobs.tasks.run_job", args=(1, "x", None), site="attic")]
    store.append(lit("lamp/1", 0, "hall"), meta=META, follow_ups=tasks)
    assert OrmQ.objects.get().key == "attic"
    assert OrmQ.objects.get().task["args"] == (1, "x", None)
    with pytest.raises(Dark):
        store.append(lit("lamp/1", 1, "hall", "nowhere"), meta=META, follow_ups=tasks)
    with pytest.raises(TypeError, match="tasks take strings"):
        store.append(lit("lamp/1", 1, "hall"), meta=META, follow_ups=[FollowUp(task="t", args=(object(),))])
    with transaction.atomic():
        store.append(lit("lamp/1", 1, "hall"), meta=META, follow_ups=tasks)
        transaction.set_rollback(True)
    assert store.head() == 1
    assert LampRow.objects.get().times == 1
    assert OrmQ.objects.count() == 1


def test_a_broker_outside_the_database_is_told_after_the_commit(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr("lab.eventstore.followups.Conf.ORM", None)
    monkeypatch.setattr("lab.eventstore.followups.async_task", lambda *a, cluster: told.append((*a, cluster)))
    with transaction.atomic():
        store.append(lit("lamp/1", 0), meta=META, follow_ups=[FollowUp(task="t", args=(1,))])
        assert told == []
    assert told == [("t", 1, "default")]


def test_what_a_slow_writer_appends_comes_before_what_is_appended_after_it(database: Database) -> None:
    """The gap that loses events: B commits position 2 while A's position 1 is not committed yet."""
    appended, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                store.append(lit("lamp/slow", 0), meta=META)
                appended.set()
                assert may_commit.wait(30)
        finally:
            connections.close_all()

    def quick() -> None:
        try:
            store.append(lit("lamp/quick", 0), meta=META)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slow)
        assert appended.wait(30)
        second = pool.submit(quick)
        wait_until_blocked(database)
        assert store.read_all() == []
        assert not second.done()
        may_commit.set()
        first.result(30)
        second.result(30)
    assert [(r.position, r.stream) for r in store.read_all()] == [(1, "lamp/slow"), (2, "lamp/quick")]


def wait_until_blocked(database: Database) -> None:
    """Return when another session waits for the lock on the log; on SQLite that cannot be asked."""
    deadline = threading.Event()
    for _ in range(1000 if database.vendor == "postgresql" else 20):
        if database.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                row = cursor.fetchone()
                assert row is not None
                if row[0]:
                    return
        deadline.wait(0.01)
    assert database.vendor == "sqlite", "nobody waits for the lock"


WRITER = """
import django; django.setup()
from lab.eventstore.store import DjangoEventStore
from lab.kernel.errors import Conflict
from tests.support.lamps import META, lamps, lit
import sys
store, won = DjangoEventStore(events=lamps), 0
sys.stdin.readline()
for version in range(15):
    try:
        store.append(lit("lamp/raced", version, sys.argv[1]), lit("lamp/" + sys.argv[1], won), meta=META)
        won += 1
    except Conflict:
        pass
print(won)
"""


def test_processes_that_race_conflict_and_never_half_append(database: Database) -> None:
    environment = {"DATABASE_URL": database.url, "DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    try:
        said = run_all(writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    won = [int(text) for text in said]
    assert sum(won) == 15
    assert [r.version for r in store.read("lamp/raced")] == list(range(1, 16))
    assert [len(store.read(f"lamp/{name}")) for name in "ab"] == won
    assert [r.position for r in store.read_all()] == list(range(1, 31))


def run_all(writers: list[subprocess.Popen[str]]) -> list[str]:
    said: dict[int, str] = {}

    def run(number: int) -> None:
        said[number] = writers[number].communicate("go\n", timeout=60)[0]

    run_at_once(*[lambda number=number: run(number) for number in range(len(writers))])
    return [said[number] for number in sorted(said)]


def test_a_writer_past_the_lock_is_a_conflict_for_who_comes_second(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(lit("lamp/1", 0), meta=META)
    ends = iter([(0, "")])
    true_end = DjangoEventStore._end
    # The version this append has read is no longer true when it inserts.
    monkeypatch.setattr(
        DjangoEventStore, "_end", lambda self, stream: next(ends, None) or true_end(self, stream)
    )
    with pytest.raises(Conflict) as caught:
        store.append(lit("lamp/1", 0), meta=META)
    assert caught.value.actual == 1


def test_a_projection_that_breaks_a_rule_of_its_table_is_no_conflict(lamp_rows: Database) -> None:
    broken = projecting.Projection(name="broken", models=[])

    @broken.on(LampLit)
    def draw(event: LampLit, recorded: Any) -> None:
        LampRow.objects.create(room=event.room, times=0)

    projecting._installed["broken"] = broken
    try:
        with pytest.raises(IntegrityError):
            store.append(lit("lamp/1", 0, "hall"), meta=META)
    finally:
        del projecting._installed["broken"]
    assert store.head() == 0


# -- append-only ---------------------------------------------------------------------------------

ROW = "position, stream, version, type, schema, data, meta, recorded_at, digest"


def _sql(text: str) -> Callable[[], object]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(text)

    return run


EVERYWHERE = {
    "queryset update": lambda: EventRow.objects.update(type="x"),
    "queryset delete": lambda: EventRow.objects.all().delete(),
    "raw queryset delete": lambda: EventRow.objects.all()._raw_delete("default"),
    "instance save": lambda: EventRow.objects.get(position=1).save(force_update=True),
    "instance delete": lambda: EventRow.objects.get(position=1).delete(),
    "insert at a taken position": _sql(
        f"INSERT INTO es_event SELECT 1, 'other', 1, {ROW.split(', ', 3)[3]} FROM es_event WHERE position = 1"
    ),
    "insert of a taken version": _sql(
        f"INSERT INTO es_event SELECT 9, {ROW.split(', ', 1)[1]} FROM es_event WHERE position = 1"
    ),
    "update": _sql("UPDATE es_event SET data = '{}' WHERE position = 1"),
    "delete": _sql("DELETE FROM es_event WHERE position = 2"),
    "upsert": _sql(
        f"INSERT INTO es_event SELECT {ROW} FROM es_event WHERE position = 1 "
        "ON CONFLICT (position) DO UPDATE SET data = '{}'"
    ),
}
SQLITE = {
    "replace": _sql(f"INSERT OR REPLACE INTO es_event SELECT {ROW} FROM es_event WHERE position = 1"),
    "replace by version": _sql(
        f"REPLACE INTO es_event SELECT 9, {ROW.split(', ', 1)[1]} FROM es_event WHERE position = 1"
    ),
    "update or ignore": _sql("UPDATE OR IGNORE es_event SET data = '{}'"),
}
POSTGRES = {
    "truncate": _sql("TRUNCATE es_event"),
    "truncate cascade": _sql("TRUNCATE es_event CASCADE"),
    "delete as a replica": _sql("SET LOCAL session_replication_role = replica; DELETE FROM es_event"),
    "truncate as a replica": _sql("SET LOCAL session_replication_role = replica; TRUNCATE es_event"),
}


def _is_refused(change: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            change()
    except IntegrityError:
        return True
    return False


def _assert_all_refused(ways: dict[str, Callable[[], object]]) -> None:
    store.append(lit("lamp/1", 0, "a", "b"), meta=META)
    before = store.read_all()
    for name, change in ways.items():
        assert _is_refused(change), f"{name} went through"
    assert store.read_all() == before


def test_sqlite_refuses_every_change_of_the_log(sqlite_database: Database) -> None:
    _assert_all_refused(EVERYWHERE | SQLITE)


def test_postgresql_refuses_every_change_of_the_log(postgres_database: Database) -> None:
    _assert_all_refused(EVERYWHERE | POSTGRES)


def test_triggers_lost_are_noticed_and_put_back_by_migrate(database: Database) -> None:
    assert append_only.missing(connection) == {}
    assert append_only.check_triggers(["default"]) == []
    for one in append_only.protected():
        append_only.remove(connection, one)
    told = [one.msg for one in append_only.check_triggers(["default"])]
    assert any("es_event of database default is not append-only" in one for one in told)
    assert set(append_only.missing(connection)) == {"es_event", "console_chunk", "sitting_chunk"}
    call_command("migrate", verbosity=0)
    assert append_only.missing(connection) == {}
    call_command("migrate", verbosity=0)
    assert append_only.missing(connection) == {}


def test_a_trigger_that_is_switched_off_counts_as_missing(postgres_database: Database) -> None:
    _sql("ALTER TABLE es_event DISABLE TRIGGER es_event_no_change")()
    assert append_only.missing(connection) == {"es_event": ["es_event_no_change"]}


# -- rebuild -------------------------------------------------------------------------------------


def test_a_rebuild_replaces_rows_by_what_the_log_says(lamp_rows: Database) -> None:
    store.append(lit("lamp/1", 0, "hall", "attic", "hall"), meta=META)
    LampRow.objects.filter(room="hall").update(times=99)
    LampRow.objects.create(room="made up", times=1)
    told: list[tuple[int, int]] = []
    done = rebuild(["lamps"], log=store, progress=lambda *numbers: told.append(numbers))
    assert dict(LampRow.objects.values_list("room", "times")) == {"hall": 2, "attic": 1}
    assert (done.events, done.rows, told) == (3, {"test_lamp": 2}, [(3, 3)])


def test_a_rebuild_that_fails_changes_nothing(lamp_rows: Database) -> None:
    store.append(lit("lamp/1", 0, "hall"), meta=META)
    with pytest.raises(RuntimeError):
        rebuild(["lamps"], log=store, progress=_fail)
    assert dict(LampRow.objects.values_list("room", "times")) == {"hall": 1}


def _fail(done: int, total: int) -> None:
    raise RuntimeError


def test_appends_wait_for_a_rebuild_and_are_in_it_or_after_it(lamp_rows: Database) -> None:
    store.append(lit("lamp/1", 0, "hall"), meta=META)
    writer = ThreadPoolExecutor(1)
    futures = []

    def append() -> None:
        try:
            store.append(lit("lamp/2", 0, "hall"), meta=META)
        finally:
            connections.close_all()

    def meanwhile(done: int, total: int) -> None:
        futures.append(writer.submit(append))
        wait_until_blocked(lamp_rows)

    with writer:
        rebuild(["lamps"], log=store, progress=meanwhile)
        futures[0].result(30)
    assert LampRow.objects.get().times == 2


def test_a_projection_that_does_not_exist_is_named(lamp_rows: Database) -> None:
    with pytest.raises(NotFound, match=r"no projection 'lamp'; there are: .*lamps"):
        rebuild(["lamp"])


def test_events_of_an_older_schema_are_upcast_when_they_are_read(database: Database) -> None:
    store.append(lit("lamp/1", 0, "hall"), meta=META)
    newer = Codec()

    @newer.register
    @dataclass(frozen=True, slots=True, kw_only=True)
    class LampSwitched(Event):
        type = "lamp.lit"
        schema = 3
        place: str
        on: bool

    newer.upcaster("lamp.lit", 1)(lambda data: {"place": data["room"]})
    newer.upcaster("lamp.lit", 2)(lambda data: data | {"on": True})
    (read,) = DjangoEventStore(events=newer).read("lamp/1")
    assert read.event == LampSwitched(place="hall", on=True)


def test_appending_inside_an_append_of_the_caller_keeps_the_order(database: Database) -> None:
    with transaction.atomic():
        store.append(lit("lamp/1", 0), meta=META)
        store.append(lit("lamp/2", 0), lit("lamp/1", 1), meta=META)
    assert [r.position for r in store.read_all()] == [1, 2, 3]


def test_an_append_of_nothing_leaves_no_trace(database: Database) -> None:
    assert store.append(meta=META) == []
    assert store.append(Append(stream="lamp/1", expected=0, events=[]), meta=META) == []
    assert store.head() == 0
