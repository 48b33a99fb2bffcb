"""Who is told how a job ended, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.domain.definition.model import Definition, Host, SubmitResults
from jobs.domain.deliveries import ABANDONED, Delivery, NotDue, begin, end, plan
from jobs.domain.events import Outcome


def definition() -> Definition:
    return Definition(
        job_name="a",
        timeout=1,
        host=Host(device_type="x", role="host"),
        vms=(),
        notify=("a@example.org", "b@example.org"),
        notify_on_incomplete=("b@example.org", "c@example.org"),
        actions=(
            SubmitResults(command="submit_results", index=0, server="https://r.example.org/", stream="/s/"),
            SubmitResults(command="submit_results", index=1),
            SubmitResults(
                command="submit_results_on_host", index=2, server="https://r.example.org/", stream="/s/"
            ),
        ),
    )


@pytest.mark.parametrize(
    ("outcome", "addresses"), [("complete", "ab"), ("incomplete", "abc"), ("canceled", "abc")]
)
def test_everybody_is_told_once(outcome: Outcome, addresses: str) -> None:
    found = plan(definition(), outcome)
    assert [one.target for one in found] == [
        *(f"{x}@example.org" for x in addresses),
        "https://r.example.org/",
    ]
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert (found[-1].kind, found[-1].stream) == ("results", "/s/")


ONE = Delivery(number=1, kind="mail", target="a@example.org", due=100.0)


def test_an_attempt_is_begun_when_it_is_due_and_by_one_only() -> None:
    assert begin(ONE, 100).attempt == 1
    with pytest.raises(NotDue, match="not due for 1 s"):
        begin(ONE, 99)
    sending = replace(ONE, state="sending", attempts=1, due=100 + ABANDONED)
    with pytest.raises(NotDue, match="under way"):
        begin(sending, 101)
    assert begin(sending, 101 + ABANDONED).attempt == 2, "its worker has died"
    with pytest.raises(NotDue, match="is over: delivered"):
        begin(replace(ONE, state="delivered", due=None), 101)


def test_a_failed_attempt_is_repeated_until_there_is_no_delay_left() -> None:
    def failed(attempts: int, **more: bool) -> float | None:
        after = replace(ONE, attempts=attempts)
        return end(after, now=10, ok=False, message="no", delays=[1, 5], **more).again_at

    assert [failed(one) for one in (1, 2, 3)] == [11, 15, None]
    assert failed(1, hopeless=True) is None
    arrived = end(replace(ONE, attempts=1), now=10, ok=True, message="x" * 5000, delays=[1])
    assert (arrived.again_at, len(arrived.message)) == (None, 1000)
