"""What an administrator does with the log: verify it, rebuild what is drawn from it, look at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from jobs.domain.events import JobSubmitted
from jobs.models import Job
from lab.eventstore import append_only
from lab.eventstore.models import EventRow
from tests.support.bare_jobs import append, result, submitted
from tests.support.databases import Database


@pytest.fixture
def small_log(database: Database) -> Database:
    """Six events in two streams."""
    for job in ("job/1", "job/2"):
        append(job, submitted())
        append(job, result("ping"), result("pong", "fail"))
    return database


@pytest.fixture
def tamper(small_log: Database) -> Callable[[str], None]:
    """Change the log as somebody could who owns the database."""
    one = next(one for one in append_only.protected() if one.model is EventRow)

    def run(sql: str) -> None:
        append_only.remove(connection, one)
        with connection.cursor() as cursor:
            cursor.execute(sql)
        append_only.install(connection, one)

    return run


def verify(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, Any], bool]:
    capsys.readouterr()
    try:
        call_command("verify_log", "--json", *options)
        ok = True
    except CommandError:
        ok = False
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found, ok


def test_an_untouched_log_is_sound(small_log: Database, capsys: pytest.CaptureFixture[str]) -> None:
    found, ok = verify(capsys)
    assert ok
    assert (found["events"], found["streams"], found["problems"], found["sound"]) == (6, 2, [], True)
    call_command("verify_log")
    out = capsys.readouterr().out
    assert "6 events in 2 streams" in out
    assert f"checkpoint: position 6 digest {found['checkpoint']['digest']}" in out
    assert "The log is sound." in out


def test_an_empty_log_is_sound(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    found, ok = verify(capsys)
    assert ok
    assert found["checkpoint"] == {"position": 0, "digest": ""}


NOW = JobSubmitted.schema
CHANGES = {
    "UPDATE es_event SET data = replace(data, 'ping', 'pang') WHERE position = 2": [
        (2, "job/1@2 (job.result_reported) does not match its digest")
    ],
    "UPDATE es_event SET meta = replace(meta, 'lab', 'ann') WHERE position = 3": [
        (3, "job/1@3 (job.result_reported) does not match its digest")
    ],
    "UPDATE es_event SET recorded_at = '2001-01-01 00:00:00+00' WHERE position = 1": [
        (1, "job/1@1 (job.submitted) does not match its digest")
    ],
    "UPDATE es_event SET schema = 7 WHERE position = 1": [
        (1, "job/1@1 (job.submitted) does not match its digest"),
        (1, f"job/1@1 cannot be read: job.submitted schema 7 is newer than this Labbook ({NOW})"),
    ],
    "DELETE FROM es_event WHERE position = 2": [
        (3, "position 2 is missing"),
        (3, "job/1 goes from version 1 to 3"),
        (3, "job/1@3 (job.result_reported) does not match its digest"),
    ],
    "DELETE FROM es_event WHERE stream = 'job/1'": [(4, "1 to 3 are missing")],
    "UPDATE es_event SET position = 9 WHERE position = 5": [
        (6, "position 5 is missing"),
        (6, "job/2 goes from version 1 to 3"),
        (6, "job/2@3 (job.result_reported) does not match its digest"),
        (9, "7 to 8 are missing"),
        (9, "job/2 goes from version 3 to 2"),
        (9, "job/2@2 (job.result_reported) does not match its digest"),
    ],
}


@pytest.mark.parametrize("sql", CHANGES)
def test_tampering_is_evident(
    tamper: Callable[[str], None], capsys: pytest.CaptureFixture[str], sql: str
) -> None:
    tamper(sql)
    found, ok = verify(capsys)
    assert not ok
    assert [(one["position"], one["text"]) for one in found["problems"]] == CHANGES[sql]


def test_a_checkpoint_kept_elsewhere_shows_that_the_newest_events_were_removed(
    tamper: Callable[[str], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = str(tmp_path / "checkpoint.json")
    call_command("verify_log", "--save", kept)
    append("job/1", result("later"))
    assert verify(capsys, "--checkpoint", kept)[1]
    call_command("verify_log", "--checkpoint", kept)
    assert "agrees with the checkpoint at position 6" in capsys.readouterr().out
    tamper("DELETE FROM es_event WHERE position >= 5")
    assert verify(capsys)[1]
    found, ok = verify(capsys, "--checkpoint", kept)
    assert not ok
    assert found["problems"] == [
        {
            "position": 4,
            "text": "the log ends at position 4, the checkpoint was taken at 6: "
            "the newest 2 events are missing",
        }
    ]


def test_a_checkpoint_shows_even_a_history_rewritten_digest_by_digest(
    tamper: Callable[[str], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = str(tmp_path / "checkpoint.json")
    call_command("verify_log", "--save", kept)
    tamper("DELETE FROM es_event WHERE position >= 4")
    call_command("rebuild_projections", "--json")
    append("job/2", submitted(submitter="mallory"))
    append("job/2", result("ping"), result("pong"))
    assert verify(capsys)[1]
    found, ok = verify(capsys, "--checkpoint", kept)
    assert not ok
    assert found["problems"] == [
        {"position": 6, "text": "the events up to position 6 are not those of the checkpoint"}
    ]


def test_a_log_whose_triggers_are_gone_is_not_sound(
    small_log: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for one in append_only.protected():
        append_only.remove(connection, one)
    found, ok = verify(capsys, "--save", str(tmp_path / "no"))
    assert not ok
    assert found["problems"] == []
    assert set(found["missing_triggers"]) == {"es_event", "console_chunk", "sitting_chunk"}
    assert not (tmp_path / "no").exists()
    with pytest.raises(CommandError, match="not sound"):
        call_command("verify_log")
    assert "table es_event lacks the triggers es_event_no" in capsys.readouterr().out


def test_a_file_that_is_no_checkpoint_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{}")
    with pytest.raises(CommandError, match=r"x is not a saved checkpoint: .*position"):
        call_command("verify_log", "--checkpoint", str(tmp_path / "x"))
    with pytest.raises(CommandError, match="is not a saved checkpoint"):
        call_command("verify_log", "--checkpoint", str(tmp_path / "missing"))


def test_rebuilding_draws_the_same_rows_again(
    small_log: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(Job.objects.order_by("id").values())
    Job.objects.all().update(name="made up")
    call_command("rebuild_projections")
    said = capsys.readouterr()
    assert list(Job.objects.order_by("id").values()) == before
    assert "Replayed 6 events" in said.out
    assert "replayed 6 of 6 events" in said.err
    call_command("rebuild_projections", "--json")
    done = json.loads(capsys.readouterr().out)
    assert (done["events"], done["rows"][Job._meta.db_table]) == (6, 2)
    with pytest.raises(CommandError, match="There is no projection 'jabs'"):
        call_command("rebuild_projections", "jabs")


@pytest.mark.django_db
def test_the_admin_shows_the_log_and_lets_nobody_touch_it(client: Client) -> None:
    append("job/1", submitted(submitter="ann"), result("a <b> & c"))
    client.force_login(User.objects.create_superuser("root", password="x"))
    page = "/admin/eventstore/eventrow/"
    everything = client.get(page).content.decode()
    assert "job.submitted" in everything
    assert "job.result_reported" in everything
    assert "Add event" not in everything
    for query in ("q=2", "q=job/1", "q=a+%3Cb", "type=job.result_reported", "category=job"):
        assert "job.result_reported" in client.get(f"{page}?{query}").content.decode(), query
    for query in ("q=job/2", "q=99", "q=no+such+text", "type=job.finished", "category=board"):
        assert "0 events" in client.get(f"{page}?{query}").content.decode(), query
    shown = client.get(f"{page}2/change/").content.decode()
    assert "a &lt;b&gt; &amp; c" in shown
    assert 'name="_save"' not in shown
    for path in ("add/", "2/delete/"):
        assert client.post(f"{page}{path}", {"post": "yes"}).status_code == 403
    assert client.post(f"{page}2/change/", {"type": "x"}).status_code == 403
    assert EventRow.objects.count() == 2
