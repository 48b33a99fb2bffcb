"""Pages about boards, device types and the whole lab: what they show to whom, and at what price."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import board_commands, errand_records, tasks
from devices.loading import load_board
from jobs import commands
from jobs.dashboard import ATTENTION, CHIPS, dashboard
from jobs.recorder import Recorder
from tests.support import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def erika() -> User:
    jobs.make_inventory("bench-01", "bench-02")
    return jobs.make_user()


@pytest.fixture
def boss(erika: User) -> User:
    return jobs.make_user("boss", is_superuser=True)


def page(client: Client, path: str, user: User | None = None) -> str:
    client.logout()
    if user is not None:
        client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def words(html: str) -> str:
    """The text of a page, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def finish(recorder: Recorder, **ending: Any) -> None:
    recorder.finish(**({"outcome": "complete"} | ending))


# -- the whole lab -------------------------------------------------------------------------------


def test_the_front_page_of_an_empty_lab_says_what_to_do(client: Client) -> None:
    shown = words(page(client, "/"))
    for sentence in ("Nothing is running", "There is no board yet", "No job has finished yet"):
        assert sentence in shown
    boss = jobs.make_user("boss", is_superuser=True)
    assert "Add the first one" in page(client, "/", boss)


def test_the_front_page_says_what_runs_what_waits_and_what_is_broken(client: Client, erika: User) -> None:
    jobs.add_board("bench-03")
    running, _ = jobs.started(erika)
    board_commands.take_board_offline("bench-02", "PSU fault", actor="lab")
    board_commands.set_board_health("bench-03", "bad", "no prompt", actor="lab")
    jobs.submit(erika, jobs.definition("patient"))
    html = page(client, "/")
    shown = words(html)
    assert "<title>1 running, 1 waiting · Labbook</title>" in html
    assert "labbook-fail.svg" in html
    assert f"#{running}" in shown
    assert "First for bench: 1 busy, 1 unhealthy, 1 offline." in shown
    assert "bench-02 is offline: PSU fault" in shown  # board by board, folded
    assert "1 of 3 boards in service, 0 free" in shown
    assert shown.index("bench-03 unhealthy for") < shown.index(
        "bench-02 offline for"
    )  # nobody decided about that


def test_mine_shows_only_my_jobs(client: Client, erika: User) -> None:
    jobs.submit(erika, jobs.definition("of erika"))
    otto = jobs.make_user("otto")
    assert "of erika" in page(client, "/", otto)
    assert "of erika" not in page(client, "/?whose=mine", otto)
    assert "of erika" in page(client, "/?whose=mine", erika)


def test_lists_of_the_front_page_are_bounded(erika: User) -> None:
    for number in range(20):
        jobs.add_board(f"spare-{number:02d}")
        board_commands.take_board_offline(f"spare-{number:02d}", "spare", actor="lab")
    shown = dashboard(erika, 1e9)
    assert (len(shown.attention), shown.attention_more) == (ATTENTION, 20 - ATTENTION)
    (row,) = shown.types
    assert (len(row.out.chips), row.out.more) == (CHIPS - 1, 20 - CHIPS + 1)
    assert row.count == 22


# -- the price -----------------------------------------------------------------------------------


def queries_of(client: Client, path: str) -> int:
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


def test_more_boards_and_jobs_cost_no_more_queries(client: Client, erika: User) -> None:
    paths = ("/", "/boards/", "/boards/bench-01/", "/types/", "/types/bench/")

    def live(first: int, count: int) -> None:
        for number in range(first, first + count):
            jobs.add_board(f"more-{number}", tags=["fast"])
        board_commands.take_board_offline(f"more-{first}", "dust", actor="lab")
        board_commands.set_board_health(f"more-{first + 1}", "bad", "dust", actor="lab")
        recorders = [jobs.started(erika)[1] for _ in range(count)]
        for recorder in recorders[: count // 2]:
            finish(recorder)
        for _ in range(count):
            jobs.submit(erika, jobs.definition(board=f"more-{first}"))

    live(0, 4)
    few = {path: queries_of(client, path) for path in paths}
    live(4, 12)
    assert {path: queries_of(client, path) for path in paths} == few
    assert max(few.values()) < 60


def test_a_strip_of_a_busy_day_is_less_than_a_kilobyte(client: Client, erika: User) -> None:
    for _ in range(3):
        finish(jobs.started(erika)[1])
    html = page(client, "/boards/")
    strips = re.findall(r'<div class="strip">.*?</div>', html)
    assert len(strips) == 2
    assert all(len(one) < 1024 for one in strips)


# -- boards --------------------------------------------------------------------------------------


def test_a_board_says_who_has_it_and_what_it_was_used_for(client: Client, erika: User) -> None:
    first, recorder = jobs.started(erika)
    finish(recorder)
    second, _ = jobs.started(erika)
    shown = words(page(client, "/boards/bench-01/"))
    assert f"#{second} a job of erika" in shown
    assert "labbook-run.svg" in page(client, "/boards/bench-01/")
    assert f"#{first}" in shown  # as one of its recent jobs, and in the table of reservations
    assert "Its console is that of the job" in shown
    assert f"released by job {first}" in shown


def test_of_a_private_job_others_see_only_that_there_is_one(client: Client, erika: User) -> None:
    number = jobs.submit(erika, jobs.definition("secret plan", visibility="private"))
    commands.schedule()
    for path in ("/", "/boards/", "/boards/bench-01/", "/types/bench/"):
        html = page(client, path, jobs.make_user(f"otto{len(path)}"))
        assert "secret plan" not in html
        assert f"/jobs/{number}/" not in html
    shown = words(page(client, "/boards/bench-01/"))
    assert "reserved for another job" in shown
    assert "secret plan" in page(client, "/boards/bench-01/", erika)


def test_how_the_lab_reaches_a_board_is_shown_to_those_who_keep_it(
    client: Client, erika: User, boss: User
) -> None:
    for path in ("/boards/bench-01/", "/types/bench/"):
        assert "192.0.2.1" not in page(client, path)
        assert "192.0.2.1" not in page(client, path, erika)
        assert "192.0.2.1" in page(client, path, boss)
    assert "device type bench" in page(client, "/types/bench/", boss)


def test_who_keeps_a_board_has_it_tested_from_its_page_and_reads_what_was_said(
    client: Client, erika: User, boss: User
) -> None:
    board_commands.change_board("bench-01", config={"connect_timeout": 0.2}, actor="lab")
    assert "dlg-test" not in page(client, "/boards/bench-01/", erika)
    assert "dlg-test" in page(client, "/boards/bench-01/", boss)
    asked = client.post("/boards/bench-01/do/test", follow=True).content.decode()
    assert "Board bench-01 is to be tested." in asked
    assert "Waits for a worker" in asked
    assert "dlg-test" not in asked, "one at a time"
    assert 'class="f-hand"' in asked
    tasks.run_errand("bench-01", errand_records.errands("bench-01")[0].number)
    shown = page(client, "/boards/bench-01/", boss)
    assert "Connection test" in words(shown)
    assert "Failed" in words(shown)
    assert "fails ssh" in words(shown)
    assert "by hand" in words(shown)
    seen = words(page(client, "/boards/bench-01/", erika))
    assert "a test of its connections" in seen
    assert "192.0.2.1" not in seen
    client.force_login(erika)
    assert client.post("/boards/bench-01/do/test").status_code == 403
    assert "Boards lately" not in words(page(client, "/", boss))


def test_a_board_that_is_hidden_is_nowhere(client: Client, erika: User, boss: User) -> None:
    board_commands.change_board_access("bench-02", {"view": ["user:boss"]}, actor="lab")
    board_commands.take_board_offline("bench-02", "under cover", actor="lab")
    for path in ("/", "/boards/", "/types/", "/types/bench/", "/boards/bench-01/"):
        assert "bench-02" not in page(client, path, erika)
        assert "under cover" not in page(client, path, erika)
    assert client.get("/boards/bench-02/").status_code == 404
    assert "under cover" in page(client, "/", boss)


def test_boards_are_filtered_and_come_page_by_page(
    client: Client, erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.add_board("quick-01", tags=["fast"])
    board_commands.take_board_offline("bench-02", "dust", actor="lab")

    def listed(query: str) -> list[str]:
        html = page(client, f"/boards/{query}")
        return re.findall(r'<td class="nw"><a href="/boards/([^/]+)/"', html)

    assert listed("") == ["bench-01", "bench-02", "quick-01"]
    assert listed("?q=QUICK") == listed("?tag=fast") == ["quick-01"]
    assert listed("?state=out") == listed("?state=offline") == ["bench-02"]
    assert listed("?state=free&type=bench&site=default") == ["bench-01", "quick-01"]
    assert listed("?q=elephant") == listed("?type=none") == []
    monkeypatch.setattr("jobs.views.boards.MOST", 2)
    html = page(client, "/boards/")
    assert listed("") == ["bench-01", "bench-02"]
    assert 'rel="next" href="?after=bench-02"' in html
    assert listed("?after=bench-02") == ["quick-01"]
    assert 'rel="prev" href="?before=quick-01"' in page(client, "/boards/?after=bench-02")
    assert listed("?before=quick-01") == ["bench-01", "bench-02"]


def test_the_history_of_a_board_comes_page_by_page(
    client: Client, erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.views.boards.EVENTS", 2)
    board_commands.take_board_offline("bench-01", "dust", actor="lab")
    board_commands.bring_board_online("bench-01", "wiped", actor="lab")
    first = page(client, "/boards/bench-01/")
    assert "wiped" in first
    assert ">registered<" not in first
    (older,) = re.findall(r'href="\?before=(\d+)#h-history">Older', first)
    second = page(client, f"/boards/bench-01/?before={older}")
    assert ">registered<" in second
    assert "Newest" in second
    for nonsense in ("?before=x", "?before=-1", "?before=99999999999", "?span=century"):
        assert client.get(f"/boards/bench-01/{nonsense}").status_code == 200


def test_who_may_handle_a_board_takes_it_out_and_back_for_a_reason(
    client: Client, erika: User, boss: User
) -> None:
    assert "dlg-offline" not in page(client, "/boards/bench-01/", erika)
    assert client.post("/boards/bench-01/do/offline", {"reason": "dust"}).status_code == 403
    board_commands.change_board_access("bench-01", {"handle": ["user:erika"]}, actor="lab")
    assert "dlg-offline" in page(client, "/boards/bench-01/", erika)
    answer = client.post("/boards/bench-01/do/offline", {"reason": "dust"}, follow=True)
    assert "Board bench-01 is offline." in answer.content.decode()
    assert "it is offline: dust" in words(answer.content.decode())
    assert load_board("bench-01").state.offline == "dust"
    refused = client.post("/boards/bench-01/do/offline", {"reason": ""}, follow=True).content.decode()
    assert "reason" in words(refused)
    assert load_board("bench-01").state.offline == "dust"
    client.post("/boards/bench-01/do/online", {"reason": "wiped"})
    assert not load_board("bench-01").state.offline
    late = client.post("/boards/bench-01/do/online", {"reason": ""}, follow=True)
    assert "Nothing done" in late.content.decode()
    assert client.get("/boards/bench-01/do/online").status_code == 405
    assert client.post("/boards/bench-01/do/delete", {"reason": "sold"}, follow=True).status_code == 200
    assert not load_board("bench-01").state.retired


def test_a_retired_board_keeps_its_page(client: Client, erika: User) -> None:
    board_commands.retire_board("bench-02", "sold", actor="lab")
    shown = words(page(client, "/boards/bench-02/"))
    assert "Retired" in shown
    assert "Queue for" not in shown
    assert "bench-02" not in page(client, "/boards/")
    assert "bench-02" in page(client, "/boards/?state=retired")


# -- device types --------------------------------------------------------------------------------


def test_a_type_shows_its_boards_its_queue_and_what_runs_on_it(client: Client, erika: User) -> None:
    jobs.started(erika)
    jobs.add_board("odd-01", tags=["hdmi"])
    board_commands.take_board_offline("odd-01", "lent", actor="lab")
    jobs.submit(erika, jobs.definition("patient", tags=["hdmi"]))
    shown = words(page(client, "/types/bench/"))
    assert "Boards 3, 1 free" in shown
    assert "bench-02" in shown
    assert "No board that fits it is in service: 1 offline, 2 not fitting." in shown
    assert "patient" in shown
    vm = words(page(client, "/types/kvm/"))
    assert "virtual machines" in vm
    assert "Run by bench" in vm
    overview = words(page(client, "/types/"))
    assert "bench 3 1 1 kvm" in overview
    assert client.get("/types/none/").status_code == 404
