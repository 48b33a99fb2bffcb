"""Every event of a job can be said in a sentence."""

from __future__ import annotations

import pytest

from jobs.domain import events as e
from jobs.domain import hands_events as h
from jobs.domain.words import describe
from lab.kernel.events import Event, codec


def moved(*, done: int, total: int | None, rate: float, ended: bool = False) -> e.TransferProgressed:
    return e.TransferProgressed(
        node=1, what="copy disk", done=done, total=total, rate=rate, ended=ended, at=1
    )


NODES = {0: "host", 1: "server"}
SENTENCES: list[tuple[Event, str]] = [
    (
        e.JobSubmitted(
            name="net",
            submitter="erika",
            text="",
            host_type="bench",
            board="",
            tags=[],
            priority=50,
            timeout=1,
            visibility="public",
            nodes=[],
        ),
        "erika submitted “net”",
    ),
    (
        e.JobSubmitted(
            name="net",
            submitter="erika",
            text="",
            host_type="bench",
            board="",
            tags=[],
            priority=50,
            timeout=1,
            visibility="public",
            nodes=[],
            resubmitted_from=3,
        ),
        "erika submitted “net”, again after job 3",
    ),
    (e.JobAssigned(board="alpha", site="attic"), "board alpha is reserved"),
    (e.JobStarted(worker="vm/1", fence=3, at=1), "vm/1 began to run it"),
    (e.CancelRequested(reason=""), "asked to cancel"),
    (e.CancelRequested(reason="typo"), "asked to cancel, because: typo"),
    (e.JobLost(fence=3, reason="silence"), "lost: silence"),
    (e.JobFinished(outcome="complete", failure=None, at=1), "finished: complete"),
    (
        e.JobFinished(
            outcome="incomplete",
            failure=e.Failure(kind="job", message="no prompt", node=1, action="lava_test_shell"),
            at=1,
        ),
        "finished: incomplete, job error on server in lava_test_shell: no prompt",
    ),
    (
        e.JobFinished(outcome="incomplete", failure=e.Failure(kind="infrastructure", message="gone"), at=1),
        "finished: incomplete, infrastructure error: gone",
    ),
    (moved(done=0, total=None, rate=0), "server: copy disk, 0 bytes"),
    (moved(done=1500, total=None, rate=500), "server: copy disk, 1.5 kB, 500 bytes/s"),
    (
        moved(done=12_000_000, total=2_044_000_000, rate=100e6),
        "server: copy disk, 12.0 MB of 2.0 GB, 100.0 MB/s, 20 s left",
    ),
    (moved(done=5, total=9, rate=0), "server: copy disk, 5 bytes of 9 bytes"),
    (moved(done=9, total=9, rate=3, ended=True), "server: copy disk, 9 bytes, 3 bytes/s"),
    (moved(done=5, total=9, rate=3, ended=True), "server: copy disk, ended after 5 bytes, 3 bytes/s"),
    (
        e.ImageUsed(node=1, key="rootfs", url="lab:disk", sha256="1", size=2000, at=1),
        "server gets lab:disk as rootfs (2.0 kB)",
    ),
    (e.PhaseStarted(node=1, phase="boot", what="login", at=1), "server boots: login"),
    (e.PhaseEnded(node=1, at=1), "server is done with it"),
    (e.NodeClosed(node=1, reason="", ok=True, at=1), "server is closed"),
    (e.NodeClosed(node=1, reason="panic", ok=False, at=1), "server is closed with an error: panic"),
    (e.VmStarted(node=1, command="qemu", pid=4, at=1), "server is started by: qemu (process 4)"),
    (e.VmStarted(node=1, command="qemu", pid=None, at=1), "server is started by: qemu"),
    (e.NoteTaken(node=None, level="info", text="hello", at=1), "the job: hello"),
    (e.NoteTaken(node=9, level="info", text="hello", at=1), "node 9: hello"),
    (e.SuiteStarted(node=1, suite="net", uuid="u", at=1), "server began net"),
    (e.SuiteEnded(node=1, suite="net", uuid="u", at=1), "server ended net"),
    (e.CaseStarted(node=1, suite="net", case="ping", at=1), "server began net / ping"),
    (
        e.ResultReported(node=1, suite="net", case="ping", result="pass", at=1),
        "server reports net / ping: pass",
    ),
    (
        e.ResultReported(
            node=1, suite="net", set="tcp", case="rate", result="pass", measurement="3", units="MB/s", at=1
        ),
        "server reports net / tcp/rate: pass, 3 MB/s",
    ),
    (
        e.AttachmentKept(
            node=1, suite="net", case="", name="log", mime="text/plain", sha256="", size=3, at=1
        ),
        "server attached log (3 bytes) to net",
    ),
    (e.MessageSent(node=1, id="up", data={"ip": "1"}, at=1), "server sent up ip=1"),
    (
        e.WaitStarted(node=1, kind="sync", id="up", role="", needs=["client"], at=1),
        "server waits for everybody at up: client missing",
    ),
    (
        e.WaitStarted(node=1, kind="wait-all", id="up", role="client", needs=[], at=1),
        "server waits for a message of all up of role client",
    ),
    (e.WaitEnded(node=0, kind="vms", id="", ok=True, reason="", at=1), "host got the VMs"),
    (
        e.WaitEnded(node=1, kind="wait", id="up", ok=False, reason="client is closed", at=1),
        "server gave up waiting for a message up: client is closed",
    ),
    (e.GateOpened(at=1), "all VMs are closed: the host goes on"),
    (
        e.CleanedUp(checks=[e.Check(what="key", found="gone", ok=True)], clean=True, at=1),
        "the host is clean: 1 checks",
    ),
    (
        e.CleanedUp(checks=[e.Check(what="key", found="there", ok=False)], clean=False, at=1),
        "the host is not clean: key: there",
    ),
    (
        e.DeliveryPlanned(number=1, kind="results", target="https://example.org/results"),
        "the results go to https://example.org/results",
    ),
    (e.DeliveryPlanned(number=2, kind="mail", target="a@example.org"), "a mail goes to a@example.org"),
    (e.DeliveryBegun(number=2, attempt=3, at=1), "delivery 2: attempt 3"),
    (
        e.DeliveryEnded(number=2, attempt=3, ok=True, message="taken", again_at=None, at=1),
        "delivery 2 has arrived: taken",
    ),
    (
        e.DeliveryEnded(number=2, attempt=3, ok=False, message="refused", again_at=9, at=1),
        "delivery 2 failed, it is tried again: refused",
    ),
    (
        e.DeliveryEnded(number=2, attempt=4, ok=False, message="refused", again_at=None, at=1),
        "delivery 2 failed, it is given up: refused",
    ),
    (h.ConsoleOpened(node=1, at=1), "the console of server can be typed on"),
    (h.ConsoleClosed(node=1, at=1), "the console of server can no longer be typed on"),
    (h.KeyboardTaken(node=1, user="erika", ticket=7, at=1), "erika took the keyboard of server"),
    (
        h.KeyboardGiven(node=1, user="erika", ticket=7, reason="its holder left", at=1),
        "the keyboard of server is back from erika: its holder left",
    ),
    (
        h.InputTyped(node=1, user="erika", text="echo hi\r\x03", offset=5, at=1),
        "erika typed on server: echo hi⏎^C",
    ),
    (
        h.HoldRequested(user="erika", seconds=1800, reason="", if_failed=True, at=1),
        "erika has it held if it fails, for 30 min",
    ),
    (
        h.HoldRequested(user="erika", seconds=90, reason="odd", if_failed=False, at=1),
        "erika has it held before its clean-up, for 90 s, because: odd",
    ),
    (h.HoldStarted(until=3661, at=1), "it is held until 01:01:01 UTC; clean-up waits"),
    (
        h.HoldExtended(user="bob", until=3661, reason="more", at=1),
        "bob has it held until 01:01:01 UTC, because: more",
    ),
    (h.HoldReleased(user="bob", reason="", at=1), "bob lets it go on to its clean-up"),
    (h.HoldEnded(reason="its time is over", at=1), "it is held no more: its time is over"),
]


@pytest.mark.parametrize(("event", "sentence"), SENTENCES, ids=lambda x: getattr(x, "type", None))
def test_an_event_is_said_in_a_sentence(event: Event, sentence: str) -> None:
    assert describe(event, NODES) == sentence


def test_every_event_of_jobs_has_a_sentence() -> None:
    said = {type(event) for event, _ in SENTENCES}
    assert said == {cls for name, cls in codec.types().items() if name.startswith("job.")}


def test_an_event_without_a_sentence_is_at_least_named() -> None:
    class LampLit(Event):
        type = "job.lamp_lit"

    assert describe(LampLit(), NODES) == "lamp lit"
