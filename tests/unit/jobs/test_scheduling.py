"""Who gets which board, and why the others wait."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.scheduling import Candidate, Plan, Refusal, Waiting, plan, refusal


def wants(job: int, host_type: str = "bench", **what: object) -> Waiting:
    return Waiting(job=job, host_type=host_type, **what)  # type: ignore[arg-type]


def board(name: str, device_type: str = "bench", **what: object) -> Candidate:
    return Candidate(name=name, device_type=device_type, site="attic", **what)  # type: ignore[arg-type]


def given_to(result: Plan) -> dict[int, str]:
    return {one.job: one.board for one in result.assignments}


def test_a_job_gets_a_free_board_of_its_type_with_its_site() -> None:
    [one] = plan([wants(1)], [board("alpha")]).assignments
    assert (one.job, one.board, one.site) == (1, "alpha", "attic")


def test_the_older_of_two_equal_jobs_is_served() -> None:
    assert given_to(plan([wants(2), wants(1)], [board("alpha")])) == {1: "alpha"}


def test_the_more_urgent_job_is_served_before_older_ones() -> None:
    assert given_to(plan([wants(1), wants(2, priority=90)], [board("alpha")])) == {2: "alpha"}


def test_a_job_that_cannot_be_served_holds_nobody_up() -> None:
    result = plan([wants(1, "rack", priority=90), wants(2)], [board("alpha")])
    assert given_to(result) == {2: "alpha"}


def test_a_pinned_job_gets_its_board_or_none() -> None:
    boards = [board("alpha"), board("beta", unavailable="reserved for job 9")]
    assert given_to(plan([wants(1, board="alpha")], boards)) == {1: "alpha"}
    assert given_to(plan([wants(1, board="beta")], boards)) == {}


def test_a_board_that_somebody_else_pinned_is_left_to_them_if_another_one_will_do() -> None:
    queue = [wants(1), wants(2, board="alpha")]
    assert given_to(plan(queue, [board("alpha"), board("beta")])) == {1: "beta", 2: "alpha"}
    assert given_to(plan(queue, [board("alpha")])) == {1: "alpha"}


def test_a_job_gets_only_boards_with_all_of_its_tags() -> None:
    boards = [board("alpha", tags=frozenset({"usb"})), board("beta", tags=frozenset({"usb", "big"}))]
    assert given_to(plan([wants(1, tags=frozenset({"usb", "big"}))], boards)) == {1: "beta"}


def test_special_boards_are_spared_for_those_who_need_them() -> None:
    boards = [board("alpha", tags=frozenset({"usb"})), board("beta")]
    assert given_to(plan([wants(1)], boards)) == {1: "beta"}


def test_a_healthy_board_is_preferred_to_an_unknown_one() -> None:
    boards = [board("alpha"), board("beta", health="good")]
    assert given_to(plan([wants(1)], boards)) == {1: "beta"}


def test_a_board_for_some_users_is_given_to_nobody_else() -> None:
    otto = wants(1, submitter="otto", barred={"alpha": "erika or the lab's administrators"})
    result = plan([otto], [board("alpha")])
    assert given_to(result) == {}
    reason = "may not be used by otto: erika or the lab's administrators can grant it"
    assert result.why(otto) == (Refusal(board="alpha", reason=reason),)
    assert given_to(plan([otto, wants(2, submitter="erika")], [board("alpha")])) == {2: "alpha"}


def test_a_job_gets_only_a_board_that_can_run_its_vms() -> None:
    boards = [board("alpha", runs=frozenset({"kvm"})), board("beta", runs=frozenset({"kvm", "kvm-arm"}))]
    asks = wants(1, vm_types=frozenset({"kvm", "kvm-arm"}))
    result = plan([asks], boards)
    assert given_to(result) == {1: "beta"}
    assert result.why(asks) == (
        Refusal(board="alpha", reason="cannot run VMs of the type kvm-arm (it runs kvm)"),
    )


def test_a_health_check_is_served_before_more_urgent_jobs() -> None:
    queue = [wants(1, priority=100), wants(2, priority=0, board="alpha", health_check=True)]
    assert given_to(plan(queue, [board("alpha")])) == {2: "alpha"}
    assert given_to(plan(queue, [board("alpha"), board("beta")])) == {2: "alpha", 1: "beta"}


def test_a_board_that_is_out_until_it_was_checked_is_given_to_its_check_only() -> None:
    sick = board("alpha", only_checked="unhealthy: no prompt")
    result = plan([wants(1)], [sick])
    assert given_to(result) == {}
    assert result.why(wants(1)) == (Refusal(board="alpha", reason="is unhealthy: no prompt"),)
    assert given_to(plan([wants(1), wants(2, board="alpha", health_check=True)], [sick])) == {2: "alpha"}


def test_a_board_for_some_users_is_checked_like_any_other() -> None:
    check = wants(1, board="alpha", health_check=True, submitter="lab", barred={"alpha": "erika"})
    assert given_to(plan([check], [board("alpha")])) == {1: "alpha"}


@pytest.mark.parametrize(
    ("job", "candidate", "reason"),
    [
        (wants(1), board("alpha"), ""),
        (wants(1), board("alpha", "rack"), "is of type rack, the job asks for bench"),
        (wants(1, board="beta"), board("alpha"), "the job asks for the board beta"),
        (wants(1, tags=frozenset({"usb"})), board("alpha"), "lacks the tag usb"),
        (wants(1, tags=frozenset({"usb", "big"})), board("alpha"), "lacks the tags big, usb"),
        (
            wants(1, submitter="otto", barred={"alpha": "erika"}),
            board("alpha"),
            "may not be used by otto: erika can grant it",
        ),
        (wants(1), board("alpha", unavailable="offline: smoke"), "is offline: smoke"),
        (wants(1), board("alpha", unavailable="reserved for job 5"), "is reserved for job 5"),
        (
            wants(1, vm_types=frozenset({"kvm", "xen"})),
            board("alpha"),
            "cannot run VMs of the types kvm, xen (it runs none)",
        ),
        (wants(1, health_check=True), board("alpha", only_checked="waiting"), ""),
        (wants(1), board("alpha", only_checked="waiting"), "is waiting"),
    ],
)
def test_every_refusal_has_a_reason(job: Waiting, candidate: Candidate, reason: str) -> None:
    assert refusal(job, candidate) == reason


def test_who_waits_is_told_about_every_board() -> None:
    first, second = wants(1), wants(2)
    result = plan([first, second], [board("beta", "rack"), board("alpha")])
    assert result.why(second) == (
        Refusal(board="alpha", reason="goes to job 1, which is served first"),
        Refusal(board="beta", reason="is of type rack, the job asks for bench"),
    )
    assert [one.board for one in result.why(first)] == ["beta"]


def test_who_asks_for_what_there_is_not_is_told_so() -> None:
    nothing = plan([], [])
    assert nothing.why(wants(1)) == (Refusal(board="", reason="there is no board of type bench"),)
    assert nothing.why(wants(1, board="gone")) == (
        Refusal(board="gone", reason="there is no board of this name"),
    )


TAGS = st.frozensets(st.sampled_from(["usb", "big", "net"]), max_size=2)
TYPES = st.sampled_from(["bench", "rack"])
BARRED = st.dictionaries(st.sampled_from(["b1", "b2", "b3"]), st.just("erika"), max_size=2)
JOBS = st.lists(
    st.builds(
        Waiting,
        job=st.integers(1, 40),
        host_type=TYPES,
        priority=st.sampled_from([10, 50, 90]),
        board=st.sampled_from(["", "", "b1", "b2", "nowhere"]),
        tags=TAGS,
        barred=BARRED,
    ),
    unique_by=lambda job: job.job,
    max_size=12,
)
BOARDS = st.lists(
    st.builds(
        Candidate,
        name=st.sampled_from([f"b{number}" for number in range(8)]),
        device_type=TYPES,
        tags=TAGS,
        unavailable=st.sampled_from(["", "", "", "offline: smoke"]),
        health=st.sampled_from(["unknown", "good"]),
    ),
    unique_by=lambda one: one.name,
    max_size=8,
)


def shuffled(items: Iterable[object], seed: int) -> list[object]:
    result = list(items)
    random.Random(seed).shuffle(result)
    return result


@given(JOBS, BOARDS, st.integers())
def test_the_order_of_the_inputs_plays_no_part(
    queue: list[Waiting], boards: list[Candidate], seed: int
) -> None:
    result = plan(queue, boards)
    again = plan(shuffled(queue, seed), shuffled(boards, seed))  # type: ignore[arg-type]
    assert again == result
    assert [again.why(job) for job in queue] == [result.why(job) for job in queue]


@given(JOBS, BOARDS)
def test_nobody_gets_what_is_refused_nothing_is_given_twice_and_nothing_stays_unused(
    queue: list[Waiting], boards: list[Candidate]
) -> None:
    result = plan(queue, boards)
    by_name, jobs = {one.name: one for one in boards}, {job.job: job for job in queue}
    taken = [one.board for one in result.assignments]
    assert len(set(taken)) == len(taken)
    assert len({one.job for one in result.assignments}) == len(taken)
    for one in result.assignments:
        assert refusal(jobs[one.job], by_name[one.board]) == ""
    for job in queue:
        if job.job not in given_to(result):
            # Every board is refused for a reason, and those that were given away went to somebody before.
            assert {one.board for one in result.why(job)} >= set(by_name)
            for name, winner in result.taken.items():
                if refusal(job, by_name[name]) == "":
                    assert (-jobs[winner].priority, winner) < (-job.priority, job.job)


@given(JOBS, BOARDS)
def test_a_second_look_at_the_rest_gives_nothing_more(queue: list[Waiting], boards: list[Candidate]) -> None:
    result = plan(queue, boards)
    served = given_to(result)
    rest = [job for job in queue if job.job not in served]
    free = [one for one in boards if one.name not in result.taken]
    assert plan(rest, free).assignments == ()
