"""What people have done to a board by a worker: its connections tried on real parts, its power switched."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from devices import board_commands, errand_records, errands, fence, loading, queries, seen, tasks
from devices.domain import errand as rules
from devices.domain.errand import Over
from devices.domain.events import BoardReserved
from devices.drivers import expect, serial_line, trial
from devices.drivers.power import outlet
from devices.errand_records import Errand
from devices.models import Board
from jobs import commands as job_commands
from jobs.domain.job import Stale
from jobs.models import Job, Lease
from lab import cluster_ties
from lab.demo.sshd import SshServer
from lab.eventstore.rebuild import rebuild
from lab.eventstore.store import store
from lab.kernel.errors import InfrastructureError, NotPermitted, Rejected
from lab.kernel.events import Event, Meta, codec
from lab.kernel.ports import Append
from lab.tokens.models import make_token
from tests.support.consoles import DeviceBoard
from tests.support.hands import until
from tests.support.jobs import make_inventory, make_user, phase, started, submit
from tests.support.sshd import ssh_config
from tests.support.switches import Relay

pytestmark = pytest.mark.django_db


@pytest.fixture
def serial(tmp_path: Path) -> Iterator[DeviceBoard]:
    board = DeviceBoard(tmp_path)
    yield board
    board.close()


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    return Relay(tmp_path)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LISTEN", 0.2)


def register(**config: Any) -> None:
    make_inventory("alpha")
    if "console" in config:
        config = {**config, "console": {"speak_timeout": 10, **config["console"]}, "waits": {"answer": 0.4}}
    board_commands.change_board("alpha", config=config, actor="lab")


def power_of(relay: Relay) -> dict[str, Any]:
    power = relay.board.power
    fast = {"off_seconds": 0, "retry_delay": 0, "attempts": 1}
    return {"method": "command", "on": power.on, "off": power.off, "status": power.status, **fast}


def reached_by(server: SshServer) -> dict[str, Any]:
    wanted = ("host", "port", "user", "key_file", "host_key")
    return {key: value for key, value in asdict(ssh_config(server)).items() if key in wanted}


def outcome_of_a_test() -> Errand:
    """Have the board tested, by this process in the place of a worker."""
    number = errands.request("alpha", "test", actor="lab")
    tasks.run_errand("alpha", number)
    return errand_records.errands("alpha")[0]


def results(errand: Errand) -> dict[str, str]:
    return {step.step: step.result for step in errand.steps}


def texts() -> list[str]:
    return [entry.text for entry in queries.board_history("alpha")]


def test_power_console_and_ssh_are_tried_and_their_transcripts_kept(
    relay: Relay, serial: DeviceBoard, sshd: SshServer
) -> None:
    register(power=power_of(relay), console={"url": str(serial.path)}, ssh=reached_by(sshd))

    def speak() -> None:
        until(relay.powered)
        serial.print(b"\x1b[2JU-Boot 2023.01\r\nHit any key \x00\xff")

    speaking = threading.Thread(target=speak)
    speaking.start()
    found = outcome_of_a_test()
    speaking.join()
    assert results(found) == {"power": "pass", "serial": "pass", "ssh": "pass"}
    assert (found.outcome, found.title) == ("pass", "Connection test")
    power, console, ssh = found.steps
    assert "says that it is off" in power.transcript
    assert "done: it is on" in power.transcript
    assert "U-Boot 2023.01" in console.transcript
    assert "\x1b" not in console.transcript
    assert "Linux" in ssh.transcript
    # It was off, so it is off again; what was switched is on the record.
    assert relay.asked == ["off", "on", "off"]
    assert "power switched off and on again by hand, is on" in texts()
    assert queries.board("alpha").free
    before = Board.objects.values().get(pk="alpha")
    rebuild(["inventory"])
    assert Board.objects.values().get(pk="alpha") == before


def test_what_fails_says_why_and_the_rest_is_tried_all_the_same(
    relay: Relay, serial: DeviceBoard, sshd: SshServer
) -> None:
    relay.be("refuse")
    another = " ".join(Path(f"{sshd.key_file}.pub").read_text().split()[:2])
    wrong = reached_by(sshd) | {"host_key": another}
    register(power=power_of(relay), console={"url": str(serial.path)}, ssh=wrong)
    found = outcome_of_a_test()
    assert results(found) == {"power": "fail", "serial": "fail", "ssh": "fail"}
    power, console, ssh = found.steps
    assert "the relay is stuck" in power.said
    assert "nothing came within 0.4 s after Enter was pressed" in console.said
    assert serial.typed(1) == b"\r"
    assert "the host key is not the configured one" in ssh.said
    assert (found.outcome, found.reason) == ("fail", "power, serial, ssh")
    assert queries.board("alpha").free


def test_what_a_board_has_not_got_is_not_tried() -> None:
    register(ssh={"host": "127.0.0.1", "port": 1, "user": "lab", "key_file": "/nowhere"})
    found = outcome_of_a_test()
    assert results(found) == {"power": "skip", "serial": "skip", "ssh": "fail"}
    assert "key file /nowhere does not exist" in found.steps[-1].said


def test_nobody_gets_the_board_meanwhile_and_only_one_worker_takes_the_errand() -> None:
    make_inventory("alpha")
    user = make_user()
    number = errands.request("alpha", "test", actor="lab")
    assert queries.board("alpha").reason == "reserved for a test of its connections"
    assert [row.task["func"] for row in OrmQ.objects.all()][-1] == errands.TASK
    job = submit(user)
    assert job_commands.schedule() == []
    with pytest.raises(Rejected, match="reserved for a test of its connections already"):
        errands.request("alpha", "test", actor="lab")
    with pytest.raises(Rejected, match="wait for its end"):
        board_commands.retire_board("alpha", "old", actor="lab")
    # The task comes twice: the second one leaves.
    tasks.run_errand("alpha", number)
    assert tasks.run_errand("alpha", number) == f"the errand {number} of board alpha is over"
    assert [one.job for one in job_commands.schedule()] == [job]
    with pytest.raises(Rejected, match=f"reserved for job {job}: cancel the job"):
        errands.request("alpha", "test", actor="lab")


def test_power_is_switched_by_a_worker_while_the_board_is_offline(relay: Relay) -> None:
    register(power=power_of(relay))
    with pytest.raises(Rejected, match="take it offline first"):
        errands.request("alpha", "cycle", actor="lab")
    board_commands.take_board_offline("alpha", "new fan", actor="lab")
    for action in ("on", "cycle", "off"):
        tasks.run_errand("alpha", errands.request("alpha", action, actor="lab"))
    assert relay.asked == ["on", "off", "on", "off"]
    assert [one.title for one in errand_records.errands("alpha")] == ["Power off", "Power cycle", "Power on"]
    relay.be("refuse")
    tasks.run_errand("alpha", errands.request("alpha", "on", actor="lab"))
    assert errand_records.errands("alpha")[0].outcome == "fail"
    assert queries.board("alpha").reason == "offline: new fan"


def test_an_errand_that_nobody_takes_or_ends_is_given_up_and_its_worker_refused() -> None:
    make_inventory("alpha")
    number = errands.request("alpha", "test", actor="lab")
    assert errands.give_up_lost() == []
    Board.objects.update(errand_until=timezone.now() - timedelta(seconds=1))
    assert errands.give_up_lost() == [("alpha", number)]
    assert (
        "no worker of the site default took it within 5 minutes" in errand_records.errands("alpha")[0].reason
    )
    assert queries.board("alpha").free
    with pytest.raises(Over):
        errands._append("alpha", Meta(actor="worker:w"), lambda state: _step(state, number))
    again = errands.request("alpha", "test", actor="lab")
    board_commands.release_board("alpha", "the worker hangs", actor="cli:root")
    latest = errand_records.errands("alpha")[0]
    assert (latest.number, latest.outcome) == (again, "lost")
    assert latest.reason == "released by cli:root: the worker hangs"


@pytest.fixture
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """While something lasts nobody looks whose the board is; before each act somebody does."""
    monkeypatch.setattr(fence, "LOOK_EVERY", 1000.0)


def release(*_: object) -> None:
    board_commands.release_board("alpha", "I need it", actor="lab")


@pytest.mark.usefixtures("rarely")
def test_a_board_that_was_taken_away_gets_no_power_any_more(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(power=power_of(relay))
    monkeypatch.setattr(outlet, "pause", release)  # between off and on
    assert outcome_of_a_test().reason == "released by lab: I need it"
    assert relay.asked == ["off"]
    board_commands.take_board_offline("alpha", "new fan", actor="lab")
    number = errands.request("alpha", "cycle", actor="lab")
    assert "somebody took the board away" in tasks.run_errand("alpha", number)
    assert relay.asked == ["off", "off"]


@pytest.mark.usefixtures("rarely")
def test_nothing_is_typed_on_a_board_that_was_taken_away_and_its_power_stays(
    relay: Relay, serial: DeviceBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(console={"url": str(serial.path)})
    typed: list[object] = []
    opened = serial_line.open_console

    def taken(*args: Any) -> Any:
        found = opened(*args)
        release()
        return found

    monkeypatch.setattr(trial, "open_console", taken)
    monkeypatch.setattr(expect.Console, "line", lambda *_: typed.append("Enter"))
    assert outcome_of_a_test().outcome == "lost"
    assert typed == []
    # What it does with the power at its end is its next act.
    monkeypatch.setattr(trial, "open_console", opened)
    board_commands.change_board("alpha", config={"power": power_of(relay)}, actor="lab")
    monkeypatch.setattr(trial, "_try_ssh", release)
    number = errands.request("alpha", "test", actor="lab")
    assert tasks.run_errand("alpha", number).startswith(f"errand {number} of board alpha")
    assert relay.asked == ["off", "on"]


def test_the_last_errands_are_told_however_long_a_board_has_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    make_inventory("alpha")
    worker = Meta(actor="worker:w")
    numbers = []
    for _ in range(5):
        numbers.append(number := errands.request("alpha", "test", actor="lab"))
        errands._append("alpha", worker, lambda state, n=number: _step(state, n))  # type: ignore[misc]
        errands._append("alpha", worker, lambda state, n=number: rules.end(state, n, outcome="pass"))  # type: ignore[misc]
        board_commands.set_board_health("alpha", "bad", "smoke", actor="lab")
        board_commands.set_board_health("alpha", "good", actor="lab")
    read: list[str] = []
    decode = codec.decode

    def noted(type_: str, *rest: Any) -> Event:
        read.append(type_)
        return decode(type_, *rest)

    monkeypatch.setattr(codec, "decode", noted)
    told = errand_records.errands("alpha", limit=2)
    assert [one.number for one in told] == numbers[:2:-1]
    assert [(len(one.steps), one.outcome) for one in told] == [(1, "pass")] * 2
    assert len(read) == 8, "two requests, to know where to begin, and all of two errands"
    assert errand_records.errands("alpha", limit=9)[-1].number == numbers[0]
    assert errand_records.errands("nix") == []


def _step(state: Any, number: int) -> Any:
    return rules.note(state, number, step="ssh", result="pass", said="", transcript="", seconds=0.0)


def test_a_worker_that_is_shut_down_says_so(monkeypatch: pytest.MonkeyPatch, relay: Relay) -> None:
    register(power=power_of(relay))
    monkeypatch.setattr(cluster_ties, "stopping", lambda: True)
    found = outcome_of_a_test()
    assert (found.outcome, found.reason) == ("lost", "the worker was shut down")


def test_a_worker_that_is_shut_down_leaves_the_power_as_it_was(
    monkeypatch: pytest.MonkeyPatch, relay: Relay, serial: DeviceBoard
) -> None:
    register(power=power_of(relay), console={"url": str(serial.path)})
    monkeypatch.setattr(cluster_ties, "stopping", relay.powered)  # as soon as it has power
    assert outcome_of_a_test().outcome == "lost"
    assert not relay.powered()


def test_how_a_board_is_reached_is_in_no_reason(monkeypatch: pytest.MonkeyPatch, relay: Relay) -> None:
    register(power=power_of(relay))

    def breaks(*_: object) -> None:
        raise InfrastructureError("ssh -i /keys/lab root@10.9.8.7 failed")

    monkeypatch.setattr(trial, "try_connections", breaks)
    found = outcome_of_a_test()
    assert (found.outcome, found.reason) == ("lost", "its worker could not go on: see its log")
    # What was recorded before is not told to everybody either.
    number = errands.request("alpha", "test", actor="lab")
    old = "to 10.9.8.7: no route"
    errands._append(
        "alpha", Meta(actor="worker:w"), lambda state: rules.end(state, number, outcome="fail", reason=old)
    )
    guest = make_user("guest")
    assert seen.errands("lab", "alpha")[0].reason == seen.board_history("lab", "alpha")[0].why == old
    assert seen.errands(guest, "alpha")[0].reason == seen.board_history(guest, "alpha")[0].why == ""
    api = Client(headers={"Authorization": f"Token {make_token(guest, 'test')}"})
    told = api.get("/api/v1/events/").content.decode()
    assert "board.errand_ended" in told
    assert "10.9.8.7" not in told


def test_who_may_not_handle_boards_may_not_have_them_outcome_of_a_test() -> None:
    make_inventory("alpha")
    with pytest.raises(NotPermitted):
        errands.request("alpha", "test", actor=make_user())


def test_programs_ask_for_errands_and_see_as_much_as_they_may(sshd: SshServer) -> None:
    register(ssh=reached_by(sshd))
    keeper, guest = make_user("keeper"), make_user("guest")
    keeper.user_permissions.set(
        Permission.objects.filter(codename__in=["change_board", "view_board", "add_board"])
    )
    path = "/api/v1/boards/alpha/errands/"
    api = Client(headers={"Authorization": f"Token {make_token(keeper, 'test')}"})
    other = Client(headers={"Authorization": f"Token {make_token(guest, 'test')}"})
    assert other.post(path, json.dumps({"what": "test"}), "application/json").status_code == 403
    assert api.post(path, json.dumps({"what": "dance"}), "application/json").status_code == 400
    answer = api.post(path, json.dumps({"what": "test"}), "application/json")
    assert answer.status_code == 202
    tasks.run_errand("alpha", answer.json()["errand"])
    (told,) = api.get(path).json()["errands"]
    assert (told["by"], told["outcome"]) == ("keeper", "pass")
    assert "Linux" in told["steps"][2]["transcript"]
    (told,) = other.get(path).json()["errands"]
    assert [step["transcript"] for step in told["steps"]] == ["", "", ""]
    assert "127.0.0.1" not in other.get("/api/v1/events/").content.decode()
    clone = api.post("/api/v1/boards/alpha/clone/", json.dumps({"name": "beta"}), "application/json")
    assert clone.status_code == 201
    assert clone.json()["config"] == api.get("/api/v1/boards/alpha/").json()["config"]
    assert (
        other.post("/api/v1/boards/alpha/clone/", '{"name": "gamma"}', "application/json").status_code == 403
    )
    assert str(queries.board_history("beta")[0].changes[0]) == "cloned from: alpha"


def test_programs_have_power_switched_by_a_worker_too(relay: Relay, tmp_path: Path) -> None:
    register(power=power_of(relay))
    board_commands.take_board_offline("alpha", "new fan", actor="lab")
    keeper = make_user("keeper", is_superuser=True)
    api = Client(headers={"Authorization": f"Token {make_token(keeper, 'test')}"})
    answer = api.post("/api/v1/boards/alpha/power/", '{"action": "on"}', "application/json")
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith("/boards/alpha/errands/")
    assert not (tmp_path / "asked").exists(), "the process that answers may not reach the switch"
    tasks.run_errand("alpha", answer.json()["errand"])
    assert relay.asked == ["on"]


def test_a_board_is_tested_from_a_terminal(monkeypatch: pytest.MonkeyPatch, sshd: SshServer) -> None:
    register(ssh=reached_by(sshd))
    # No worker runs here: the first look at the errand is its task.
    real = errand_records.errands

    def looked(name: str, *, limit: int = 20) -> list[Errand]:
        if (number := Board.objects.get(pk=name).errand) is not None:
            tasks.run_errand(name, number)
        return real(name, limit=limit)

    monkeypatch.setattr(errand_records, "errands", looked)
    out = io.StringIO()
    call_command("board", "alpha", "test", stdout=out)
    assert "ssh: pass." in out.getvalue()
    assert "Linux" in out.getvalue()
    call_command("board", "alpha", "clone", "beta", config="{ssh: {port: 1}}", stdout=out)
    with pytest.raises(CommandError, match=r"The test failed: ssh"):
        call_command("board", "beta", "test", stdout=out)


# -- release ---------------------------------------------------------------------------------------------


def silent() -> None:
    Lease.objects.update(until=timezone.now() + timedelta(seconds=20))


def test_a_board_is_taken_from_a_job_whose_worker_is_silent() -> None:
    make_inventory("alpha")
    number, recorder = started(make_user())
    with pytest.raises(
        Rejected, match=r"which runs: its worker worker-1 was heard of 0 s ago\. Cancel the job"
    ):
        board_commands.release_board("alpha", "stuck", actor="cli:root")
    silent()
    with pytest.raises(Rejected, match="a reason is needed to release board alpha"):
        board_commands.release_board("alpha", " ", actor="cli:root")
    board_commands.release_board("alpha", "the worker was unplugged", actor="cli:root", cause="cli")
    # What of the job: it has ended, for a reason that names who and why; its worker's token is void.
    row = Job.objects.get(pk=number)
    why = "board alpha was released by cli:root: the worker was unplugged"
    assert (row.state, row.outcome) == ("finished", "incomplete")
    assert row.failure is not None
    assert row.failure["message"] == why
    with pytest.raises(Stale):
        recorder.record([phase(1, "boot", "login")])
    # What of the board: nobody gets it before it is clean.
    board = queries.board("alpha")
    assert (board.state, board.held_by_job) == ("quarantined", None)
    released, taken, quarantined = queries.board_history("alpha")[2::-1]
    assert (released.text, released.who, released.why, released.cause) == (
        f"taken from job {number} (running, which worker-1 had begun)",
        "cli:root",
        "the worker was unplugged",
        "cli",
    )
    assert taken.text == f"released by job {number}"
    assert quarantined.text == "quarantined"
    assert [row.task["func"] for row in OrmQ.objects.order_by("id")][-2:] == [
        "jobs.tasks.recover_board",
        "jobs.tasks.schedule",
    ]
    with pytest.raises(Rejected, match="not reserved for anybody"):
        board_commands.release_board("alpha", "again", actor="cli:root")


def test_a_job_that_was_asked_to_end_and_does_not_loses_its_board() -> None:
    make_inventory("alpha")
    user = make_user()
    number, _ = started(user)
    job_commands.request_cancel(number, "enough", user=user, cause="test")
    board_commands.release_board("alpha", "it does not end", actor="lab")
    assert Job.objects.get(pk=number).outcome == "canceled"
    assert queries.board("alpha").state == "quarantined"


def test_a_board_is_taken_from_a_job_that_nobody_has_begun() -> None:
    make_inventory("alpha")
    number = submit(make_user())
    job_commands.schedule()
    board_commands.release_board("alpha", "the site is down", actor="lab")
    assert (Job.objects.get(pk=number).outcome, queries.board("alpha").state) == ("canceled", "free")


def test_a_board_that_is_reserved_for_a_job_which_is_over_is_taken_too() -> None:
    make_inventory("alpha")
    number, recorder = started(make_user())
    # No command makes this; a log restored from a torn backup might.
    recorder.finish(outcome="complete")
    board = loading.load_board("alpha")
    torn = Append(stream=board.stream, expected=board.version, events=[BoardReserved(job=number)])
    store.append(torn, meta=Meta(actor="lab"))
    board_commands.release_board("alpha", "left over", actor="lab")
    assert queries.board("alpha").state == "quarantined"
