"""What is shown of a job: snapshots, what came after them, and rebuilt tables, are one and the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from jobs import commands, console_log, queries
from jobs.domain.events import (
    AttachmentKept,
    CaseStarted,
    Check,
    CleanedUp,
    Fact,
    Failure,
    GateOpened,
    ImageUsed,
    MessageSent,
    NodeClosed,
    NoteTaken,
    PhaseEnded,
    SuiteEnded,
    SuiteStarted,
    TransferProgressed,
    VmStarted,
    WaitEnded,
    WaitStarted,
)
from jobs.loading import job_state, load_job
from jobs.models import Job
from jobs.projections import jobs as projection
from lab.eventstore.store import store
from lab.kernel.aggregate import fold
from tests.support.jobs import definition, make_inventory, make_user, phase, result, started, submit

pytestmark = pytest.mark.django_db

STORY: list[Fact] = [
    phase(0, "deploy", "as it is", 10),
    phase(1, "deploy", "copy guest.img", 10.5),
    TransferProgressed(node=1, what="copy guest.img", done=10, total=40, rate=100.0, at=10.6),
    TransferProgressed(node=1, what="copy guest.img", done=40, total=40, rate=100.0, ended=True, at=10.9),
    ImageUsed(node=1, key="image", url="lab:guest", sha256="1" * 64, size=40, at=10.9),
    phase(0, "boot", "connect", 11),
    TransferProgressed(node=0, what="deploy image", done=5, total=None, rate=1.0, at=11.1),
    NoteTaken(node=None, level="warning", text="/dev/kvm hangs: emulating", at=11.5),
    VmStarted(node=1, command="qemu", pid=7, at=12),
    phase(1, "boot", "login", 12.5),
    PhaseEnded(node=0, at=13),
    phase(0, "test", "smoke", 13.5),
    SuiteStarted(node=0, suite="smoke", uuid="u0", definition={"name": "smoke"}, at=14),
    CaseStarted(node=0, suite="smoke", case="ping", at=14.5),
    CaseStarted(node=0, suite="smoke", case="pong", at=14.6),
    result("ping", node=0, at=15, offset=6, seconds=0.5),
    result("rate", "unknown", node=1, at=15.5, measurement="1.50", units="MB/s", set="tcp"),
    WaitStarted(node=0, kind="sync", id="up", role="", needs=["guest"], at=16),
    WaitStarted(node=0, kind="sync", id="up", role="", needs=[], at=16.2),
    MessageSent(node=1, id="up", data={"ip": "10.0.0.2", "note": "a=b c"}, at=16.5),
    WaitEnded(node=0, kind="sync", id="up", ok=True, reason="", at=17),
    AttachmentKept(
        node=1, suite="smoke", case="rate", name="log", mime="text/plain", sha256="0" * 64, size=3, at=18
    ),
    result("pong", "fail", node=0, at=19),
    result("skipped", "skip", node=0, at=19),
    CaseStarted(node=0, suite="smoke", case="cut off", at=19.5),
    SuiteEnded(node=0, suite="smoke", uuid="u0", at=20),
    WaitStarted(node=0, kind="vms", id="", role="", needs=["guest"], at=21),
    NodeClosed(node=1, reason="done", ok=True, at=22),
    GateOpened(at=22),
    CleanedUp(checks=[Check(what="key", found="gone", ok=True)], clean=True, at=24),
]


def merged(snapshot: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """What a page makes of a snapshot and a later delta: rows replace those of their key, the rest is new."""
    known = copy.deepcopy(snapshot)
    for name, value in delta.items():
        if isinstance(value, list) and any(
            "key" in row for row in known[name] + value if isinstance(row, dict)
        ):
            rows = {row["key"]: row for row in [*known[name], *value]}
            known[name] = [
                rows[key] for key in sorted(rows, key=lambda key: [int(n) for n in key.split(".")])
            ]
        else:
            known[name] = value
    return known


def verify_live(user: User, number: int, snapshots: list[dict[str, Any]]) -> None:
    """Snapshot + delta = fresh snapshot, from every one of these snapshots on."""
    fresh = queries.job_snapshot(user, number)
    for earlier in snapshots:
        delta = queries.job_snapshot(user, number, after=earlier["position"])
        assert merged(earlier, delta) == fresh


def look(user: User, number: int, snapshots: list[dict[str, Any]]) -> None:
    """Remember how the job looks now, after a check that a page which has followed it looks the same."""
    verify_live(user, number, snapshots[-1:])
    snapshots.append(queries.job_snapshot(user, number))


def told(user: User) -> tuple[int, list[dict[str, Any]]]:
    """The whole story of a job, looked at after each step."""
    number, recorder = started(user)
    console_log.append(number, [(0, b"hello\nping ok\n", 9.0)])
    snapshots: list[dict[str, Any]] = []
    look(user, number, snapshots)
    for fact in STORY:
        recorder.record([fact])
        look(user, number, snapshots)
    commands.request_cancel(number, "enough", user=user, cause="test")
    look(user, number, snapshots)
    failure = Failure(kind="test", message="it hung", node=0, action="lava_test_shell")
    recorder.finish(outcome="incomplete", failure=failure)
    look(user, number, snapshots)
    commands.resubmit_job(number, user=user, cause="test")
    look(user, number, snapshots)
    return number, snapshots


def test_a_snapshot_and_what_came_after_it_make_up_the_fresh_snapshot_at_every_cut() -> None:
    make_inventory()
    erika = make_user()
    number, snapshots = told(erika)
    assert len(snapshots) == len(STORY) + 4
    verify_live(erika, number, snapshots)
    last = snapshots[-1]
    assert last["counts"] == {"pass": 1, "fail": 1, "skip": 1, "unknown": 1}
    assert last["failure"]["message"] == "it hung"
    assert last["cancel"]["reason"] == "enough"
    assert last["resubmitted_as"] == [number + 1]
    assert last["results"][0]["line"] == 1
    assert [row["end"] for row in last["phases"]] == [11.0, 12.5, 13.0, 22.0, last["phases"][4]["end"]]
    assert all(row["end"] for row in last["waits"])
    assert [node["state"] for node in last["nodes"]] == ["closed", "closed"]


def test_a_queued_job_tells_why_it_waits_and_who_sees_it_start_sees_that_too() -> None:
    make_inventory("alpha")
    erika = make_user()
    started(erika)
    number = submit(erika)
    earlier = queries.job_snapshot(erika, number)
    assert earlier["waiting"] == [{"board": "alpha", "reason": "is reserved for job 1"}]
    assert earlier["state"] == "queued"
    commands.request_cancel(number, user=erika, cause="test")
    delta = queries.job_snapshot(erika, number, after=earlier["position"])
    assert (delta["waiting"], delta["state"], delta["outcome"]) == ([], "finished", "canceled")


def test_a_running_case_is_shown_until_it_reports() -> None:
    make_inventory()
    erika = make_user()
    number, recorder = started(erika)
    recorder.record([CaseStarted(node=1, suite="smoke", case="ping", at=5.0)])
    running = queries.job_snapshot(erika, number)["running"]
    assert running == [{"node": 1, "suite": "smoke", "case": "ping", "since": 5.0}]
    recorder.record([result("ping")])
    assert queries.job_snapshot(erika, number)["running"] == []


def rows() -> dict[str, list[dict[str, Any]]]:
    """All tables of the projection; keys that count insertions do not matter."""
    return {
        model.__name__: sorted(
            (
                {key: value for key, value in row.items() if key != "id" or model is Job}
                for row in model._default_manager.values()
            ),
            key=repr,
        )
        for model in projection.models
    }


def test_a_transfer_is_shown_while_it_goes_on() -> None:
    make_inventory()
    erika = make_user()
    number, recorder = started(erika)

    def transfer() -> Any:
        return queries.job_snapshot(erika, number)["nodes"][1]["transfer"]

    def moved(done: int, at: float, what: str = "copy a", ended: bool = False) -> list[Fact]:
        return [
            TransferProgressed(node=1, what=what, done=done, total=9, rate=2.0, ended=ended, at=at),
        ]

    recorder.record([phase(1, "deploy", "copy a", 1), *moved(3, 2.0)])
    assert transfer() == {"what": "copy a", "done": 3, "total": 9, "rate": 2.0, "at": 2.0}
    recorder.record(moved(9, 3.0, what="fetch b", ended=True))
    assert transfer()["done"] == 3
    recorder.record(moved(9, 3.0, ended=True))
    assert transfer() is None
    for end in (
        phase(1, "boot", "login", 4),
        PhaseEnded(node=1, at=5),
        NodeClosed(node=1, reason="", ok=True, at=6),
    ):
        recorder.record(moved(3, 3.5))
        recorder.record([end])
        assert transfer() is None


def test_rebuilt_tables_are_those_that_grew_live() -> None:
    make_inventory()
    erika = make_user()
    told(erika)
    submit(erika, definition(visibility="private"))
    before = rows()
    call_command("rebuild_projections", verbosity=0)
    assert rows() == before


def test_the_row_of_a_job_is_the_fold_of_its_stream() -> None:
    from jobs.domain import job as life

    make_inventory()
    number, _ = told(make_user())
    folded = fold(life.apply, life.Job(number=number), (r.event for r in store.read(f"job/{number}")))
    assert load_job(number) == (folded, len(store.read(f"job/{number}")))
    assert job_state(Job.objects.get(pk=number)) == folded


def test_events_come_in_order_with_words_and_only_those_after_the_position() -> None:
    make_inventory()
    number, _ = told(make_user())
    everything = queries.job_events(number)
    assert [row["version"] for row in everything] == list(range(1, len(everything) + 1))
    assert everything[0]["text"] == "erika submitted “a job”"
    assert {"position", "version", "type", "at", "actor", "data", "text"} <= set(everything[0])
    for index in (0, 3, len(everything) - 1):
        later = queries.job_events(number, after=everything[index]["position"])
        assert later == everything[index + 1 :]
    assert queries.job_events(number, limit=2) == everything[:2]
