"""What the page for submitting is given: the lab's boards and queues, and definitions to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from devices import board_commands
from jobs import commands
from jobs.availability import availability
from jobs.domain.definition.validate import validate
from jobs.lab_view import lab_view
from jobs.starting_points import starting_points
from lab.actors import LAB
from tests.support import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def erika() -> User:
    jobs.make_inventory("alpha", "beta")
    return jobs.make_user()


def asked(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/availability/").json()
    return found


def test_boards_are_told_with_what_is_free_and_who_waits(client: Client, erika: User) -> None:
    for _ in range(3):
        jobs.submit(erika, jobs.definition(board="alpha"))
    board_commands.take_board_offline("beta", "a new fan", actor="lab")
    commands.schedule()
    (bench,) = asked(client)["board_types"]
    assert (bench["name"], bench["free"], bench["queued"], bench["runs"]) == ("bench", 0, 2, ["kvm"])
    alpha, beta = bench["boards"]
    assert (alpha["state"], alpha["free"], alpha["job"]) == ("reserved", False, 1)
    assert (beta["state"], beta["free"], beta["job"]) == ("offline", False, None)
    assert [one["name"] for one in asked(client)["vm_types"]] == ["kvm"]


def test_which_job_holds_a_board_is_for_those_who_may_see_the_job(client: Client, erika: User) -> None:
    jobs.submit(erika, jobs.definition(board="alpha", visibility="private"))
    commands.schedule()
    stranger = jobs.make_user("stranger")
    alpha = availability(stranger)["board_types"][0]["boards"][0]
    assert (alpha["job"], alpha["reason"], alpha["free"]) == (None, "held by a job", False)
    assert availability(erika)["board_types"][0]["boards"][0]["job"] == 1


def test_visitors_ask_only_where_the_lab_lets_them_read(
    client: Client, erika: User, settings: Settings
) -> None:
    assert client.get("/api/v1/availability/").status_code == 200
    assert asked(client)["groups"] == []
    settings.LABBOOK = {**settings.LABBOOK, "ANONYMOUS_READ": False}
    assert client.get("/api/v1/availability/").status_code in (401, 403)


def test_every_definition_to_start_from_is_valid_in_this_lab(erika: User) -> None:
    points = starting_points(LAB)
    assert points[0].title == "Empty group"
    assert len(points) >= 4
    for one in points:
        assert validate(one.text, lab_view(LAB)).host.device_type == "bench", one.name


def test_the_labs_own_definitions_come_first_after_the_empty_group(
    erika: User, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "nightly.yaml").write_text("# Nightly run\njob_name: nightly\n")
    (tmp_path / "plain.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("no definition")
    (tmp_path / "broken.yaml").write_bytes(b"\xff\xfe\xff")
    settings.LABBOOK = {**settings.LABBOOK, "TEMPLATES": str(tmp_path)}
    points = starting_points(LAB)
    assert [one.title for one in points[:3]] == ["Empty group", "Nightly run", "plain"]
    assert points[1].text == "# Nightly run\njob_name: nightly\n"
    assert not points[1].ours
    settings.LABBOOK = {**settings.LABBOOK, "TEMPLATES": str(tmp_path / "missing")}
    assert all(one.ours for one in starting_points(LAB))


def test_what_the_page_knows_cannot_leave_its_place(
    client: Client, erika: User, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "evil.yaml").write_text("# </script><b>\n")
    settings.LABBOOK = {**settings.LABBOOK, "TEMPLATES": str(tmp_path)}
    client.force_login(erika)
    page = client.get("/submit/").content.decode()
    assert "</script><b>" not in page
    assert 'id="submit-data"' in page
    assert page.count("data-script hidden") >= 4  # what needs scripts is not shown without them
