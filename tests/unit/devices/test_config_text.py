"""Configurations as text: YAML and JSON in, YAML out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.domain.config_text import read_config, write_config
from devices.domain.parse_config import BadConfig, ConfigProblem


def problems(text: str) -> list[str]:
    with pytest.raises(BadConfig) as caught:
        read_config(text)
    return [str(problem) for problem in caught.value.problems]


def test_yaml_and_json_are_read_alike() -> None:
    config = {
        "ssh": {"host": "b1", "port": 22},
        "runs": ["kvm", "arm"],
        "network": True,
        "kvm": None,
        "t": 1.5,
    }
    yaml = "ssh:\n  host: b1\n  port: 22\nruns: [kvm, arm]\nnetwork: true\nkvm:\nt: 1.5\n"
    json = '{"ssh": {"host": "b1", "port": 22},\n\t"runs":\t["kvm", "arm"], "network": true'
    json += ', "kvm": null, "t": 1.5}'
    assert read_config(yaml).config == config
    assert read_config(json).config == config


def test_words_are_what_they_look_like() -> None:
    assert read_config("a: on\nb: no\nc: 022\nd: 12:30\ne: 1_000\nf: 2026-11-22\ng: 0x10\nh: 1e3").config == {
        "a": "on",
        "b": "no",
        "c": "022",
        "d": "12:30",
        "e": "1_000",
        "f": "2026-11-22",
        "g": "0x10",
        "h": 1000.0,
    }


def test_nothing_is_an_empty_mapping() -> None:
    assert read_config("").config == read_config(" \n# nothing\n").config == read_config("{}").config == {}
    assert write_config({}) == ""


def test_paths_have_lines() -> None:
    text = read_config("a: 1\nb:\n  c:\n  - 1\n  - d: 2\n")
    assert text.lines["a"] == 1
    assert text.lines["b.c"] == 3
    assert text.lines["b.c[0]"] == 4
    assert text.lines["b.c[1].d"] == 5
    assert text.sentence(ConfigProblem(path="b.c", message="wrong")) == "Line 3: b.c: wrong"
    assert text.sentence(ConfigProblem(path="z", message="wrong")) == "z: wrong"


@pytest.mark.parametrize("text", ["3", "- a", "just words", "null"])
def test_only_mappings_are_configurations(text: str) -> None:
    assert problems(text)[0].startswith("this is not a mapping")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2", "line 2, column 2: "),
        ("a: b: c", "line 1, column 5: mapping values are not allowed"),
        ("a: 1\n  b: 2", "line 2, column 4: mapping values are not allowed"),
        ("a: 1\n---\nb: 2", "line 2, column 1: but found another document"),
        ("a: \x00", "unacceptable character #x0000"),
        ("a: &x 1", "line 1, column 4: & and * are not supported (write the value out)"),
        ("a: *x", "line 1, column 4: & and * are not supported"),
        ("a: !!python/name:os.system x", "line 1, column 4: tags with ! are not supported (leave them out)"),
        ("a: 1\na: 2", "line 2, column 1: the key 'a' is there twice (keep one of them)"),
        ("1: a", "line 1, column 1: this key is not a text (put quotes around it)"),
        ("? [a]\n: b", "line 1, column 3: this key is not a text"),
        ("a: " + "[" * 5000, "line 1, column 23: this is nested too deep (at most 20 levels)"),
        ("x" * 70000, "this text has 70000 characters (at most 65536)"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, words: str) -> None:
    assert problems(text)[0].startswith(words)


def test_several_bad_keys_are_said_at_once() -> None:
    assert len(problems("a: {1: b, 2: c}\nd: [{e: 1, e: 2}]")) == 3


# C1 controls and the like are escaped by YAML and come back; halves of surrogate pairs are no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(config=st.dictionaries(TEXT, VALUE, max_size=5))
def test_what_is_written_is_read_as_the_same(config: dict[str, Any]) -> None:
    assert read_config(write_config(config)).config == config


@given(text=st.text() | st.text(alphabet="ab:[]{}-&*!#|>'\"\n 1\t,?"))
def test_whatever_is_written_is_a_configuration_or_a_list_of_problems(text: str) -> None:
    try:
        said = [str(read_config(text))]
    except BadConfig as bad:
        said = [str(problem) for problem in bad.problems]
    assert all(said)
