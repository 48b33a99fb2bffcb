"""When boards were held or out of use, and what of their history is read for a page of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from devices import board_commands, errands, queries
from devices import reservations as of_boards
from devices.domain import board as boards
from devices.loading import load_board
from devices.models import FOREVER, Span
from devices.reservations import reservations, times, used
from lab.eventstore.store import store
from lab.kernel.errors import NotFound
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append
from tests.support.inventory import register_board, register_types

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _inventory() -> None:
    register_types()
    register_board()


def do(decide: Callable[[boards.Board], list[Event]], name: str = "b1") -> None:
    found = load_board(name)
    append = Append(stream=found.stream, expected=found.version, events=decide(found.state))
    store.append(append, meta=Meta(actor="lab", cause="test"))


def hold(job: int, name: str = "b1") -> None:
    do(lambda state: boards.reserve(state, job), name)


def leave(job: int, reason: str = "", name: str = "b1") -> None:
    do(lambda state: boards.release(state, job, reason), name)


def told() -> list[tuple[str, int | None, bool, str]]:
    found = sorted(of_boards.last_stretches("b1", 99), key=lambda one: one.since)
    assert {one[1:] for one in times(["b1"], 0)} == {
        (one.kind, one.job, one.since, one.until) for one in found
    }
    return [(one.kind, one.job, one.lasts, one.reason) for one in found]


def test_what_a_job_had_and_why_a_board_was_out_are_stretches_side_by_side() -> None:
    hold(7)
    board_commands.take_board_offline("b1", "fan is loud", actor="lab")
    board_commands.take_board_offline("b1", "fan is broken", actor="lab")
    leave(7, "ended")
    board_commands.bring_board_online("b1", actor="lab")
    board_commands.set_board_health("b1", "bad", "no prompt", job=8, actor="lab")
    assert told() == [
        ("job", 7, False, "ended"),
        ("offline", None, False, "fan is broken"),
        ("unhealthy", 8, True, "no prompt"),
    ]
    board_commands.set_board_health("b1", "good", actor="lab")
    hold(9)
    do(lambda state: boards.quarantine(state, 9, "two disks are left"))
    assert [one[:3] for one in told()][2:] == [
        ("unhealthy", 8, False),
        ("job", 9, False),
        ("quarantined", None, True),
    ]
    errands.request("b1", "test", actor="lab")
    assert told()[-1] == ("errand", None, True, "a test of its connections")
    assert "errand" not in {one.kind for one in [*of_boards.out_of_use(), *of_boards.out_lately(9)]}
    board_commands.release_board("b1", "the worker was unplugged", actor="lab")
    assert not told()[-1][2]
    board_commands.retire_board("b1", "sold", actor="lab")
    assert not any(lasts for _, _, lasts, _ in told())


def spans() -> list[dict[str, Any]]:
    rows = Span.objects.order_by("since", "kind").values()
    return [{**row, "id": 0, "had_before": round(row["had_before"], 4)} for row in rows]


def add_up() -> None:
    """What the migration does that came with the sums."""
    with connection.cursor() as cursor:
        import_module("devices.migrations.0009_had_before").add_up(apps, cursor)


def test_past_stretches_are_drawn_from_the_log_by_a_rebuild_and_by_the_migration() -> None:
    register_board("b2")
    for job in (3, 4):
        hold(job)
        hold(job + 10, "b2")
        leave(job, "done")
        leave(job + 10, name="b2")
    board_commands.take_board_offline("b1", "moved", actor="lab")
    board_commands.take_board_offline("b1", "moved again", actor="lab")
    board_commands.set_board_health("b2", "bad", "no prompt", actor="lab")
    hold_again = spans()
    call_command("rebuild_projections", verbosity=0)
    assert spans() == hold_again
    Span.objects.all().delete()
    migration = import_module("devices.migrations.0004_spans")
    migration.take_in(apps, None)
    assert spans() != hold_again
    add_up()
    assert spans() == hold_again


def test_reservations_come_newest_first_and_no_more_than_asked_for() -> None:
    for job in range(1, 6):
        hold(job)
        leave(job)
    hold(6)
    assert [(one.job, one.until is None) for one in reservations("b1", 3)] == [
        (6, True),
        (5, False),
        (4, False),
    ]
    assert len(reservations("b1")) == 6
    assert reservations("nowhere") == []


def test_use_is_the_time_that_jobs_had_a_board_within_a_window() -> None:
    register_board("b2")
    Span.objects.bulk_create(
        [
            Span(board="b1", kind="job", job=1, since=0, until=150),  # half of it before the window
            Span(board="b1", kind="job", job=2, since=180, until=190),
            Span(board="b1", kind="offline", since=150, until=180),
            Span(board="b2", kind="job", job=3, since=195),
        ]
    )
    add_up()
    assert used(100, 200) == {"b1": 60, "b2": 5}
    assert used(100, 200, ["b2"]) == {"b2": 5}
    assert used(160, 200, ["b1"]) == {"b1": 10}


def test_use_that_is_told_by_the_first_and_the_last_reservation_is_that_of_all() -> None:
    register_board("b2")
    rolled = random.Random(7)
    for name in ("b1", "b2"):
        at = 0.0
        for job in range(60):
            since = at + rolled.choice([0.0, 0.5, 7.0, 90.0])
            at = since + rolled.choice([0.0, 0.25, 3.0, 60.0])
            Span.objects.create(board=name, kind="job", job=job, since=since, until=at)
            Span.objects.create(board=name, kind="offline", since=since, until=at + 5)
        Span.objects.create(board=name, kind="job", job=99, since=at + 1)
    add_up()
    now = max(Span.objects.filter(until=FOREVER).values_list("since", flat=True)) + 3
    for start in (-10.0, 0.0, *(rolled.uniform(0, now) for _ in range(30)), now - 1):
        plain: dict[str, float] = {}
        for one in Span.objects.filter(kind="job", until__gt=start):
            had = min(one.until, now) - max(one.since, start)
            plain[one.board] = plain.get(one.board, 0.0) + had
        assert used(start, now) == pytest.approx(plain)


def test_a_page_of_the_history_says_what_the_whole_history_says(
    django_assert_max_num_queries: Any,
) -> None:
    for job in range(1, 12):
        hold(job)
        leave(job)
        if job % 3 == 0:
            board_commands.take_board_offline("b1", f"look at it after {job}", actor="lab")
            board_commands.take_board_offline("b1", f"still, after {job}", actor="lab")
            board_commands.set_board_health("b1", "good" if job % 2 else "bad", f"found {job}", actor="lab")
            board_commands.change_board("b1", description=f"changed {job}", actor="lab")
            board_commands.bring_board_online("b1", "seen", actor="lab")
            board_commands.set_board_health("b1", "good", actor="lab")
    whole = queries.board_history("b1")
    paged = []
    before = None
    while True:
        with django_assert_max_num_queries(4):
            page = queries.board_history("b1", before=before, limit=3)
        if not page:
            break
        paged += page
        before = page[-1].version
    assert paged == whole
    assert len(whole) == load_board("b1").version
    with pytest.raises(NotFound):
        queries.board_history("nowhere", limit=3)
