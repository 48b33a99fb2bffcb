"""Any interleaving of requests, against a second statement of the rules that looks at the whole history."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobs.domain.events import MessageSent, NodePlan, WaitEnded, WaitStarted
from jobs.domain.multinode import Effect, Group, Happened, Reply
from jobs.domain.signals import Request

ROLES = ["host", "server", "client", "client"]
NODES = st.integers(0, len(ROLES) - 1)
IDS = st.sampled_from(["a", "b"])


@dataclass
class Asked:
    """A request that was made, and what became of it."""

    node: int
    request: Request
    status: str = "unheard"
    ended_by_rule: str = ""
    gone: bool = False
    """Its helper was killed."""


@dataclass
class Rules:
    """The rules once more, as slowly and plainly as possible."""

    closed: set[int] = field(default_factory=set)
    senders: dict[str, set[int]] = field(default_factory=dict)
    pending: list[Asked] = field(default_factory=list)

    def settle(self) -> None:
        """Repeat until nothing changes: decide every request that can be decided."""
        changed = True
        while changed:
            before = len(self.pending)
            for asked in list(self.pending):
                verdict = self._verdict(asked)
                if verdict:
                    self._end(asked, verdict)
            changed = len(self.pending) != before

    def _end(self, asked: Asked, verdict: str) -> None:
        ended = [asked]
        if asked.request.verb == "SYNC":
            ended = [
                one
                for one in self.pending
                if one.request.verb == "SYNC" and one.request.args == asked.request.args
            ]
        for one in ended:
            one.ended_by_rule = verdict
            self.pending.remove(one)

    def _verdict(self, asked: Asked) -> str:
        id_ = asked.request.args[0] if asked.request.args else ""
        everybody = set(range(len(ROLES)))
        senders = self.senders.get(id_, set())
        if asked.request.verb == "WAIT":
            if senders:
                return "ok"
            return "no" if everybody - {asked.node} <= self.closed else ""
        if asked.request.verb == "WAIT_ALL":
            role = asked.request.args[1] if len(asked.request.args) > 1 else None
            needed = {node for node in everybody if role in (None, ROLES[node])} - senders
            if not needed:
                return "ok"
            return "no" if needed & self.closed else ""
        if asked.request.verb == "SYNC":
            if self.closed:
                return "no"
            here = {
                one.node
                for one in self.pending
                if one.request.verb == "SYNC" and one.request.args == asked.request.args
            }
            return "ok" if here == everybody else ""
        return "ok" if everybody - {0} <= self.closed else ""


class GroupMachine(RuleBasedStateMachine):
    """Nodes ask, repeat, give up, restart and die in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.group = Group(
            [NodePlan(index=i, name=f"n{i}", role=role, device_type="x") for i, role in enumerate(ROLES)]
        )
        self.oracle = Rules()
        self.asked: list[Asked] = []
        self.sessions = dict.fromkeys(range(len(ROLES)), 0)
        self.open_waits: list[tuple[int, str, str]] = []
        self.clock = 0.0

    def _ask(self, node: int, verb: str, *args: str, data: dict[str, str] | None = None) -> Asked:
        asked = Asked(
            node,
            Request(
                offset=0,
                verb=verb,
                args=args,
                data=data or {},
                session=f"n{node}s{self.sessions[node]}",
                number=len(self.asked) + 1,
            ),
        )
        self.asked.append(asked)
        return asked

    def _handle(self, asked: Asked) -> list[Effect]:
        self.clock += 1
        return self._take(self.group.handle(asked.node, asked.request, self.clock))

    def _take(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            if isinstance(effect, Reply):
                ref, _, status = effect.lines[0].split(" ")[1:4]
                asked = self.asked[int(ref.partition(".")[2]) - 1]
                assert asked.node == effect.node
                assert asked.status in ("unheard", "wait", status), "an answer was changed afterwards"
                asked.status = status
            elif isinstance(effect, Happened):
                fact = effect.fact
                if isinstance(fact, WaitStarted):
                    self.open_waits.append((fact.node, fact.kind, fact.id))
                elif isinstance(fact, WaitEnded):
                    self.open_waits.remove((fact.node, fact.kind, fact.id))
        return effects

    def _alive(self, node: int) -> bool:
        return node not in self.oracle.closed

    @rule(node=NODES, id_=IDS)
    def send(self, node: int, id_: str) -> None:
        asked = self._ask(node, "SEND", id_, data={"k": str(self.clock)})
        effects = self._handle(asked)
        assert asked.status == ("ok" if self._alive(node) else "no")
        assert any(
            isinstance(e, Happened) and isinstance(e.fact, MessageSent) for e in effects
        ) == self._alive(node)
        if self._alive(node):
            self.oracle.senders.setdefault(id_, set()).add(node)

    @rule(
        node=NODES,
        id_=IDS,
        what=st.sampled_from(
            ["WAIT", "WAIT_ALL", "WAIT_ALL client", "WAIT_ALL server", "SYNC", "WAIT_FOR_VMS"]
        ),
    )
    def wait(self, node: int, id_: str, what: str) -> None:
        verb, _, role = what.partition(" ")
        args = () if verb == "WAIT_FOR_VMS" else (id_, role) if role else (id_,)
        asked = self._ask(node, verb, *args)
        if self._alive(node) and (verb != "WAIT_FOR_VMS" or node == 0):
            self.oracle.pending.append(asked)
        else:
            asked.ended_by_rule = "no"
        self._handle(asked)

    @rule(data=st.data())
    @precondition(lambda self: any(not asked.gone for asked in self.asked))
    def repeat(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from([asked for asked in self.asked if not asked.gone][-20:]))
        effects = self._handle(asked)
        assert not any(isinstance(effect, Happened) for effect in effects)

    @rule(data=st.data())
    @precondition(lambda self: bool(self.oracle.pending))
    def give_up(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.oracle.pending))
        cancel = Request(
            offset=0,
            verb="CANCEL",
            args=(str(asked.request.number),),
            session=asked.request.session,
            number=0,
        )
        self._take(self.group.handle(asked.node, cancel, self.clock))
        self._forget(asked)

    @rule(node=NODES)
    def restart(self, node: int) -> None:
        if self._alive(node):
            self._take(self.group.shell_ended(node, "it ended", self.clock))
            for asked in [asked for asked in self.oracle.pending if asked.node == node]:
                self._forget(asked)
            self.sessions[node] += 1

    @rule(node=NODES)
    def close(self, node: int) -> None:
        self._take(self.group.close(node, "gone", self.clock))
        self.oracle.closed.add(node)
        for asked in [asked for asked in self.oracle.pending if asked.node == node]:
            self._forget(asked)

    def _forget(self, asked: Asked) -> None:
        """Its helper is gone: it is not repeated any more."""
        self.oracle.pending.remove(asked)
        asked.gone = True

    @invariant()
    def requests_end_as_the_rules_say(self) -> None:
        self.oracle.settle()
        for asked in self.asked:
            if asked.ended_by_rule:
                assert asked.status == asked.ended_by_rule, asked
        for asked in self.oracle.pending:
            assert asked.status == "wait", asked

    @invariant()
    def every_wait_is_recorded_from_its_start_to_its_end(self) -> None:
        self.oracle.settle()
        kinds = {"WAIT": "wait", "WAIT_ALL": "wait-all", "SYNC": "sync", "WAIT_FOR_VMS": "vms"}
        expected = [
            (asked.node, kinds[asked.request.verb], (asked.request.args or ("",))[0])
            for asked in self.oracle.pending
        ]
        assert sorted(self.open_waits) == sorted(expected)

    @invariant()
    def it_is_stuck_exactly_when_every_live_node_waits(self) -> None:
        self.oracle.settle()
        live = set(range(len(ROLES))) - self.oracle.closed
        waiting = {asked.node for asked in self.oracle.pending}
        assert (self.group.stuck() is not None) == (bool(live) and live <= waiting)

    @invariant()
    def the_gate_is_open_exactly_when_all_vms_are_closed(self) -> None:
        assert self.group.gate_open == ({1, 2, 3} <= self.oracle.closed)


GroupMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestGroupMachine = GroupMachine.TestCase
