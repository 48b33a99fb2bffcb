"""The rules of a group, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import pytest

from jobs.domain import wire
from jobs.domain.events import GateOpened, MessageSent, NodePlan, WaitEnded, WaitStarted
from jobs.domain.messages import MAX_DATA
from jobs.domain.multinode import Effect, Group, Happened, Reply, StartVms
from jobs.domain.signals import Request

HOST, SERVER, CLIENT, CLIENT_2 = range(4)
PLANS = [
    NodePlan(index=HOST, name="host", role="host", device_type="board"),
    NodePlan(index=SERVER, name="server", role="server", device_type="kvm"),
    NodePlan(index=CLIENT, name="client-1", role="client", device_type="kvm"),
    NodePlan(index=CLIENT_2, name="client-2", role="client", device_type="kvm"),
]


class Driver:
    """A group, and the answers that its nodes got."""

    def __init__(self, *, auto_start: bool = True, nodes: Iterable[NodePlan] = PLANS) -> None:
        self.group = Group(list(nodes), auto_start=auto_start)
        self.effects: list[Effect] = []
        self.answers: dict[tuple[int, int], tuple[str, str]] = {}
        self.texts: dict[tuple[int, str], str] = {}
        self.numbers = itertools.count(1)
        self.now = 0.0

    def ask(
        self, node: int, verb: str, *args: str, data: Mapping[str, str] | None = None, session: str = "s"
    ) -> int:
        """Send a new request and return its number."""
        number = next(self.numbers)
        self.request(
            node,
            Request(offset=0, verb=verb, args=args, data=data or {}, session=session, number=number),
        )
        return number

    def request(self, node: int, request: Request) -> list[Effect]:
        self.now += 1
        return self.take(self.group.handle(node, request, self.now))

    def take(self, effects: list[Effect]) -> list[Effect]:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Reply):
                for line in effect.lines:
                    self._note(effect.node, line)
        return effects

    def _note(self, node: int, line: str) -> None:
        if not line.startswith("<LAVA_ANSWER "):
            return
        ref, part, status, payload, total = line.removeprefix("<LAVA_ANSWER ").removesuffix(">").split(" ")
        assert wire.checksum(f"{ref} {part} {status} {payload}") == int(total)
        number = int(ref.partition(".")[2])
        if part.startswith("1/"):
            self.texts[node, ref] = ""
        self.texts[node, ref] += "" if payload == "-" else payload
        self.answers[node, number] = (status, decode(self.texts[node, ref]))

    def close(self, node: int, reason: str = "its process is gone") -> list[Effect]:
        self.now += 1
        return self.take(self.group.close(node, reason, self.now))

    def answer(self, node: int, number: int) -> tuple[str, str]:
        return self.answers[node, number]

    def waits(self, node: int, number: int) -> bool:
        return self.answers[node, number][0] == "wait"

    def facts(self, kind: type) -> list[object]:
        return [
            effect.fact
            for effect in self.effects
            if isinstance(effect, Happened) and isinstance(effect.fact, kind)
        ]


def decode(payload: str) -> str:
    """What ``printf %b`` makes of an answer."""
    data = bytearray()
    position = 0
    while position < len(payload):
        if payload[position] == "\\":
            data.append(int(payload[position + 1 : position + 5], 8))
            position += 5
        else:
            data += payload[position].encode()
            position += 1
    return data.decode()


@pytest.fixture
def lab() -> Driver:
    return Driver()


# -- messages --------------------------------------------------------------------------------------


def test_a_message_is_answered_and_recorded(lab: Driver) -> None:
    number = lab.ask(SERVER, "SEND", "ready", data={"ip": "10.0.0.1"})
    assert lab.answer(SERVER, number) == ("ok", "")
    assert lab.facts(MessageSent) == [MessageSent(node=SERVER, id="ready", data={"ip": "10.0.0.1"}, at=1.0)]


def test_a_wait_gets_the_data_of_all_senders(lab: Driver) -> None:
    lab.ask(CLIENT_2, "SEND", "ready", data={"a": "1"})
    lab.ask(SERVER, "SEND", "ready", data={"a": "2", "b": "3"})
    number = lab.ask(CLIENT, "WAIT", "ready")
    assert lab.answer(CLIENT, number) == ("ok", "server:a=2\nserver:b=3\nclient-2:a=1")


def test_messages_are_kept_for_waits_to_come(lab: Driver) -> None:
    lab.ask(SERVER, "SEND", "ready", data={"a": "1"})
    first, second = lab.ask(CLIENT, "WAIT", "ready"), lab.ask(CLIENT, "WAIT", "ready")
    assert lab.answer(CLIENT, first) == lab.answer(CLIENT, second) == ("ok", "server:a=1")


def test_a_wait_begins_before_the_message_and_ends_with_it(lab: Driver) -> None:
    number = lab.ask(CLIENT, "WAIT", "ready")
    assert lab.waits(CLIENT, number)
    lab.ask(SERVER, "SEND", "ready", data={"a": "1"})
    assert lab.answer(CLIENT, number) == ("ok", "server:a=1")


def test_an_own_message_satisfies_a_wait(lab: Driver) -> None:
    lab.ask(CLIENT, "SEND", "ready")
    assert lab.answer(CLIENT, lab.ask(CLIENT, "WAIT", "ready")) == ("ok", "")


def test_a_second_message_replaces_the_senders_data_for_that_id(lab: Driver) -> None:
    lab.ask(SERVER, "SEND", "ready", data={"a": "1", "b": "2"})
    lab.ask(SERVER, "SEND", "ready", data={"a": "3"})
    lab.ask(SERVER, "SEND", "other", data={"c": "4"})
    assert lab.answer(CLIENT, lab.ask(CLIENT, "WAIT", "ready")) == ("ok", "server:a=3")


@pytest.mark.parametrize("value", ["a=b", "a b", "a>b", "<LAVA_SIGNAL_X>", "ü€😀", "%20\\n", "'\"$(x)`", "-"])
def test_values_arrive_as_they_were_sent(lab: Driver, value: str) -> None:
    lab.ask(SERVER, "SEND", "ready", data={"k": value})
    assert lab.answer(CLIENT, lab.ask(CLIENT, "WAIT", "ready")) == ("ok", f"server:k={value}")


def test_a_line_end_in_a_value_does_not_break_the_line(lab: Driver) -> None:
    lab.ask(SERVER, "SEND", "ready", data={"k": "one\ntwo\r\nthree"})
    assert lab.answer(CLIENT, lab.ask(CLIENT, "WAIT", "ready")) == ("ok", "server:k=one\\ntwo\\nthree")


@pytest.mark.parametrize("verb", ["SEND", "WAIT", "WAIT_ALL", "SYNC"])
@pytest.mark.parametrize("message", ["lava_vm_start", "lava_vm_stop"])
def test_reserved_ids_are_refused_with_words(lab: Driver, verb: str, message: str) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, verb, message))
    assert status == "no"
    assert "lava-start-vms" in words


@pytest.mark.parametrize("verb", ["SEND", "WAIT", "WAIT_ALL", "SYNC"])
@pytest.mark.parametrize("args", [(), ("",), ("a=b",), ("a b",), ("x" * 201,), ("a\nb",)])
def test_what_is_no_message_id_is_refused(lab: Driver, verb: str, args: tuple[str, ...]) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, verb, *args))
    assert status == "no"
    assert "message id" in words


def test_a_message_that_is_too_big_is_refused(lab: Driver) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, "SEND", "big", data={"k": "x" * MAX_DATA}))
    assert (status, "at most" in words) == ("no", True)
    assert lab.waits(CLIENT, lab.ask(CLIENT, "WAIT", "big"))


def test_messages_without_end_are_refused_at_some_point(lab: Driver) -> None:
    answers = [
        lab.answer(SERVER, lab.ask(SERVER, "SEND", f"m{index}", data={"k": "x" * (MAX_DATA - 100)}))
        for index in range(600)
    ]
    assert answers[0][0] == "ok"
    assert answers[-1][0] == "no"
    assert "nothing more is kept" in answers[-1][1]


def test_replacing_a_message_again_and_again_costs_nothing(lab: Driver) -> None:
    for _ in range(600):
        number = lab.ask(SERVER, "SEND", "same", data={"k": "x" * (MAX_DATA - 100)})
    assert lab.answer(SERVER, number)[0] == "ok"


def test_a_refused_request_fails_alone(lab: Driver) -> None:
    lab.ask(SERVER, "SEND", "lava_vm_start")
    assert lab.answer(SERVER, lab.ask(SERVER, "SEND", "fine")) == ("ok", "")


def test_an_unknown_request_is_refused(lab: Driver) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, "DANCE"))
    assert (status, "DANCE" in words) == ("no", True)


@pytest.mark.parametrize(
    ("verb", "args"), [("WAIT", ("a", "b")), ("SYNC", ("a", "b")), ("WAIT_ALL", ("a", "client", "x"))]
)
def test_too_many_words_are_refused(lab: Driver, verb: str, args: tuple[str, ...]) -> None:
    assert lab.answer(SERVER, lab.ask(SERVER, verb, *args))[0] == "no"


def test_a_node_cannot_pile_up_waits_without_end(lab: Driver) -> None:
    numbers = [lab.ask(SERVER, "WAIT", f"m{index}") for index in range(70)]
    assert lab.waits(SERVER, numbers[0])
    assert lab.answer(SERVER, numbers[-1])[0] == "no"


# -- wait-all --------------------------------------------------------------------------------------


def test_wait_all_waits_for_every_node_the_caller_and_the_host_included(lab: Driver) -> None:
    number = lab.ask(CLIENT, "WAIT_ALL", "up")
    for node in (SERVER, CLIENT_2, HOST):
        lab.ask(node, "SEND", "up", data={"n": str(node)})
        assert lab.waits(CLIENT, number)
    lab.ask(CLIENT, "SEND", "up")
    assert lab.answer(CLIENT, number) == ("ok", "host:n=0\nserver:n=1\nclient-2:n=3")


def test_wait_all_waits_even_if_nobody_has_sent_yet(lab: Driver) -> None:
    assert lab.waits(SERVER, lab.ask(SERVER, "WAIT_ALL", "up"))
    assert lab.waits(SERVER, lab.ask(SERVER, "WAIT_ALL", "up", "client"))


def test_wait_all_for_a_role_needs_all_its_members_and_nobody_else(lab: Driver) -> None:
    number = lab.ask(SERVER, "WAIT_ALL", "up", "client")
    lab.ask(CLIENT, "SEND", "up", data={"n": "1"})
    assert lab.waits(SERVER, number)
    lab.ask(CLIENT_2, "SEND", "up", data={"n": "2"})
    assert lab.answer(SERVER, number) == ("ok", "client-1:n=1\nclient-2:n=2")


def test_wait_all_for_a_role_brings_the_data_of_every_sender(lab: Driver) -> None:
    lab.ask(HOST, "SEND", "up", data={"n": "0"})
    number = lab.ask(CLIENT, "WAIT_ALL", "up", "server")
    lab.ask(SERVER, "SEND", "up", data={"n": "1"})
    assert lab.answer(CLIENT, number) == ("ok", "host:n=0\nserver:n=1")


def test_wait_all_for_a_role_nobody_has_is_refused_and_names_the_roles(lab: Driver) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, "WAIT_ALL", "up", "clients"))
    assert status == "no"
    assert "client, host, server" in words


def test_wait_all_says_whom_it_waits_for(lab: Driver) -> None:
    lab.ask(CLIENT, "SEND", "up")
    lab.ask(SERVER, "WAIT_ALL", "up", "client")
    started = lab.facts(WaitStarted)[-1]
    assert isinstance(started, WaitStarted)
    assert (started.kind, started.role, started.needs) == ("wait-all", "client", ["client-2"])


# -- sync ------------------------------------------------------------------------------------------


def test_a_sync_releases_everybody_when_the_last_one_comes(lab: Driver) -> None:
    numbers = {node: lab.ask(node, "SYNC", "go") for node in (CLIENT, HOST, SERVER)}
    assert all(lab.waits(node, number) for node, number in numbers.items())
    numbers[CLIENT_2] = lab.ask(CLIENT_2, "SYNC", "go")
    assert all(lab.answer(node, number) == ("ok", "") for node, number in numbers.items())


def test_a_second_sync_of_an_id_is_a_new_round(lab: Driver) -> None:
    for node in range(4):
        lab.ask(node, "SYNC", "go")
    again = lab.ask(SERVER, "SYNC", "go")
    assert lab.waits(SERVER, again), "the server slipped through on the first round's arrivals"
    for node in (HOST, CLIENT, CLIENT_2):
        lab.ask(node, "SYNC", "go")
    assert lab.answer(SERVER, again) == ("ok", "")


def test_a_node_that_syncs_twice_counts_once(lab: Driver) -> None:
    first = lab.ask(SERVER, "SYNC", "go")
    lab.ask(SERVER, "SYNC", "go")
    lab.ask(HOST, "SYNC", "go")
    lab.ask(CLIENT, "SYNC", "go")
    assert lab.waits(SERVER, first)


def test_syncs_and_messages_of_one_id_have_nothing_to_do_with_each_other(lab: Driver) -> None:
    for node in range(4):
        lab.ask(node, "SYNC", "go")
    assert lab.waits(SERVER, lab.ask(SERVER, "WAIT", "go"))


# -- nodes that are closed -------------------------------------------------------------------------


def test_a_closed_node_releases_a_wait_all_that_needs_it_at_once_and_by_name(lab: Driver) -> None:
    number = lab.ask(SERVER, "WAIT_ALL", "up", "client")
    lab.close(CLIENT_2, "its kernel panicked")
    status, words = lab.answer(SERVER, number)
    assert status == "no"
    assert "client-2 is closed (its kernel panicked)" in words


def test_a_closed_node_that_has_sent_is_no_obstacle(lab: Driver) -> None:
    lab.ask(CLIENT, "SEND", "up", data={"n": "1"})
    lab.close(CLIENT)
    number = lab.ask(SERVER, "WAIT_ALL", "up", "client")
    lab.ask(CLIENT_2, "SEND", "up", data={"n": "2"})
    assert lab.answer(SERVER, number) == ("ok", "client-1:n=1\nclient-2:n=2")


def test_a_closed_node_fails_a_sync_that_has_begun_and_those_to_come(lab: Driver) -> None:
    begun = lab.ask(SERVER, "SYNC", "go")
    lab.close(CLIENT, "it was powered off")
    status, words = lab.answer(SERVER, begun)
    assert (status, "client-1 is closed (it was powered off)" in words) == ("no", True)
    assert lab.answer(HOST, lab.ask(HOST, "SYNC", "later"))[0] == "no"


def test_a_closed_node_that_had_arrived_fails_the_round(lab: Driver) -> None:
    lab.ask(CLIENT, "SYNC", "go")
    number = lab.ask(SERVER, "SYNC", "go")
    lab.close(CLIENT)
    assert lab.answer(SERVER, number)[0] == "no"


def test_a_wait_goes_on_while_anybody_is_left_who_could_send(lab: Driver) -> None:
    number = lab.ask(SERVER, "WAIT", "ready")
    lab.close(CLIENT)
    lab.close(CLIENT_2)
    assert lab.waits(SERVER, number)
    lab.close(HOST, "its actions are done")
    status, words = lab.answer(SERVER, number)
    assert status == "no"
    assert "host is closed (its actions are done)" in words


def test_a_closed_node_is_told_so_if_it_still_asks(lab: Driver) -> None:
    lab.close(CLIENT)
    status, words = lab.answer(CLIENT, lab.ask(CLIENT, "SEND", "x"))
    assert (status, "closed" in words) == ("no", True)


def test_a_node_is_closed_once(lab: Driver) -> None:
    lab.close(CLIENT)
    assert lab.close(CLIENT, "again") == []


def test_what_a_closed_node_waited_for_ends_without_an_answer(lab: Driver) -> None:
    lab.ask(CLIENT, "WAIT", "x")
    effects = lab.close(CLIENT, "crash")
    assert [type(effect) for effect in effects] == [Happened]
    ended = lab.facts(WaitEnded)[-1]
    assert isinstance(ended, WaitEnded)
    assert (ended.node, ended.ok) == (CLIENT, False)


# -- the gate and the VMs --------------------------------------------------------------------------


def test_the_gate_opens_once_when_the_last_vm_is_closed(lab: Driver) -> None:
    number = lab.ask(HOST, "WAIT_FOR_VMS")
    for node in (SERVER, CLIENT):
        lab.close(node)
        assert lab.waits(HOST, number)
    lab.close(CLIENT_2)
    assert lab.answer(HOST, number) == ("ok", "")
    assert lab.group.gate_open
    assert len(lab.facts(GateOpened)) == 1


def test_an_open_gate_lets_through_at_once(lab: Driver) -> None:
    for node in (SERVER, CLIENT, CLIENT_2):
        lab.close(node)
    assert lab.answer(HOST, lab.ask(HOST, "WAIT_FOR_VMS")) == ("ok", "")
    lab.take(lab.group.wait_at_gate(9.0))
    assert lab.group.stuck() is None


def test_the_host_waits_at_the_gate_without_a_request(lab: Driver) -> None:
    lab.take(lab.group.wait_at_gate(1.0))
    for node in (SERVER, CLIENT, CLIENT_2):
        lab.close(node)
    ended = lab.facts(WaitEnded)[-1]
    assert isinstance(ended, WaitEnded)
    assert (ended.kind, ended.ok) == ("vms", True)


def test_a_host_that_is_closed_waits_at_the_gate_no_more(lab: Driver) -> None:
    lab.take(lab.group.wait_at_gate(1.0))
    lab.close(HOST, "the job is cancelled")
    ended = lab.facts(WaitEnded)[-1]
    assert isinstance(ended, WaitEnded)
    assert (ended.kind, ended.ok, ended.reason) == ("vms", False, "host is closed: the job is cancelled")


@pytest.mark.parametrize("verb", ["WAIT_FOR_VMS", "START_VMS"])
def test_only_the_host_may_start_the_vms_or_wait_for_them(lab: Driver, verb: str) -> None:
    status, words = lab.answer(SERVER, lab.ask(SERVER, verb))
    assert status == "no"
    assert "only on the host (host)" in words


def test_the_hosts_test_starts_the_vms_once() -> None:
    lab = Driver(auto_start=False)
    assert not lab.group.vms_wanted
    first, second = lab.ask(HOST, "START_VMS"), lab.ask(HOST, "START_VMS")
    assert lab.answer(HOST, first) == lab.answer(HOST, second) == ("ok", "")
    assert [effect for effect in lab.effects if isinstance(effect, StartVms)] == [StartVms()]
    assert lab.group.vms_wanted


def test_starting_vms_that_start_by_themselves_is_harmless(lab: Driver) -> None:
    assert lab.answer(HOST, lab.ask(HOST, "START_VMS")) == ("ok", "")
    assert not any(isinstance(effect, StartVms) for effect in lab.effects)


def test_a_host_that_forgot_to_start_the_vms_is_told_so_at_once() -> None:
    lab = Driver(auto_start=False)
    status, words = lab.answer(HOST, lab.ask(HOST, "WAIT_FOR_VMS"))
    assert status == "no"
    assert "lava-start-vms" in words
    assert lab.group.gate_problem() == words
    lab.ask(HOST, "START_VMS")
    assert lab.group.gate_problem() is None
    assert lab.waits(HOST, lab.ask(HOST, "WAIT_FOR_VMS"))


# -- repetition, sessions, giving up ---------------------------------------------------------------


def test_a_repeated_request_is_acted_upon_once_and_answered_again(lab: Driver) -> None:
    request = Request(offset=0, verb="SEND", args=("x",), data={"a": "1"}, session="s", number=1)
    first = lab.request(SERVER, request)
    second = lab.request(SERVER, request)
    assert [effect for effect in first if isinstance(effect, Reply)] == second
    assert len(lab.facts(MessageSent)) == 1


def test_a_repeated_request_that_waits_is_told_that_it_was_heard(lab: Driver) -> None:
    request = Request(offset=0, verb="SYNC", args=("x",), session="s", number=1)
    lab.request(SERVER, request)
    assert lab.request(SERVER, request) == [Reply(SERVER, wire.answer("s", 1, "wait"))]
    assert len(lab.facts(WaitStarted)) == 1


def test_a_new_session_of_a_node_ends_what_the_old_one_waited_for(lab: Driver) -> None:
    lab.ask(SERVER, "SYNC", "go", session="old")
    lab.ask(SERVER, "SEND", "x", session="new")
    ended = lab.facts(WaitEnded)[-1]
    assert isinstance(ended, WaitEnded)
    assert (ended.node, ended.ok) == (SERVER, False)
    assert lab.request(SERVER, Request(offset=0, verb="SYNC", args=("go",), session="old", number=1)) == []


def test_a_helper_that_is_killed_withdraws_its_request(lab: Driver) -> None:
    number = lab.ask(SERVER, "SYNC", "go")
    lab.request(SERVER, Request(offset=0, verb="CANCEL", args=(str(number),), session="s", number=0))
    for node in (HOST, CLIENT, CLIENT_2):
        last = lab.ask(node, "SYNC", "go")
    assert lab.waits(CLIENT_2, last), "the server is not there any more"
    lab.ask(SERVER, "SYNC", "go")
    assert lab.answer(CLIENT_2, last) == ("ok", "")


def test_a_shell_that_ends_leaves_no_waits(lab: Driver) -> None:
    lab.ask(SERVER, "WAIT", "x")
    lab.take(lab.group.shell_ended(SERVER, "the test shell timed out", 5.0))
    ended = lab.facts(WaitEnded)[-1]
    assert isinstance(ended, WaitEnded)
    assert ended.reason == "the test shell timed out"


def test_a_long_answer_comes_a_few_lines_at_a_time(lab: Driver) -> None:
    value = "x" * 9000
    lab.ask(SERVER, "SEND", "long", data={"k": value})
    number = lab.ask(CLIENT, "WAIT", "long")
    sent = wire.WINDOW
    for _ in range(10):
        more = Request(offset=0, verb="MORE", args=(str(number), str(sent)), session="s", number=0)
        effects = lab.request(CLIENT, more)
        sent += sum(len(effect.lines) for effect in effects if isinstance(effect, Reply))
    assert lab.answer(CLIENT, number) == ("ok", f"server:k={value}")


def test_old_answers_are_forgotten_and_old_sessions_stay_refused(lab: Driver) -> None:
    for _ in range(100):
        lab.ask(SERVER, "SEND", "x")
    exchange = lab.group._members[SERVER].exchange
    assert len(exchange._answers) <= 66
    for index in range(20):
        lab.ask(SERVER, "SEND", "x", session=f"s{index}")
    assert len(exchange._past) <= 8


def test_a_closed_node_that_asks_by_hand_gets_its_refusal(lab: Driver) -> None:
    lab.request(CLIENT, Request(offset=0, verb="SYNC", args=("x",)))
    lab.close(CLIENT)
    assert lab.request(CLIENT, Request(offset=0, verb="SYNC", args=("x",))) == [
        Reply(CLIENT, ("<LAVA_SYNC_COMPLETE nack>",))
    ]
    assert lab.request(CLIENT, Request(offset=0, verb="CANCEL", args=("1",), session="s", number=0)) == []


@pytest.mark.parametrize("args", [(), ("1",), ("a", "b"), ("99", "3"), ("1", "-2")])
def test_asking_for_more_of_nothing_is_harmless(lab: Driver, args: tuple[str, ...]) -> None:
    lab.ask(CLIENT, "WAIT", "x")
    assert lab.request(CLIENT, Request(offset=0, verb="MORE", args=args, session="s", number=0)) == []


def test_a_request_by_hand_is_answered_in_lavas_words(lab: Driver) -> None:
    def by_hand(node: int, verb: str, *args: str) -> list[Effect]:
        return lab.request(node, Request(offset=0, verb=verb, args=args))

    lab.request(SERVER, Request(offset=0, verb="SEND", args=("x",), data={"a": "1"}))
    assert by_hand(CLIENT, "WAIT", "x")[-1] == Reply(CLIENT, ("<LAVA_WAIT_COMPLETE server:a=1>",))
    assert by_hand(CLIENT, "WAIT_ALL", "x", "nobody") == [Reply(CLIENT, ("<LAVA_WAIT_ALL_COMPLETE nack>",))]
    assert by_hand(CLIENT, "SEND", "lava_vm_start") == []
    for node in (HOST, SERVER, CLIENT):
        by_hand(node, "SYNC", "go")
    assert Reply(HOST, ("<LAVA_SYNC_COMPLETE>",)) in by_hand(CLIENT_2, "SYNC", "go")


# -- deadlocks -------------------------------------------------------------------------------------


def test_a_deadlock_is_explained_with_who_waits_for_whom(lab: Driver) -> None:
    lab.ask(HOST, "WAIT_FOR_VMS")
    lab.ask(SERVER, "WAIT", "ping")
    lab.ask(CLIENT, "SYNC", "go")
    assert lab.group.stuck() is None
    lab.ask(CLIENT_2, "WAIT_ALL", "up", "server")
    assert lab.group.stuck() == (
        "deadlock: every node waits, and nobody is left to release them: host waits for the VMs to end"
        " (missing: server, client-1, client-2); server waits for message 'ping', which nobody has sent;"
        " client-1 waits in lava-sync 'go' (missing: host, server, client-2); client-2 waits for all"
        " messages 'up' from server"
    )


def test_the_way_out_of_a_deadlock_tells_everybody_why(lab: Driver) -> None:
    numbers = {node: lab.ask(node, "WAIT", f"m{node}") for node in range(4)}
    lab.take(lab.group.refuse_all("deadlock: …", 9.0))
    assert {lab.answer(node, number) for node, number in numbers.items()} == {("no", "deadlock: …")}
    assert lab.group.stuck() is None


def test_a_host_at_the_gate_is_part_of_a_deadlock(lab: Driver) -> None:
    lab.take(lab.group.wait_at_gate(1.0))
    for node in (SERVER, CLIENT, CLIENT_2):
        lab.ask(node, "SYNC", "with-host")
    assert "host waits for the VMs to end" in (lab.group.stuck() or "")


def test_closed_nodes_take_no_part_in_a_deadlock(lab: Driver) -> None:
    for node in (HOST, CLIENT, CLIENT_2):
        lab.close(node)
    assert lab.group.stuck() is None
    lab.close(SERVER)
    assert lab.group.stuck() is None
