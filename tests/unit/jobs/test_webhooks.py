"""Which events a webhook wants, how messages are signed, when they are sent again."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from jobs.domain.webhooks import (
    Subject,
    Wishes,
    again_at,
    holds_up,
    secret_of,
    signature,
    unknown_types,
    wanted,
)
from tests.support.receiver import documented_verify

JOB = Subject(
    type="job.finished",
    stream="job/7",
    job=7,
    submitter="erika",
    job_name="nightly arm64",
    board="alpha",
    host_type="bench",
)
BOARD = Subject(type="board.taken_offline", stream="board/alpha", board="alpha")


@pytest.mark.parametrize(
    ("wishes", "erikas", "others", "board"),
    [
        (Wishes(), True, False, False),
        (Wishes(types=("job.started",)), False, False, False),
        (Wishes(types=("job.*",), mine=False), True, True, False),
        (Wishes(types=("*",), mine=False), True, True, True),
        (Wishes(types=("*",)), True, False, False),
        (Wishes(types=("*",), mine=False, board="alpha"), True, True, True),
        (Wishes(types=("*",), mine=False, board="beta"), False, False, False),
        (Wishes(types=("*",), mine=False, host_type="bench"), True, True, False),
        (Wishes(types=("*",), mine=False, job_name="nightly*"), True, True, False),
        (Wishes(types=("*",), mine=False, job_name="weekly*"), False, False, False),
        (Wishes(types=("*",), mine=False, job=7), True, True, False),
        (Wishes(types=("*",), mine=False, job=8), False, False, False),
    ],
)
def test_what_is_wanted_is_what_all_wishes_hold_for(
    wishes: Wishes, erikas: bool, others: bool, board: bool
) -> None:
    assert wanted(wishes, "erika", JOB) is erikas
    assert wanted(wishes, "erika", replace(JOB, submitter="max")) is others
    assert wanted(wishes, "erika", BOARD) is board


def test_types_that_nothing_has_are_found_out() -> None:
    known = {"job.started", "board.registered"}
    assert unknown_types(["job.started", "job.*", "*"], known) == []
    assert unknown_types(["job.startd", "jobs.*", "job*", "b*"], known) == [
        "job.startd",
        "jobs.*",
        "job*",
        "b*",
    ]


def test_a_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert secret_of(key) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_documented_function_refuses_what_is_changed_and_what_is_old() -> None:
    verify = documented_verify()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1614265330"}
    headers["webhook-signature"] = signature(b"key", "msg_1", 1614265330, b"{}")
    with pytest.raises(ValueError, match="too old"):
        verify(secret_of(b"key"), headers, b"{}")
    for other in ({"webhook-id": "msg_2"}, {"webhook-timestamp": "1614265331"}):
        with pytest.raises(ValueError, match="not the lab's"):
            verify(secret_of(b"key"), headers | other, b"{}")
    with pytest.raises(ValueError, match="not the lab's"):
        verify(secret_of(b"key"), headers, b"{ }")
    with pytest.raises(ValueError, match="not the lab's"):
        verify(secret_of(b"yek"), headers, b"{}")


def test_pauses_grow_are_spread_and_end() -> None:
    delays = [5.0, 60.0]
    assert again_at(1, now=100.0, delays=delays, chance=0.0) == 104.0
    assert again_at(1, now=100.0, delays=delays, chance=1.0) == 106.0
    assert again_at(2, now=100.0, delays=delays, chance=0.5) == 160.0
    assert again_at(3, now=100.0, delays=delays, chance=0.5) is None
    assert again_at(1, now=100.0, delays=delays, chance=0.5, asked=900) == 1000.0
    assert again_at(1, now=0.0, delays=delays, chance=0.5, asked=1e9) == 86400.0


def test_a_message_that_is_refused_holds_up_others_for_a_while_and_a_receiver_that_is_gone_always() -> None:
    assert [holds_up(n, 500) for n in (1, 2, 3, 9)] == [True, True, False, False]
    assert [holds_up(n, 404) for n in (2, 3)] == [True, False]
    assert all(holds_up(9, status) for status in (None, 429, 503))
