"""What a job does now, as lists say it."""

from __future__ import annotations

from typing import Any

from jobs.doing import now_of
from jobs.models import Node


def node(index: int, name: str, **fields: Any) -> Node:
    return Node(job_id=1, index=index, name=name, role=name, device_type="kvm", **{"state": "test"} | fields)


def wait(needs: list[str], since: float = 0.0) -> dict[str, Any]:
    return {"kind": "wait", "id": "go", "role": "", "needs": needs, "since": since}


VMS = {"kind": "vms", "id": "", "role": "", "needs": [], "since": 0.0}


def test_what_began_last_is_what_goes_on() -> None:
    host = node(0, "host", doing="smoke", since=5.0)
    guest = node(1, "guest", doing="net", since=9.0, running=[{"suite": "net", "case": "ping", "since": 9.5}])
    now = now_of([host, guest], 10)
    assert (now.words, now.blocked) == ("guest: net / ping", False)
    assert now.dots == (("host", "run"), ("guest", "run"))


def test_a_host_that_waits_for_its_vms_is_not_blocked() -> None:
    now = now_of([node(0, "host", waits=VMS), node(1, "guest", state="boot", doing="kernel", since=3.0)], 60)
    assert (now.words, now.blocked) == ("guest: kernel", False)


def test_who_is_waited_for_is_named_with_what_it_does() -> None:
    nodes = [
        node(0, "host", waits=VMS),
        node(1, "server", waits=wait(["client"])),
        node(2, "client", doing="iperf", since=2.0),
    ]
    assert now_of(nodes, 60).words == "Blocked on client: iperf"
    assert not now_of(nodes, 4).blocked  # a moment is no wait


def test_where_everybody_waits_nobody_goes_on() -> None:
    nodes = [node(1, "a", waits=wait(["b"])), node(2, "b", waits=wait(["a"]))]
    assert now_of(nodes, 60).words == "Everybody waits: nobody can go on"


def test_before_and_after_there_is_nothing_to_say() -> None:
    nodes = [node(0, "host", state="waiting"), node(1, "guest", closed={"ok": False, "reason": "lost"})]
    now = now_of(nodes, 60)
    assert (now.words, [state for _, state in now.dots]) == ("", ["off", "fail"])


def test_a_download_shows_how_far_it_is() -> None:
    loading = node(
        0, "host", state="deploy", doing="host.img", since=1.0, transfer={"done": 61, "total": 100}
    )
    assert now_of([loading], 5).words == "host: host.img, 61 %"
