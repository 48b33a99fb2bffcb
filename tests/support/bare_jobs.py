"""Jobs made of bare events, for tests of what shows them."""

from __future__ import annotations

from jobs.domain.events import JobSubmitted, NodePlan, ResultReported, Verdict
from lab.eventstore.store import store
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append

META = Meta(actor="lab", cause="test")


def submitted(*, submitter: str = "ann", visibility: str = "public") -> JobSubmitted:
    return JobSubmitted(
        name="example",
        submitter=submitter,
        text="{}",
        host_type="ssh-host",
        board="",
        tags=[],
        priority=50,
        timeout=600,
        visibility=visibility,
        nodes=[
            NodePlan(index=0, name="host", role="host", device_type="ssh-host"),
            NodePlan(index=1, name="server", role="server", device_type="kvm"),
        ],
    )


def result(case: str, verdict: Verdict = "pass", *, node: int = 1) -> ResultReported:
    return ResultReported(node=node, suite="net", case=case, result=verdict, at=1.0)


def append(stream: str, *events: Event) -> int:
    """Append to a stream, whatever its version is; returns the position of the last event."""
    recorded = store.read(stream)
    expected = recorded[-1].version if recorded else 0
    return store.append(Append(stream=stream, expected=expected, events=events), meta=META)[-1].position
