"""The rules of a group: messages, barriers, and the gate between the VMs' end and the host's next step.

`Group` is pure: requests go in, effects come out (answers to type, facts to record, VMs to start). Its
rules, in a sentence each:

* A message is kept for the whole job, for every node, the sender included; sent again by the same node under
  the same id, it replaces that node's data.
* ``lava-wait`` needs one message of that id from anybody; ``lava-wait-all`` one from every node, or from
  every node of a role; ``lava-sync`` all nodes, and each sync of an id is a round of its own.
* A node that is closed will not send or arrive any more: who needs it is told so at once, by name.
* A request that is refused fails by itself; a request that is repeated gets its answer again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jobs.domain import wire
from jobs.domain.events import Fact, GateOpened, MessageSent, NodePlan, WaitEnded, WaitKind, WaitStarted
from jobs.domain.exchange import Arrival, Exchange
from jobs.domain.messages import Messages, Refused, id_of
from jobs.domain.signals import Request

WAITS_KEPT = 64
"""Requests of one node that may wait at once."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Type these lines into the node's console, each followed by a newline."""

    node: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """Record this fact."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class StartVms:
    """Start the VMs now: the host's test asks for it."""


Effect = Reply | Happened | StartVms


@dataclass(slots=True, eq=False)
class _Wait:
    """A node that waits. Without a request it waits at the gate, outside of any test."""

    node: int
    kind: WaitKind
    id: str
    role: str = ""
    request: Request | None = None


@dataclass(slots=True)
class _Member:
    index: int
    name: str
    role: str
    closed: str | None = None
    """Why, once it is closed."""
    exchange: Exchange = field(default_factory=Exchange)


class Group:
    """All nodes of one job. Not thread-safe: one caller at a time.

    `auto_start`: the VMs are started without the host's test asking for it.
    """

    def __init__(self, nodes: Sequence[NodePlan], *, host: int = 0, auto_start: bool = True) -> None:
        self._members = {
            node.index: _Member(node.index, node.name, node.role)
            for node in sorted(nodes, key=lambda node: node.index)
        }
        self._host = host
        self._auto_start = auto_start
        self._asked_to_start = False
        self._gate_open = False
        self._messages = Messages()
        self._waits: list[_Wait] = []

    # -- what can be asked about it ------------------------------------------------------------------

    @property
    def vms_wanted(self) -> bool:
        """Whether the VMs run, or are to be started: by themselves or because the host's test asked."""
        return self._auto_start or self._asked_to_start

    @property
    def gate_open(self) -> bool:
        """Whether every VM is closed: the host may go on."""
        return all(member.closed is not None for member in self._vms())

    def gate_problem(self) -> str | None:
        """Say why the host would wait at the gate in vain; None when it would not."""
        if self.gate_open or self.vms_wanted:
            return None
        return (
            "the VMs were never started: with auto_start_vms set to false, the host's test has to call"
            " lava-start-vms"
        )

    def stuck(self) -> str | None:
        """Explain who waits for whom when no live node can go on by what the others do; None while one can.

        A test may still send from a background process of its own: give it a moment before acting on this.
        """
        live = [member for member in self._members.values() if member.closed is None]
        if not live or any(not self._waits_of(member.index) for member in live):
            return None
        parts = [
            f"{member.name} waits {_for_what(wait)}{self._lack(wait)}"
            for member in live
            for wait in self._waits_of(member.index)
        ]
        return "deadlock: every node waits, and nobody is left to release them: " + "; ".join(parts)

    # -- what happens to it --------------------------------------------------------------------------

    def handle(self, node: int, request: Request, at: float) -> list[Effect]:
        """Act on a request from `node`. Never raises: what cannot be granted is answered with words."""
        member = self._members[node]
        effects: list[Effect] = []
        match member.exchange.receive(request):
            case Arrival.SETTLED:
                return _reply(node, member.exchange.lines)
            case Arrival.NEW_SESSION:
                effects += self.shell_ended(node, "its test shell was started anew", at)
        if request.verb == "CANCEL":
            return effects + self._give_up(member, request, at)
        try:
            return effects + self._grant(member, request, at)
        except Refused as refusal:
            return effects + self._answer(node, request, "no", str(refusal))

    def close(self, node: int, reason: str, at: float) -> list[Effect]:
        """Nothing more comes from this node: release who needs it, open the gate after the last VM."""
        member = self._members[node]
        if member.closed is not None:
            return []
        effects = self.shell_ended(node, f"{member.name} is closed: {reason}", at)
        member.closed = reason
        effects += self._settle(at)
        if self.gate_open and not self._gate_open:
            self._gate_open = True
            effects.append(Happened(GateOpened(at=at)))
            for wait in [wait for wait in self._waits if wait.kind == "vms"]:
                effects += self._end(wait, at)
        return effects

    def shell_ended(self, node: int, reason: str, at: float) -> list[Effect]:
        """The node's test shell is gone, and with it all that it waited for."""
        effects: list[Effect] = []
        for wait in self._waits_of(node):
            effects += self._drop(wait, reason, at)
        return effects

    def wait_at_gate(self, at: float) -> list[Effect]:
        """The host has ended its test shell and waits until every VM is closed."""
        if self.gate_open:
            return []
        wait = _Wait(self._host, "vms", "")
        self._waits.append(wait)
        return [self._started(wait, at)]

    def refuse_all(self, reason: str, at: float) -> list[Effect]:
        """End every wait inside tests with an error: the way out of a deadlock, or of a cancelled job."""
        effects: list[Effect] = []
        for wait in [wait for wait in self._waits if wait.request is not None]:
            effects += self._end(wait, at, refusal=reason)
        return effects

    # -- the requests --------------------------------------------------------------------------------

    def _grant(self, member: _Member, request: Request, at: float) -> list[Effect]:
        if member.closed is not None:
            raise Refused(
                f"{member.name} is closed ({member.closed}): it takes no part in the group any more"
            )
        match request.verb:
            case "SEND":
                return self._send(member, request, at)
            case "WAIT" | "WAIT_ALL" | "SYNC":
                return self._wait(member, request, at)
            case "START_VMS":
                return self._start_vms(member, request)
            case "WAIT_FOR_VMS":
                return self._wait_for_vms(member, request, at)
            case _:
                raise Refused(f"the lab does not know the request {request.verb}")

    def _send(self, member: _Member, request: Request, at: float) -> list[Effect]:
        message, data = id_of(request, "lava-send"), dict(request.data)
        self._messages.keep(member.index, message, data)
        fact = MessageSent(node=member.index, id=message, data=data, at=at)
        effects: list[Effect] = [Happened(fact), *self._answer(member.index, request, "ok", "")]
        return effects + self._settle(at)

    def _wait(self, member: _Member, request: Request, at: float) -> list[Effect]:
        kinds: dict[str, WaitKind] = {"WAIT": "wait", "WAIT_ALL": "wait-all", "SYNC": "sync"}
        kind = kinds[request.verb]
        message = id_of(request, f"lava-{kind}")
        role = ""
        if len(request.args) > 1:
            if kind != "wait-all":
                raise Refused(f"lava-{kind} takes an id and nothing else, not {' '.join(request.args)!r}")
            role = request.args[1]
            roles = sorted({other.role for other in self._members.values()})
            if role not in roles or len(request.args) > 2:
                wanted = " ".join(request.args[1:])
                raise Refused(f"no node has the role {wanted!r}; the roles are {', '.join(roles)}")
        if len(self._waits_of(member.index)) >= WAITS_KEPT:
            raise Refused(f"{member.name} already waits for {WAITS_KEPT} things at once")
        wait = _Wait(member.index, kind, message, role, request)
        self._waits.append(wait)
        effects: list[Effect] = [self._started(wait, at), *self._settle(at)]
        if wait in self._waits:
            effects += self._heard(member.index, request)
        return effects

    def _start_vms(self, member: _Member, request: Request) -> list[Effect]:
        if member.index != self._host:
            raise Refused(
                f"lava-start-vms works only on the host ({self._members[self._host].name}),"
                f" not on {member.name}"
            )
        effects = self._answer(member.index, request, "ok", "")
        if not self.vms_wanted:
            self._asked_to_start = True
            effects.insert(0, StartVms())
        return effects

    def _wait_for_vms(self, member: _Member, request: Request, at: float) -> list[Effect]:
        if member.index != self._host:
            raise Refused(
                f"lava-wait-for-vms works only on the host ({self._members[self._host].name}):"
                f" on {member.name}, a VM, it would wait for its own end"
            )
        if problem := self.gate_problem():
            raise Refused(problem)
        wait = _Wait(member.index, "vms", "", request=request)
        self._waits.append(wait)
        effects: list[Effect] = [self._started(wait, at)]
        if self.gate_open:
            return effects + self._end(wait, at)
        return effects + self._heard(member.index, request)

    def _give_up(self, member: _Member, request: Request, at: float) -> list[Effect]:
        """Withdraw a request whose helper was killed or timed out: ``CANCEL <request number>``."""
        effects: list[Effect] = []
        for wait in self._waits_of(member.index):
            if wait.request is not None and [str(wait.request.number)] == list(request.args):
                effects += self._drop(wait, "the test gave up waiting", at)
        return effects

    # -- deciding who may go on ----------------------------------------------------------------------

    def _settle(self, at: float) -> list[Effect]:
        """Release whoever got what it waits for, or cannot get it any more."""
        effects: list[Effect] = []
        decided: set[str] = set()
        for wait in list(self._waits):
            if wait not in self._waits or wait.kind == "vms":
                continue
            if wait.kind == "sync":
                if wait.id not in decided:
                    decided.add(wait.id)
                    effects += self._settle_round(wait.id, at)
                continue
            needs = self._needs(wait)
            gone = [member for member in needs if member.closed is not None]
            if not needs:
                effects += self._end(wait, at)
            elif wait.kind == "wait-all" and gone:
                effects += self._end(
                    wait, at, refusal=f"{_names(gone)}, so not every message {wait.id!r} can come"
                )
            elif wait.kind == "wait" and len(gone) == len(needs):
                effects += self._end(
                    wait, at, refusal=f"nobody is left who could send {wait.id!r}: {_names(gone)}"
                )
        return effects

    def _settle_round(self, id_: str, at: float) -> list[Effect]:
        """Let a round of ``lava-sync`` go when everybody is there, or fail when somebody cannot come."""
        arrived = [wait for wait in self._waits if wait.kind == "sync" and wait.id == id_]
        here = {wait.node for wait in arrived}
        gone = [member for member in self._members.values() if member.closed is not None]
        if not gone and len(here) < len(self._members):
            return []
        refusal = f"{_names(gone)}, so lava-sync {id_!r} can never be complete" if gone else ""
        return [effect for wait in arrived for effect in self._end(wait, at, refusal=refusal)]

    def _needs(self, wait: _Wait) -> list[_Member]:
        """Return the nodes that this wait still needs. For ``lava-wait``: all that could release it."""
        if wait.kind == "vms":
            return [member for member in self._vms() if member.closed is None]
        others = [member for member in self._members.values() if member.index != wait.node]
        if wait.kind == "sync":
            here = {other.node for other in self._waits if other.kind == "sync" and other.id == wait.id}
            return [member for member in others if member.index not in here]
        senders = self._messages.of(wait.id)
        if wait.kind == "wait":
            return [] if senders else others
        return [
            member
            for member in self._members.values()
            if member.index not in senders and wait.role in ("", member.role)
        ]

    def _vms(self) -> Iterable[_Member]:
        return (member for member in self._members.values() if member.index != self._host)

    def _waits_of(self, node: int) -> list[_Wait]:
        return [wait for wait in self._waits if wait.node == node]

    def _lack(self, wait: _Wait) -> str:
        needs = [member.name for member in self._needs(wait)]
        if wait.kind == "wait":
            return ", which nobody has sent"
        return f" from {', '.join(needs)}" if wait.kind == "wait-all" else f" (missing: {', '.join(needs)})"

    # -- answers and facts ---------------------------------------------------------------------------

    def _started(self, wait: _Wait, at: float) -> Happened:
        needs = [] if wait.kind == "wait" else [member.name for member in self._needs(wait)]
        return Happened(
            WaitStarted(node=wait.node, kind=wait.kind, id=wait.id, role=wait.role, needs=needs, at=at)
        )

    def _drop(self, wait: _Wait, reason: str, at: float) -> list[Effect]:
        """Forget a wait that nobody is there for any more."""
        self._waits.remove(wait)
        if wait.request is not None:
            self._members[wait.node].exchange.forget(wait.request)
        fact = WaitEnded(node=wait.node, kind=wait.kind, id=wait.id, ok=False, reason=reason, at=at)
        return [Happened(fact)]

    def _end(self, wait: _Wait, at: float, *, refusal: str = "") -> list[Effect]:
        self._waits.remove(wait)
        fact = WaitEnded(node=wait.node, kind=wait.kind, id=wait.id, ok=not refusal, reason=refusal, at=at)
        effects: list[Effect] = [Happened(fact)]
        if wait.request is not None:
            if refusal:
                effects += self._answer(wait.node, wait.request, "no", refusal)
            else:
                text = self._cache_text(wait.id) if wait.kind in ("wait", "wait-all") else ""
                effects += self._answer(wait.node, wait.request, "ok", text)
        return effects

    def _cache_text(self, id_: str) -> str:
        names = {node: member.name for node, member in self._members.items()}
        return self._messages.cache_text(id_, names)

    def _heard(self, node: int, request: Request) -> list[Effect]:
        return _reply(node, self._members[node].exchange.heard(request))

    def _answer(self, node: int, request: Request, status: wire.Status, text: str) -> list[Effect]:
        return _reply(node, self._members[node].exchange.answer(request, status, text))


def _reply(node: int, lines: tuple[str, ...]) -> list[Effect]:
    return [Reply(node, lines)] if lines else []


def _for_what(wait: _Wait) -> str:
    if wait.kind == "vms":
        return "for the VMs to end"
    if wait.kind == "sync":
        return f"in lava-sync {wait.id!r}"
    return f"for message {wait.id!r}" if wait.kind == "wait" else f"for all messages {wait.id!r}"


def _names(gone: Sequence[_Member]) -> str:
    return ", ".join(f"{member.name} is closed ({member.closed})" for member in gone)
