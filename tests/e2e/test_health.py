"""A board that falls ill, is taken out by its health check, repaired, checked, and used again."""

from __future__ import annotations

import json

import pytest

from tests.e2e.definitions import boot, group, shell
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NAME = "Is the host in order?"


def give_a_check(lab: RunningLab) -> None:
    """Let the board's type name a definition: it runs on the host and boots a VM there."""
    marker = lab.folder / "cable-is-loose"
    works = shell(f"lava-test-case cable --shell test ! -e {marker}", role="host", name="host")
    check = group(boot("guest"), works, shell("lava-test-case up --result pass", role="guest"), job_name=NAME)
    # Whose host it is, is filled in.
    del check["vm_group"]["host"]["device_type"]
    code = (
        "from devices import type_commands; from devices.models import DeviceType\n"
        "config = DeviceType.objects.get(pk='ssh-host').config\n"
        f"config['health'] = {{'definition': {json.dumps(json.dumps(check))}}}\n"
        "type_commands.change_device_type('ssh-host', config=config, actor='lab', cause='test')"
    )
    lab.manage("shell", "-c", code)


def test_a_board_is_taken_out_by_its_check_repaired_checked_and_used_again(lab: RunningLab) -> None:
    give_a_check(lab)
    loose = lab.folder / "cable-is-loose"
    loose.touch()
    answer = lab.client.post("boards/demo-host/health-check/", json={"reason": "it looks pale"})
    assert answer.status_code == 201, answer.text
    failed = lab.wait(answer.json()["id"])
    assert (failed["health_check"], failed["submitter"], failed["board"]) == (True, "lab", "demo-host")
    assert failed["outcome"] == "complete", failed["failure"]
    board = lab.board()
    assert (board["state"], board["health"], board["health_job"]) == ("unhealthy", "bad", failed["id"])
    assert board["reason"] == "unhealthy: health check failed: 1 test failed (cable)"
    page = lab.client.get(f"{lab.url}/boards/demo-host/").text
    assert f'href="/jobs/{failed["id"]}/"' in page

    number = lab.submit(group(boot("guest"), shell("lava-test-case fine --result pass")))
    told = lab.wait(number, 30, until=lambda job: job["waiting"])["waiting"]
    assert any("1 test failed (cable)" in one["reason"] for one in told), told

    loose.unlink()
    lab.manage("board", "demo-host", "online", "--reason", "the cable is in")
    passed = lab.wait(number + 1)
    assert passed["health_check"], passed
    assert (passed["outcome"], passed["counts"]["fail"]) == ("complete", 0), passed["failure"]
    job = lab.wait(number)
    assert job["outcome"] == "complete", job["failure"]
    assert job["started_at"] > passed["finished_at"], "the check came first"
    board = lab.board()
    assert (board["state"], board["health"], board["check"]) == ("free", "good", "")
