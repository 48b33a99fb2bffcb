"""The pure heart: codec, upcasting, folding, sealing, deadlines, the log in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kernel.aggregate import fold, load
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Conflict, DeadlineExceeded, InfrastructureError, JobError
from lab.kernel.events import Codec, Event, Meta, Recorded, UnknownEvent, canonical_json, chain_digest
from lab.kernel.memory import MemoryEventStore
from lab.kernel.ports import Append, FollowUp
from lab.kernel.sealing import seal
from tests.support.lamps import META, LampLit, LampPutOut, lamps, lit

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrateOpened(Event):
    type = "crate.opened"
    schema = 3
    parts: list[Part]
    labels: dict[str, Any] = field(default_factory=dict)


def crates() -> Codec:
    codec = Codec()
    codec.register(CrateOpened)
    codec.upcaster("crate.opened", 1)(lambda data: {"names": data["content"].split(",")})
    codec.upcaster("crate.opened", 2)(lambda data: {"parts": [{"name": name} for name in data["names"]]})
    return codec


# -- codec ---------------------------------------------------------------------------------------


def test_an_event_survives_its_stored_form() -> None:
    event = CrateOpened(parts=[Part(name="lamp", size=3), Part(name="cord")], labels={"a": [1, {"b": None}]})
    type_, schema, data = crates().encode(event)
    assert (type_, schema) == ("crate.opened", 3)
    assert crates().decode(type_, schema, json.loads(json.dumps(data))) == event


def test_old_schemas_are_upcast_step_by_step() -> None:
    opened = CrateOpened(parts=[Part(name="lamp"), Part(name="cord")])
    assert crates().decode("crate.opened", 1, {"content": "lamp,cord"}) == opened
    assert crates().decode("crate.opened", 2, {"names": ["lamp", "cord"]}) == opened


def test_a_schema_without_a_way_to_todays_is_unknown() -> None:
    codec = Codec()
    codec.register(CrateOpened)
    with pytest.raises(UnknownEvent, match="no way from schema 2 to 3"):
        codec.decode("crate.opened", 2, {})


def test_a_schema_of_a_newer_labbook_is_unknown() -> None:
    with pytest.raises(UnknownEvent, match="schema 4 is newer"):
        crates().decode("crate.opened", 4, {})


def test_a_type_nobody_registered_is_unknown() -> None:
    with pytest.raises(UnknownEvent, match=r"no event is named 'crate\.closed'"):
        crates().decode("crate.closed", 1, {})
    with pytest.raises(UnknownEvent, match="LampLit is not a registered event"):
        crates().encode(LampLit(room="hall"))


def test_two_classes_cannot_have_one_type() -> None:
    codec = crates()
    assert codec.register(CrateOpened) is CrateOpened
    assert dict(codec.types()) == {"crate.opened": CrateOpened}

    class Other(Event):
        type = "crate.opened"

    with pytest.raises(ValueError, match=r"'crate\.opened' is taken by CrateOpened"):
        codec.register(Other)


any_text = st.text(st.characters(codec=None))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_canonical_json_takes_any_text_and_is_a_fixed_point(value: Any) -> None:
    text = canonical_json(value)
    assert b"\n" not in text
    assert "\x00" not in str(json.loads(text))
    assert canonical_json(json.loads(text)) == text


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": {"d": (1, 2), "c": None}}) == b'{"a":{"c":null,"d":[1,2]},"b":1}'


def test_text_that_only_looks_like_a_nul_is_kept() -> None:
    assert json.loads(canonical_json({"a": "\\u0000"})) == {"a": "\\u0000"}


@given(st.text(), st.text(), st.dictionaries(st.sampled_from(["fence", "request"]), st.integers()))
def test_meta_survives_its_stored_form(actor: str, cause: str, extra: dict[str, int]) -> None:
    stored = Meta(actor=actor, cause=cause, extra=extra).json()
    assert Meta.from_json(stored).json() == stored


# -- sealing -------------------------------------------------------------------------------------


def test_every_part_of_an_event_changes_its_digest() -> None:
    whole: dict[str, Any] = {
        "position": 1,
        "stream": "lamp/1",
        "version": 1,
        "type_": "lamp.lit",
        "schema": 1,
        "recorded_at": NOW,
        "data": b"{}",
        "meta": b"{}",
    }
    changed = {
        "position": 2,
        "stream": "lamp/2",
        "version": 2,
        "type_": "lamp.put_out",
        "schema": 2,
        "recorded_at": NOW + timedelta(microseconds=1),
        "data": b"[]",
        "meta": b"[]",
    }
    digests = {chain_digest("", **whole), chain_digest("x", **whole)}
    digests |= {chain_digest("", **{**whole, key: value}) for key, value in changed.items()}
    assert len(digests) == 2 + len(changed)


def test_the_digest_does_not_depend_on_the_time_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5)))

    def digest(now: datetime) -> str:
        (entry,) = seal([lit("lamp/1", 0)], last=lambda _: (0, ""), head=0, meta=META, now=now, codec=lamps)
        return entry.recorded.digest

    assert digest(NOW) == digest(there)


# -- aggregates ----------------------------------------------------------------------------------


def _burning(state: int, event: Event) -> int:
    return state + (1 if isinstance(event, LampLit) else -1)


def test_a_stream_folds_into_the_state_after_it() -> None:
    assert fold(_burning, 0, []) == 0
    assert fold(_burning, 0, [LampLit(room="a"), LampLit(room="b"), LampPutOut(room="a")]) == 1


def test_an_aggregate_is_loaded_with_the_version_it_stands_for() -> None:
    store = MemoryEventStore(events=lamps)
    nothing = load(store, "lamp/1", _burning, 0)
    assert (nothing.stream, nothing.state, nothing.version) == ("lamp/1", 0, 0)
    store.append(lit("lamp/1", 0, "a", "b"), meta=META)
    loaded = load(store, "lamp/1", _burning, 0)
    assert (loaded.state, loaded.version) == (2, 2)


# -- the log in memory (what the contract suite does not say) ------------------------------------


def test_follow_ups_are_kept_with_the_append_and_not_without() -> None:
    store = MemoryEventStore(events=lamps)
    task = FollowUp(task="tasks.clean", args=(1,))
    with pytest.raises(Conflict):
        store.append(lit("lamp/1", 1), meta=META, follow_ups=[task])
    assert store.queued == []
    store.append(lit("lamp/1", 0), meta=META, follow_ups=[task])
    assert store.queued == [task]


def test_a_projection_that_fails_undoes_the_append() -> None:
    seen: list[int] = []

    def project(recorded: Recorded) -> None:
        if recorded.version == 2:
            raise RuntimeError("cannot draw this")
        seen.append(recorded.position)

    store = MemoryEventStore(events=lamps, project=project, now=lambda: NOW)
    (first,) = store.append(lit("lamp/1", 0), meta=META)
    assert first.recorded_at == NOW
    with pytest.raises(RuntimeError):
        store.append(lit("lamp/1", 1), meta=META)
    assert (store.head(), seen) == (1, [1])
    store.append(Append(stream="lamp/2", expected=0, events=[LampPutOut(room="a")]), meta=META)
    assert [recorded.position for recorded in store.read_all()] == [1, 2]


# -- deadlines -----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_counts_down_to_nothing_and_then_says_what_did_not_happen() -> None:
    clock = Clock()
    deadline = Deadline.after(5, "the boot of server", clock=clock)
    assert (deadline.remaining, deadline.expired) == (5, False)
    deadline.check()
    clock.now += 6
    assert (deadline.remaining, deadline.expired) == (0, True)
    with pytest.raises(DeadlineExceeded, match="the boot of server"):
        deadline.check()


def test_the_earlier_of_two_deadlines_holds_and_gives_its_name() -> None:
    clock = Clock()
    job = Deadline.after(10, "the job", clock=clock)
    assert job.within(3, "the login").what == "the login"
    assert job.within(3, "the login").remaining == 3
    assert job.within(30, "the login") is job


def test_a_tick_is_short_and_never_longer_than_what_is_left() -> None:
    clock = Clock()
    deadline = Deadline.after(1, clock=clock)
    assert deadline.tick == pytest.approx(0.2)
    clock.now += 0.95
    assert deadline.tick == pytest.approx(0.05)


def test_a_deadline_may_be_told_to_stop_waiting() -> None:
    reasons: list[Exception | None] = [None, InfrastructureError("the link is gone", node=1, action="boot")]
    deadline = Deadline.after(1, clock=Clock(), stop=lambda: reasons.pop(0))
    deadline.check()
    with pytest.raises(JobError, match="the link is gone") as caught:
        deadline.within(0.5, "inner").check()
    assert (caught.value.kind, caught.value.node, caught.value.action) == ("infrastructure", 1, "boot")


# -- errors --------------------------------------------------------------------------------------


def test_a_conflict_names_the_stream_and_both_versions() -> None:
    assert str(Conflict("job/1", 3, 5)) == "job/1 is at version 5, not at version 3"
    assert str(Conflict("job/1", 3)) == "job/1 is at another version, not at version 3"
