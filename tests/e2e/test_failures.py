"""Failures of day one: each ends with the right state, class and words, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.definitions import KERNEL, boot, group, shell
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
Json = dict[str, Any]
OK = shell("lava-test-case fine --result pass")


def failed(lab: RunningLab, definition: Json, kind: str, *words: str) -> Json:
    """Run it; see that it is incomplete for the right reason, in words, and that nothing of it is left."""
    job = lab.run(definition)
    said = json.dumps(job["failure"])
    assert (job["state"], job["outcome"]) == ("finished", "incomplete"), said
    assert job["failure"]["kind"] == kind, said
    for word in words:
        assert word in job["failure"]["message"], said
    gone(lab, job)
    page = lab.client.get(f"{lab.url}/jobs/{job['id']}/").text
    assert "Incomplete" in page or "incomplete" in page
    return job


def gone(lab: RunningLab, job: Json) -> None:
    """Nothing of the job is on the host, the lab knows why it may say so, and the board is free."""
    assert lab.traces(job["id"]) == []
    assert all(check["ok"] for check in job["checks"]), job["checks"]
    board = lab.board(job["board"] or "demo-host")
    assert board["state"] in ("free", "idle", "available"), board


def test_an_invalid_definition_is_refused_with_all_its_problems(lab: RunningLab) -> None:
    text = json.dumps(group(OK, vms=[{"device_type": "kvm", "role": "guest", "cuont": 2}]), indent=2)
    answer = lab.client.post(
        "jobs/", json={"definition": text.replace('"timeout": 300', '"timeout": "soon"')}
    )
    assert answer.status_code == 400
    problems = {one["path"]: one for one in answer.json()["problems"]}
    assert "count" in problems["vm_group.vms[0].cuont"]["hint"]
    assert problems["timeout"]["line"] == 3


def test_an_image_outside_the_allowed_folders_is_refused_at_submission(lab: RunningLab) -> None:
    answer = lab.client.post(
        "jobs/", json={"definition": json.dumps(group(boot("guest", kernel="file:///etc/shadow"), OK))}
    )
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert problem["path"] == "actions[1].parameters.kernel"
    assert "/etc/shadow" in problem["message"] + problem["hint"]


def test_a_link_out_of_the_allowed_folders_is_refused(lab: RunningLab) -> None:
    link = Path(lab.folder, "files", "innocent")
    link.symlink_to("/etc/hostname")
    failed(lab, group(boot("guest", kernel=f"file://{link}"), OK), "job", "innocent")


def test_a_missing_image_is_named(lab: RunningLab) -> None:
    missing = KERNEL.replace("vmlinuz", "missing")
    job = failed(lab, group(boot("guest", kernel=missing), OK), "job", "guest-amd64.missing")
    assert job["failure"]["node"] == 1


def test_a_wrong_prompt_is_shown_with_what_was_seen_instead(lab: RunningLab) -> None:
    vm = {"device_type": "kvm-hasty", "role": "guest", "shell_prompt": "never> "}
    failed(lab, group(boot("guest"), OK, vms=[vm]), "job", "never> ", "root@")


def test_a_vm_that_never_boots_is_given_up_on(lab: RunningLab) -> None:
    vm = {"device_type": "kvm-hasty", "role": "guest", "launch_with": ["sleep 1000"]}
    job = failed(lab, group(boot("guest"), OK, vms=[vm]), "job", "prompt")
    assert job["failure"]["node"] == 1


def test_a_vm_that_panics_is_noticed_at_once(lab: RunningLab) -> None:
    job = failed(lab, group(boot("guest", ramdisk=None), OK), "job", "panic")
    assert job["failure"]["node"] == 1
    assert b"Kernel panic" in lab.console(job["id"], 1)


def test_a_vm_that_ends_in_its_test_is_a_failed_test(lab: RunningLab) -> None:
    steps = shell("lava-test-case before --result pass", "poweroff -f", "sleep 60", role="guest")
    job = failed(lab, group(boot("guest"), steps), "test", "guest")
    assert [one["case"] for one in job["results"] if one["suite"] == "0_steps" or one["suite"] == "steps"]


def test_a_test_that_hangs_is_ended_by_its_timeout(lab: RunningLab) -> None:
    steps = shell("lava-test-case before --result pass", "sleep 1000", role="guest", timeout=8)
    job = failed(lab, group(boot("guest"), steps), "test", "8")
    assert "before" in [one["case"] for one in job["results"]], "what it reported until then is kept"


def test_a_host_that_refuses_ssh_is_named(lab: RunningLab) -> None:
    job = failed(lab, group(boot("guest"), OK, host="unreachable"), "infrastructure", "127.0.0.1", "refused")
    assert job["board"] == "nobody-home"


def test_nodes_that_wait_for_each_other_for_ever_are_told_so(lab: RunningLab) -> None:
    deadlock = (
        shell("lava-wait from-guest", role="host", name="host"),
        shell("lava-wait from-host", role="guest", name="guest"),
    )
    job = lab.run(group(boot("guest"), *deadlock), seconds=120)
    assert job["state"] == "finished"
    told = json.dumps(job["notes"]) + json.dumps(job["failure"]) + json.dumps(job["waits"])
    assert "from-guest" in told
    assert "from-host" in told
    assert any(not one["ok"] for one in job["waits"] if one["end"]), job["waits"]
    gone(lab, job)


def canceled(lab: RunningLab, number: int) -> Json:
    assert lab.client.post(f"jobs/{number}/cancel/", json={"reason": "enough"}).is_success
    job = lab.wait(number, 30)
    assert job["outcome"] == "canceled"
    assert (job["cancel"]["by"], job["cancel"]["reason"]) == ("engineer", "enough")
    gone(lab, job)
    return job


def test_a_queued_job_is_canceled(lab: RunningLab) -> None:
    lab.manage("board", "demo-host", "offline", "--reason", "dusting")
    number = lab.submit(group(boot("guest"), OK))
    waiting = lab.wait(number, 10, until=lambda job: job["waiting"])["waiting"]
    assert any("dusting" in one["reason"] for one in waiting), waiting
    assert lab.client.post(f"jobs/{number}/cancel/", json={"reason": "enough"}).is_success
    assert lab.wait(number, 10)["outcome"] == "canceled"
    lab.manage("board", "demo-host", "online", "--reason", "dusted")


def test_a_booting_job_is_canceled(lab: RunningLab) -> None:
    number = lab.submit(group(boot("guest"), OK))
    lab.wait(number, 60, until=lambda job: any(node["state"] == "boot" for node in job["nodes"]))
    canceled(lab, number)


def test_a_testing_job_is_canceled(lab: RunningLab) -> None:
    number = lab.submit(group(boot("guest"), shell("sleep 1000")))
    lab.wait(number, 60, until=lambda job: all(node["state"] == "test" for node in job["nodes"]))
    canceled(lab, number)


def test_the_board_is_used_again_after_all_that(lab: RunningLab) -> None:
    job = lab.run(group(boot("guest"), OK))
    assert job["outcome"] == "complete", job["failure"]
    assert job["counts"]["fail"] == 0


def test_a_worker_tries_the_connections_of_a_board_between_two_jobs(lab: RunningLab) -> None:
    assert lab.client.post("boards/nobody-home/errands/", json={"what": "test"}).status_code == 202
    asked = lab.client.post("boards/demo-host/errands/", json={"what": "test"})
    assert asked.status_code == 202, asked.text
    job = lab.run(group(boot("guest"), OK))  # it waits until the board is free again
    assert job["outcome"] == "complete"
    (works,) = lab.client.get("boards/demo-host/errands/").json()["errands"]
    assert (works["outcome"], works["steps"][-1]["step"], works["steps"][-1]["result"]) == (
        "pass",
        "ssh",
        "pass",
    )
    assert "Linux" in works["steps"][-1]["transcript"]
    (fails,) = lab.client.get("boards/nobody-home/errands/").json()["errands"]
    assert fails["outcome"] == "fail"
    assert "the connection was refused" in fails["steps"][-1]["said"]
