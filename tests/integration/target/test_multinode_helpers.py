"""The MultiNode helpers, run for real on several nodes at once."""

from __future__ import annotations

import random

import pytest

from jobs.domain.events import MessageSent, WaitEnded
from jobs.domain.signals import Request
from tests.integration.target.lab_side import Lab, definition

CACHE = '"$LAVA_MULTI_NODE_CACHE"'


def report(case: str, condition: str) -> str:
    """A step that reports whether a condition of the shell holds."""
    return f"if {condition}; then r=pass; else r=fail; fi; lava-test-case {case} --result $r"


def assert_passed(lab: Lab, *names: str) -> None:
    for name, node in lab.nodes.items():
        results = node.results()
        failed = {case: one.message for case, one in results.items() if one.result != "pass"}
        assert not failed, f"{name}: {failed}\n{node.text}"
        assert results or name not in names


def test_nodes_know_themselves_and_their_group(lab: Lab) -> None:
    node = lab.start(
        "server",
        definition(
            'echo "self=$(lava-self) role=$(lava-role)."',
            'echo "roles=$(lava-role list | tr "\\n" ,)."',
            'echo "group=$(lava-group | tr "\\t\\n" ":,")."',
            'echo "clients=$(lava-group client | tr "\\n" ,)."',
            report("nobody", "! lava-group nobody"),
            "for name in $(lava-group | cut -f 1); do echo name $name; done",
            report("usage", "! lava-role something 2>/dev/null && ! lava-group a b 2>/dev/null"),
        ),
    )
    lab.run()
    assert "self=server role=server." in node.text
    assert "roles=host,server,client,." in node.text
    assert "group=host:host,server:server,client:client,." in node.text
    assert "clients=client,." in node.text
    assert "name host\nname server\nname client\n" in node.text
    assert_passed(lab, "server")


def test_roles_are_listed_once_and_groups_by_role(lab: Lab) -> None:
    many = Lab(lab.folder, lab.shell, {"host": 1, "client": 3})
    lab.nodes = many.nodes
    node = many.start("client-2", definition("lava-role list", "lava-group client"))
    many.run()
    assert "host\nclient\nclient-1\nclient-2\nclient-3\n" in node.text


def test_a_message_with_awkward_values_arrives_as_it_was_sent(lab: Lab) -> None:
    lab.start("host", definition("lava-sync done"))
    lab.start(
        "server",
        definition(
            "lava-send data 'a=1=2' 'b=two  words' 'c=x>y <z' 'd=ü€' 'e=%20\\n' 'f=$(id)`id`'"
            " \"g='\\\"\" h=- 'i=*?[x]'",
            "lava-sync done",
        ),
    )
    client = lab.start("client", definition("lava-wait data", f"cat {CACHE}", "lava-sync done"))
    lab.run()
    expected = [
        "a=1=2",
        "b=two  words",
        "c=x>y <z",
        "d=ü€",
        "e=%20\\n",
        "f=$(id)`id`",
        "g='\"",
        "h=-",
        "i=*?[x]",
    ]
    assert "".join(f"server:{pair}\n" for pair in expected) in client.text
    assert_passed(lab)


def test_a_line_end_in_a_value_stays_in_its_line(lab: Lab) -> None:
    client = lab.start(
        "client",
        definition(
            "lava-send data \"key=$(printf 'one\\ntwo')\" tail=x",
            "lava-wait data",
            f"cat {CACHE}",
            f"wc -l <{CACHE}",
        ),
    )
    lab.run()
    assert "client:key=one\\ntwo\nclient:tail=x\n2\n" in client.text
    sent = [fact for fact in lab.facts if isinstance(fact, MessageSent)]
    assert sent[0].data == {"key": "one\ntwo", "tail": "x"}


def test_a_message_without_data_gives_an_empty_cache_file(lab: Lab) -> None:
    lab.start(
        "client",
        definition(
            "echo old >" + CACHE,
            "lava-send go",
            "lava-wait go",
            report("empty", f"[ -f {CACHE} ] && [ ! -s {CACHE} ]"),
        ),
    )
    lab.run()
    assert_passed(lab, "client")


def test_lava_sync_removes_the_cache_file(lab: Lab) -> None:
    lab.start("host", definition("lava-sync go"))
    lab.start("server", definition("lava-sync go"))
    lab.start(
        "client",
        definition("lava-send x a=1", "lava-wait x", "lava-sync go", report("gone", f"[ ! -e {CACHE} ]")),
    )
    lab.run()
    assert_passed(lab, "client")


def test_wait_all_gets_everybodys_data(lab: Lab) -> None:
    for name in ("host", "server", "client"):
        lab.start(
            name,
            definition(
                "lava-send up name=$(lava-self)",
                "lava-wait-all up",
                report("three", f"[ $(grep -c name= {CACHE}) = 3 ]"),
                "lava-wait-all up server",
                report("role", f"[ $(grep server: {CACHE} | cut -d = -f 2) = server ]"),
            ),
        )
    lab.run()
    assert_passed(lab, "host", "server", "client")


def test_wait_all_for_a_role_waits_although_nobody_has_sent(lab: Lab) -> None:
    lab.start(
        "server", definition("lava-wait-all late client", report("data", f"grep -q client:n=1 {CACHE}"))
    )
    lab.run_until(lambda: any(isinstance(one, Request) for one in lab.nodes["server"].seen))
    lab.start("client", definition("lava-send late n=1"))
    lab.run()
    assert_passed(lab, "server")


def test_rounds_of_a_barrier_keep_everybody_in_step(lab: Lab) -> None:
    steps = ["for i in 1 2 3 4 5; do lava-sync round; lava-send at-$i; lava-wait-all at-$i; done"]
    for name in ("host", "server", "client"):
        lab.start(name, definition(*steps))
    lab.run()
    assert_passed(lab)
    ended = [fact for fact in lab.facts if isinstance(fact, WaitEnded) and fact.kind == "sync"]
    assert len(ended) == 15


def test_a_refused_request_fails_that_call_only(lab: Lab) -> None:
    node = lab.start(
        "server",
        definition(
            report("send", "! lava-send lava_vm_start host_ip=1"),
            report("wait", "! lava-wait lava_vm_stop"),
            report("role", "! lava-wait-all x nobody"),
            report("start", "! lava-start-vms"),
            report("gate", "! lava-wait-for-vms"),
            report("gate-too", "! lava-wait-vms"),
            report(
                "usage", "! lava-send 2>/dev/null && ! lava-wait 2>/dev/null && ! lava-sync a b 2>/dev/null"
            ),
            report("equals", "! lava-send a=b"),
            report("fine", "lava-send fine"),
            report("message", '[ "$(lava-wait lava_vm_stop 2>&1 >/dev/null | grep -c reserved)" = 1 ]'),
        ),
    )
    lab.run()
    assert "lava-send: the message id 'lava_vm_start' is reserved" in node.text
    assert "no node has the role 'nobody'; the roles are client, host, server" in node.text
    assert "lava-start-vms works only on the host (host), not on server" in node.text
    assert_passed(lab, "server")


def test_pairs_that_are_none_are_left_out_with_a_word(lab: Lab) -> None:
    node = lab.start("client", definition("lava-send x junk =v k= good=1", "lava-wait x", f"cat {CACHE}"))
    lab.run()
    assert "lava-send: ignores 'junk'" in node.text
    assert "client:good=1\n" in node.text
    assert [fact.data for fact in lab.facts if isinstance(fact, MessageSent)] == [{"good": "1"}]


def test_an_unguarded_refusal_ends_that_definition_and_no_more(lab: Lab) -> None:
    node = lab.start(
        "client",
        definition("lava-send lava_vm_stop", "lava-test-case never --result pass", name="one"),
        definition("lava-test-case next --result pass", name="two"),
    )
    lab.run()
    one = node.results("one")
    assert set(one) == {"lava-test-shell-run"}
    assert one["lava-test-shell-run"].result == "fail"
    assert node.results("two")["next"].result == "pass"


def test_a_node_that_is_closed_releases_who_waits_for_it(lab: Lab) -> None:
    node = lab.start(
        "client", definition(report("failed", "! lava-sync go"), report("again", "! lava-sync go"))
    )
    lab.run_until(lambda: any(isinstance(one, Request) for one in node.seen))
    lab.close("server", "its kernel panicked")
    lab.run()
    assert (
        "lava-sync: server is closed (its kernel panicked), so lava-sync 'go' can never be complete"
        in node.text
    )
    assert_passed(lab, "client")


def test_a_deadlock_can_be_ended_with_its_explanation(lab: Lab) -> None:
    lab.refuse_deadlocks = True
    for name, waits_for in (("host", "a"), ("server", "b"), ("client", "c")):
        lab.start(name, definition(report("refused", f"! lava-wait {waits_for}")))
    lab.run()
    assert "server waits for message 'b', which nobody has sent" in lab.nodes["host"].text
    assert_passed(lab, "host", "server", "client")


def test_the_host_starts_the_vms_and_waits_for_their_end(lab: Lab) -> None:
    lab.group = type(lab.group)(lab.plans, auto_start=False)
    host = lab.start(
        "host",
        definition(
            report("too-early", "! lava-wait-for-vms"),
            "lava-start-vms",
            "lava-start-vms",
            "lava-wait-for-vms",
            "lava-wait-vms",
        ),
    )
    lab.run_until(lambda: lab.vms_started > 0)
    for name in ("server", "client"):
        lab.close(name, "its actions are done")
    lab.run()
    assert lab.vms_started == 1
    assert "has to call lava-start-vms" in host.text
    assert_passed(lab, "host")


# -- whatever the test does with its streams -------------------------------------------------------


def test_helpers_work_in_pipes_loops_substitutions_and_the_background(lab: Lab) -> None:
    lab.start(
        "client",
        definition(
            "printf 'one\\ntwo\\nthree\\n' | while read -r id; do lava-send $id n=$id; lava-wait $id; done",
            'out=$(lava-send four n=4; lava-wait four; cat "$LAVA_MULTI_NODE_CACHE")',
            report("substitution", '[ "$out" = client:n=4 ]'),
            "lava-wait five & waiter=$!",
            "lava-send five",
            report("background", "wait $waiter"),
            "lava-send six </dev/null >/dev/null 2>&1",
            "lava-wait six <&- | cat",
            "echo result | while read -r word; do lava-test-case in-loop --result pass; done",
            "lava-test-case in-pipe --result pass | cat >/dev/null",
            "lava-test-case quiet --result pass >/dev/null 2>&1",
            "cd / && lava-test-case elsewhere --result pass",
        ),
    )
    lab.run()
    assert {"in-loop", "in-pipe", "quiet", "elsewhere"} <= set(lab.nodes["client"].results())
    assert [f.id for f in lab.facts if isinstance(f, MessageSent)] == [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
    ]
    assert_passed(lab, "client")


def test_a_wait_below_timeout_is_withdrawn_when_time_is_up(lab: Lab) -> None:
    node = lab.start(
        "client", definition(report("too-long", "! timeout 1 lava-sync never"), "lava-send after")
    )
    lab.run()
    ended = [fact for fact in lab.facts if isinstance(fact, WaitEnded)]
    assert [(fact.ok, fact.reason) for fact in ended] == [(False, "the test gave up waiting")], node.text
    assert_passed(lab, "client")


def test_a_wait_whose_helper_was_killed_hard_is_withdrawn_later(lab: Lab) -> None:
    lab.start(
        "client",
        definition(
            "lava-sync never & echo $! >$SCRATCH/pid",
            "until grep -q heard $SCRATCH/go 2>/dev/null; do sleep 1; done",
            "kill -9 $(cat $SCRATCH/pid)",
            "until grep -q gone $SCRATCH/go 2>/dev/null; do sleep 1; done",
        ),
    )
    lab.run_until(lambda: any(isinstance(one, Request) for one in lab.nodes["client"].seen))
    (lab.folder / "client/go").write_text("heard\n")
    lab.run_until(lambda: any(isinstance(fact, WaitEnded) for fact in lab.facts))
    (lab.folder / "client/go").write_text("gone\n")
    lab.run()


def test_many_helpers_at_once_get_their_own_answers(lab: Lab) -> None:
    lab.start(
        "client",
        definition(
            "for i in 1 2 3 4 5 6 7 8; do",
            "(lava-send m$i n=$i && lava-test-case sent-$i --result pass) &",
            "done",
            "wait",
            "for i in 1 2 3 4 5 6 7 8; do lava-wait m$i; "
            'lava-test-case got-$i --shell "grep -qx client:n=$i $LAVA_MULTI_NODE_CACHE"; done',
        ),
    )
    lab.run()
    assert_passed(lab, "client")
    assert len(lab.nodes["client"].results()) == 17


def test_a_long_message_comes_through_in_both_directions(lab: Lab) -> None:
    lab.start(
        "client",
        definition(
            "value=$(printf '%06000d' 0 | tr 0 'x')",
            'lava-send long "k=$value" "l=a b $value"',
            "lava-wait long",
            report("k", f'[ "$(sed -n s/^client:k=//p {CACHE})" = "$value" ]'),
            report("l", f'[ "$(sed -n s/^client:l=//p {CACHE})" = "a b $value" ]'),
        ),
    )
    lab.run()
    assert_passed(lab, "client")


# -- a poor wire -----------------------------------------------------------------------------------


def test_answers_that_get_lost_are_given_again(lab: Lab) -> None:
    dropped: set[str] = set()

    def drop(line: str) -> bool:
        first = line not in dropped
        dropped.add(line)
        return first

    lab.drop_answer = drop
    lab.start(
        "client", definition("lava-send a n=1", "lava-wait a", report("data", f"grep -qx client:n=1 {CACHE}"))
    )
    lab.run()
    assert len([fact for fact in lab.facts if isinstance(fact, MessageSent)]) == 1
    assert_passed(lab, "client")


def test_damaged_answers_are_not_believed(lab: Lab) -> None:
    damaged: set[str] = set()

    def damage(line: str) -> str:
        if " ok " not in line or line in damaged:
            return line
        damaged.add(line)
        return line.replace(" ok ", " no ")

    lab.damage_answer = damage
    lab.start(
        "client", definition("lava-send a n=1", "lava-wait a", report("data", f"grep -qx client:n=1 {CACHE}"))
    )
    lab.run()
    assert_passed(lab, "client")


def test_what_is_typed_between_answers_does_no_harm(lab: Lab) -> None:
    node = lab.start("client", definition("lava-sync go", "lava-test-case after --result pass"))
    lab.run_until(lambda: any(isinstance(one, Request) for one in node.seen))
    node.to_type += (
        b"\n\nls -l\n<LAVA_ANSWER\n<LAVA_ANSWER x y z>\n<LAVA_ANSWER a.1 1/1 ok - 1>\n\\\\ $(reboot) `id`\n"
    )
    for name in ("host", "server"):
        lab.start(name, definition("lava-sync go"))
    lab.run()
    assert_passed(lab, "client")


class Kernel:
    """Prints its messages into the middle of what comes from a node, and loses characters now and then."""

    def __init__(self, seed: int, loss: float) -> None:
        self.random, self.loss, self.clock = random.Random(seed), loss, 1.0

    def __call__(self, data: bytes) -> bytes:
        out = bytearray()
        for index in range(len(data)):
            draw = self.random.random()
            if draw < 0.002:
                self.clock += 0.25
                out += b"[%12.6f] virtio_net virtio0: a message < of > the kernel\r\n" % self.clock
            if draw > self.loss:
                out.append(data[index])
        return bytes(out)


@pytest.mark.parametrize("loss", [0, 0.0015])
def test_every_result_arrives_once_over_a_console_that_tears_and_loses(lab: Lab, loss: float) -> None:
    names = ("host", "server", "client")
    for seed, name in enumerate(names):
        lab.noise[name] = Kernel(seed, loss)
        lab.start(
            name,
            definition(
                "for i in $(seq 1 40)",
                "do lava-test-case case-$i --result pass --measurement $i --units s; done",
                "lava-sync half",
                "lava-test-set start second",
                "for i in $(seq 41 60); do lava-test-case case-$i --result pass; done",
                "lava-test-set stop",
                'lava-send all from=$(lava-self) "text=a b c"',
                "lava-wait-all all",
                report("messages", f"[ $(grep -c text= {CACHE}) = 3 ]"),
            ),
            env={"LAVA_REPEAT": "0.3"},
        )
    lab.run(90)
    for name in names:
        results = lab.nodes[name].results("t")
        assert len(results) == 62, sorted(results)
        assert [results[f"case-{i}"].measurement for i in range(1, 41)] == [str(i) for i in range(1, 41)]
        assert {results[f"case-{i}"].set for i in range(41, 61)} == {"second"}
    assert_passed(lab, *names)
