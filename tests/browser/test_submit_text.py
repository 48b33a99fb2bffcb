"""The form's way into the text: one change at a time, and every other character as its author wrote it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.browser.conftest import Site

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(modules: Site) -> Site:
    """Any page: modules are loaded into it by hand."""
    modules.open("/static/img/labbook.svg")
    return modules


def edited(page: Site, text: str, *changes: dict[str, Any]) -> str:
    script = "const { edited } = await module('submit/edit.js'); return edited(given[0], given[1]);"
    return str(page.run(script, text, list(changes)))


def read(page: Site, text: str) -> Any:
    return page.run("return (await module('submit/tree.js')).readTree(given[0])", text)


def put(path: list[str | int], value: Any) -> dict[str, Any]:
    return {"op": "set", "path": path, "value": value}


def insert(path: list[str | int], index: int, value: Any) -> dict[str, Any]:
    return {"op": "insert", "path": path, "index": index, "value": value}


def move(path: list[str | int], start: int, end: int) -> dict[str, Any]:
    return {"op": "move", "path": path, "from": start, "to": end}


def remove(*path: str | int) -> dict[str, Any]:
    return {"op": "remove", "path": list(path)}


YAML = """\
# What we run every night
timeout: 600   # ten minutes
job_name: "x y"

vm_group:
  host:
    device_type: bench # the bench
    role: host
  vms:
    # the server
    - device_type: kvm
      role: server
    # the clients
    - {device_type: kvm, role: client, count: 2}
actions:
- command: dummy_deploy
  parameters:
    role: host
# for all
- command: lava_test_shell
  parameters:
    testdef: |
      metadata: {name: smoke}
    timeout: 30
owner: [1, 2]   # ours
"""
LINES = [
    (put(["timeout"], 900), "timeout: 600 ", "timeout: 900 "),
    (put(["job_name"], 'a "b"'), '"x y"', '"a \\"b\\""'),
    (put(["priority"], "high"), "\nvm_group:", "\npriority: high\nvm_group:"),
    (put(["tags"], ["a", "b"]), "\nvm_group:", "\ntags:\n- a\n- b\nvm_group:"),
    (
        put(["vm_group", "host", "board"], "b1"),
        "    role: host\n  vms",
        "    role: host\n    board: b1\n  vms",
    ),
    (put(["vm_group", "auto_start_vms"], False), "\n  vms:", "\n  auto_start_vms: false\n  vms:"),
    (put(["vm_group", "vms", 1, "count"], 5), "count: 2", "count: 5"),
    (
        put(["vm_group", "vms", 1, "launch_with"], ["a", "b"]),
        "count: 2}",
        'count: 2, launch_with: ["a", "b"]}',
    ),
    (
        put(["vm_group", "vms", 0, "launch_with"], ["a", "b\nc"]),
        "      role: server\n",
        "      role: server\n      launch_with:\n      - a\n      - |-\n        b\n        c\n",
    ),
    (
        insert(["vm_group", "vms"], 2, {"device_type": "kvm", "role": "more"}),
        "count: 2}\n",
        "count: 2}\n    - device_type: kvm\n      role: more\n",
    ),
    (
        remove("vm_group", "vms", 0),
        "    # the server\n    - device_type: kvm\n      role: server\n",
        "",
    ),
    (
        put(["actions", 1, "parameters", "testdef"], "one\ntwo\n"),
        "      metadata: {name: smoke}\n",
        "      one\n      two\n",
    ),
    (remove("actions", 0, "parameters"), "  parameters:\n    role: host\n", ""),
    (put(["actions", 0, "command"], "dummy"), "dummy_deploy", "dummy"),
    ({"op": "rename", "path": ["owner"], "name": "notify"}, "owner:", "notify:"),
    (put(["vm_group", "host", "role"], "yes: no"), "    role: host\n  vms", '    role: "yes: no"\n  vms'),
    (put(["timeout"], 600), "", ""),
]
"""Changes, and the only piece of the text above that they may touch."""


@pytest.mark.parametrize(("change", "before", "after"), LINES)
def test_a_change_touches_its_own_place_in_yaml_only(
    page: Site, change: dict[str, Any], before: str, after: str
) -> None:
    assert YAML.count(before) == 1 or not before
    assert edited(page, YAML, change) == (YAML.replace(before, after) if before else YAML)


def test_items_of_yaml_are_moved_with_the_comments_above_them(page: Site) -> None:
    server = "    # the server\n    - device_type: kvm\n      role: server\n"
    clients = "    # the clients\n    - {device_type: kvm, role: client, count: 2}\n"
    moved = edited(page, YAML, move(["vm_group", "vms"], 0, 1))
    assert moved == YAML.replace(server + clients, clients + server)
    assert edited(page, moved, move(["vm_group", "vms"], 1, 0)) == YAML


INDENTED = json.dumps(
    {
        "job_name": "a job",
        "timeout": 60,
        "vm_group": {"host": {"device_type": "bench", "role": "host"}, "vms": [{"role": "a"}, {"role": "b"}]},
        "actions": [{"command": "x", "parameters": {"role": "a"}}, {"command": "y"}],
        "owner": [1, 2],
    },
    indent=4,
)


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
def test_json_is_changed_in_the_style_it_is_written_in(page: Site, indent: int | str | None) -> None:
    value = json.loads(INDENTED)
    text = json.dumps(value, indent=indent) + "\n"
    changes = [
        put(["timeout"], 90),
        insert(["actions"], 1, {"command": "z", "parameters": {"urls": ["u"]}}),
        move(["actions"], 0, 2),
        remove("vm_group", "vms", 0),
        put(["actions", 1, "parameters"], {"role": "b"}),
        remove("actions", 0, "parameters", "urls"),
    ]
    value["timeout"] = 90
    first, _ = value["actions"]
    second = {"command": "y", "parameters": {"role": "b"}}
    value["actions"] = [{"command": "z", "parameters": {}}, second, first]
    del value["vm_group"]["vms"][0]
    assert edited(page, text, *changes) == json.dumps(value, indent=indent) + "\n"


def test_keys_that_the_form_does_not_know_and_odd_formatting_stay(page: Site) -> None:
    text = '{"timeout":1,   "x-mine":{"a":[1,\n2]} , "job_name"  :"n"}\n\n'
    assert edited(page, text, put(["timeout"], 22)) == text.replace(":1,", ":22,")
    assert edited(page, text, put(["job_name"], "m")) == text.replace('"n"', '"m"')


def test_what_an_alias_shares_is_not_changed_behind_somebodys_back(page: Site) -> None:
    text = "a: &x {role: r}\nb: *x\njob_name: q\n"
    assert edited(page, text, put(["job_name"], "z")) == text.replace("q", "z")
    refused = page.run(
        "const { edited, NotEditable } = await module('submit/edit.js');"
        "try { return edited(given[0], [given[1]]); }"
        "catch (error) { return error instanceof NotEditable ? error.message : String(error); }",
        text,
        put(["b", "role"], "z"),
    )
    assert "only the text can change" in refused


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_changes_arrives_and_leaves_comments(page: Site, seed: int) -> None:
    """The text after each change is read again and compared with the change made to the value itself."""
    result = page.run(
        """
        const { edited, applied, same } = await module('submit/edit.js');
        const { readTree } = await module('submit/tree.js');
        let [text, changes] = given;
        for (const change of changes) {
            const before = readTree(text).value;
            const list = change.path.reduce((at, key) => at?.[key], before);
            if ((change.op === 'move' || change.op === 'remove') && !list) continue;
            if (change.op === 'move' && Math.max(change.from, change.to) >= list.length) continue;
            const next = edited(text, [change]);
            if (!same(readTree(next).value, applied(before, change))) return {change, text, next};
            text = next;
        }
        return text;
        """,
        YAML if seed % 2 else INDENTED,
        changes(random.Random(seed)),
    )
    assert isinstance(result, str), result
    assert not seed % 2 or result.startswith("# What we run every night\n")


def changes(chance: random.Random) -> list[dict[str, Any]]:
    values: list[Any] = [
        "plain",
        "with: colon",
        "'q'",
        "",
        "two\nlines",
        "- x",
        7,
        True,
        ["a", "b c"],
        [],
        "#no",
        "null",
    ]
    made: list[dict[str, Any]] = []
    for _ in range(40):
        index = chance.randrange(3)
        path: list[str | int] = chance.choice([["actions"], ["vm_group", "vms"]])
        made.append(
            chance.choice(
                [
                    put([chance.choice(["priority", "tags", "job_name", "notify"])], chance.choice(values)),
                    put(["vm_group", "host", chance.choice(["role", "board"])], chance.choice(values)),
                    insert(path, 0, {"command": "c", "parameters": {"v": chance.choice(values)}}),
                    insert(path, 1, {"role": chance.choice(values)}),
                    move(path, index, chance.randrange(3)),
                    remove(*path, index),
                    remove(chance.choice(["priority", "tags", "notify"])),
                ]
            )
        )
    return made


UNREADABLE = [
    ("{", 1, "close brace expected"),
    ('{"a": 1,\n "a": 2}', 2, 'the key "a" is given twice'),
    ("a: 1\na: 2", 2, "map keys must be unique"),
    ("", 1, "it is empty"),
    ("a: 1\n---\nb: 2", 2, "a second document"),
    ("a: [1,\nb: 2", 2, ""),
]


@pytest.mark.parametrize(("text", "line", "words"), UNREADABLE)
def test_what_cannot_be_read_is_said_with_its_line(page: Site, text: str, line: int, words: str) -> None:
    found = read(page, text)
    assert "tree" not in found
    assert words in found["problem"]["message"]
    assert found["problem"]["line"] == line


def test_paths_are_those_that_problems_name(page: Site) -> None:
    script = (
        "const { pathText, pathOf } = await module('submit/tree.js');"
        "return given[0].map((path) => [pathText(path), pathOf(pathText(path))]);"
    )
    paths = [["actions", 3, "parameters", "git-repo"], ["a b", 0], ['"q"', "x"], []]
    texts = ["actions[3].parameters.git-repo", '["a b"][0]', '["\\"q\\""].x', ""]
    assert page.run(script, paths) == [list(pair) for pair in zip(texts, paths, strict=True)]


def test_what_runs_on_each_node_is_told_in_order(page: Site) -> None:
    value = {
        "vm_group": {
            "host": {"device_type": "bench", "role": "host"},
            "vms": [{"role": "a", "image": "http://x/a.img", "count": 2}, {"role": "k_1"}],
        },
        "actions": [
            {"command": "dummy_deploy", "parameters": {"role": "host"}},
            {"command": "deploy_linaro_kernel", "parameters": {"role": "k_1", "kernel": "http://x/zImage"}},
            {
                "command": "lava_test_shell",
                "parameters": {"testdef_urls": ["http://x/net.yaml"], "role": "host"},
            },
            {"command": "lava_test_shell", "parameters": {"testdef": "metadata: {name: in}", "role": "k_1"}},
            {
                "command": "lava_test_shell",
                "parameters": {"testdef_urls": ["file:///after.yaml"], "role": "host"},
            },
        ],
    }
    plan = page.run("return (await module('submit/model.js')).planOf(given[0])", value)
    assert {node["name"]: [step["text"] for step in node["steps"]] for node in plan} == {
        "host": ["as installed", "boot", "net", "wait for 3 VMs", "reboot", "after"],
        "a-1": ["host is up", "a.img", "no test"],
        "a-2": ["host is up", "a.img", "no test"],
        "k-1": ["host is up", "zImage", "boot", "in"],
    }
