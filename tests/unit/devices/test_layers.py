"""A configuration in layers: what comes of it, and who says what."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devices.domain.config import BoardConfig, VmTypeConfig
from devices.domain.layers import Layer, Setting, merged, settings, shown, source, traced
from devices.domain.parse_config import ConfigProblem, overlay

BASE = Layer(
    name="device type base", config={"ssh": {"user": "root", "port": 22}, "runs": ["kvm"], "kvm": "never"}
)
TYPE = Layer(name="device type host", config={"ssh": {"user": "lab"}, "extra": {"a": "1"}, "kvm": None})
BOARD = Layer(name="board b1", config={"ssh": {"host": "10.0.0.7"}, "extra": {"b": "2"}, "runs": []})
LAYERS = [BASE, TYPE, BOARD]


def setting(path: str, layers: list[Layer] = LAYERS, cls: type[Any] = BoardConfig) -> Setting:
    (found,) = [one for one in settings(cls, layers) if one.path == path]
    return found


def test_each_value_is_told_with_who_says_it_and_what_that_hides() -> None:
    assert (setting("ssh.host").value, setting("ssh.host").origin) == ("10.0.0.7", "board b1")
    user = setting("ssh.user")
    assert (user.value, user.origin) == ("lab", "device type host, instead of root of device type base")
    assert (setting("work_dir").value, setting("work_dir").origin) == ("/tmp/labbook", "default")
    assert (setting("runs").value, setting("runs").origin) == (
        [],
        "board b1, instead of kvm of device type base",
    )


def test_what_a_null_takes_away_is_the_default_again() -> None:
    kvm = setting("kvm")
    assert (kvm.value, kvm.is_default) == ("auto", True)
    assert kvm.origin == "default, for device type host takes away never of device type base"
    lonely = settings(BoardConfig, [Layer(name="board b1", config={"kvm": None})])
    assert next(one for one in lonely if one.path == "kvm").origin == "default"


def test_free_values_are_told_one_by_one() -> None:
    assert (setting("extra.a").origin, setting("extra.b").origin) == ("device type host", "board b1")


def test_every_field_is_there_once_and_the_values_are_those_that_are_used() -> None:
    found = settings(VmTypeConfig, [Layer(name="device type kvm", config={"qemu": "q", "nonsense": 1})])
    paths = [one.path for one in found]
    assert len(paths) == len(set(paths))
    assert {"qemu", "machine", "launch", "extra"} <= set(paths)
    assert paths[-1] == "nonsense", "what means nothing is shown, too"


def test_a_wrong_kind_of_value_is_shown_where_it_stands() -> None:
    wrong = [
        Layer(name="device type a", config={"ssh": "10.0.0.7"}),
        Layer(name="board b", config={"extra": "x"}),
    ]
    assert setting("ssh", wrong).value == "10.0.0.7"
    assert setting("extra", wrong).value == "x"


def test_problems_name_the_layer_unless_it_is_the_one_that_is_edited() -> None:
    problems = [
        ConfigProblem(path="ssh.user", message="wrong"),
        ConfigProblem(path="runs[3]", message="wrong"),
        ConfigProblem(path="ssh.key_file", message="missing"),
    ]
    assert [str(one) for one in traced(problems, LAYERS)] == [
        "ssh.user: wrong, set by device type host",
        "runs[3]: wrong",
        "ssh.key_file: missing",
    ]
    assert source("ssh.port", LAYERS) == "device type base"
    assert source("ssh.port.deeper", LAYERS) == "device type base"
    assert source("power.method", LAYERS) == ""


def test_values_are_written_as_people_write_them() -> None:
    assert shown(True) == "true"
    assert shown(False) == "false"
    assert shown(0.5) == "0.5"
    assert shown(["a", "b"]) == "a, b"
    assert shown(["a, b", ""]) == "- a, b\n- nothing"
    assert shown([{"expect": "=> ", "within": 3}]) == "- expect: => , within: 3"
    assert shown("one\ntwo") == "one\ntwo"
    assert setting("runs", [Layer(name="t", config={"runs": ["a,", "b"]}), BOARD]).origin == (
        "board b1, instead of - a, … of t"
    )


KEYS = st.sampled_from(["ssh", "user", "runs", "kvm", "extra"])
CONFIGS = st.recursive(
    st.dictionaries(KEYS, st.one_of(st.none(), st.integers(), st.lists(st.text(), max_size=2)), max_size=3),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(CONFIGS, min_size=1, max_size=4))
def test_settings_can_be_told_of_any_layers(configs: list[dict[str, Any]]) -> None:
    layers = [Layer(name=str(number), config=config) for number, config in enumerate(configs)]
    for one in settings(BoardConfig, layers):
        assert one.origin
        assert isinstance(one.text, str)
    below: dict[str, Any] = {}
    for config in configs:
        below = overlay(below, config)
    assert merged(layers) == below
