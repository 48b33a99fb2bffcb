"""Text becomes a document with places, in JSON and in YAML, or it becomes one problem at its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from jobs.domain.definition import yaml_text
from jobs.domain.definition.document import Mapping, Places, Scalar, Sequence, plain, shown
from jobs.domain.definition.limits import MAX_NODES, NotReadable
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.parse import parse
from jobs.domain.definition.yaml_text import read_yaml

Parser = type[yaml.SafeLoader | yaml.CSafeLoader]
PARSERS: list[Parser] = [yaml.SafeLoader, yaml.CSafeLoader]


def problems(text: str) -> list[tuple[int, int, str, str]]:
    """Return what is wrong with a text, whether or not it could be read."""
    try:
        found = parse(text).problems
    except Invalid as invalid:
        found = tuple(invalid.problems)
    return [(p.line, p.column, p.message, p.hint) for p in found]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        ' \t\r\n{"a" : [1, -2.5e3, "x\\n\\u00e4\\ud83d\\ude00", true, false, null, {}, []]}\n',
        '{"tabs":\t[\t1\t,\t2\t]}',
        '"text"',
        "-0",
        '{"deep": [[[[[[[[[[1]]]]]]]]]]}',
        '{"a": "\u2028 \x85 \x7f"}',
    ],
)
def test_json_means_what_json_means(text: str) -> None:
    assert plain(parse(text).root) == json.loads(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("[yes, on, off, y, n]", ["yes", "on", "off", "y", "n"]),
        ("[true, True, TRUE, false]", [True, True, True, False]),
        ("[null, ~, Null, '']", [None, None, None, ""]),
        ("a:\nb: ", {"a": None, "b": None}),
        ("1:30", "1:30"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("[1.5, .5, 1e3, +7, -7]", [1.5, 0.5, 1000.0, 7, -7]),
        ("2026-01-01", "2026-01-01"),
        ("<<: 1", {"<<": 1}),
        ("{a: [x, 'y'], ? b : \"z\\x41\"}", {"a": ["x", "y"], "b": "zA"}),
        ("1: a\ntrue: b\n.inf: c", {"1": "a", "true": "b", ".inf": "c"}),
        ("text: |\n  a\n   b\n", {"text": "a\n b\n"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("&k key: 1\nb: {*k : 2}", {"key": 1, "b": {"key": 2}}),
        (
            "[!!str 1, ! 1, !!int 1, !!float 1, !!float 1.5, !!null ~, !!bool true]",
            ["1", "1", 1, 1, 1.5, None, True],
        ),
        ("!!map {a: !!seq []}", {"a": []}),
        ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb:\r\n  - x\r\n", {"a": 1, "b": ["x"]}),
    ],
)
def test_yaml_means_what_the_core_schema_of_1_2_says(text: str, value: Any, parser: Parser) -> None:
    assert plain(read_yaml(text.lstrip("\ufeff"), parser)) == value
    assert plain(parse(text).root) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the definition is empty"),
        (" \n\t", 1, 1, "the definition is empty"),
        ("# nothing\n", 1, 1, "the definition is empty"),
        ("{", 1, 2, "not valid JSON: expected a key in double quotes, found the end of the text"),
        ('{"a"\n : 1\n "b": 2}', 3, 2, 'not valid JSON: expected a comma or }, found "'),
        ('{"a" 1}x:', 1, 6, "not valid JSON: expected a colon after the key, found 1"),
        ('{"a": [1, 2}', 1, 12, "not valid JSON: expected a comma or ], found }"),
        ('["a\x01b"]', 1, 4, "not valid JSON: a control character U+0001 inside a string"),
        ('["a\tb"', 1, 4, "not valid JSON: a tab inside a string"),
        ('["a\nb"', 1, 4, "not valid JSON: a line break inside a string"),
        ('["a\\q"', 1, 4, "not valid JSON: an unknown escape in a string"),
        ('["a', 1, 2, "not valid JSON: this string has no closing quote"),
        ("[\x01", 1, 2, "not valid JSON: expected a value, found the character U+0001"),
        ("[True, :", 1, 2, "not valid JSON: expected a value, found T"),
        ("[NaN, :", 1, 2, "not valid JSON: expected a value, found N"),
        ("[abc, :", 1, 2, "not valid JSON: expected a value, found a"),
        ("[01, }", 1, 2, "not valid JSON: expected a value, found 0"),
        ("{} {", 1, 4, "not valid JSON: there is something after the end of the document"),
        ("a:\n\tb: 1", 2, 1, "a tab where YAML wants spaces"),
        ("a: b: c", 1, 5, "mapping values are not allowed in this context"),
        ("a: x\x01", 1, 5, "the character U+0001 is not allowed in YAML"),
        ("a: *b", 1, 4, "the alias *b has no anchor &b before it"),
        ("a: &x\n  b: *x", 2, 6, "the alias *x stands inside the value it names"),
        ("a: 1\n---\nb: 1", 2, 1, "a second document begins here"),
        ("ok: '\udc80'", 1, 6, "the text is not valid Unicode: half a character (U+DC80)"),
    ],
)
def test_what_cannot_be_read_is_one_problem_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    assert [found[:3] for found in problems(text)] == [(line, column, message)]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text", ["a:\n  b: 1\n c: 2", "a: [1", "- a\nb: 1", "%YAML 3.0\n--- a", "'", "a: @b"]
)
def test_bad_yaml_is_a_problem_within_the_text_for_either_parser(text: str, parser: Parser) -> None:
    with pytest.raises(NotReadable) as caught:
        read_yaml(text, parser)
    assert 0 <= caught.value.at <= len(text)
    assert caught.value.message


def test_yaml_errors_without_words_or_place_are_survived() -> None:
    assert yaml_text._not_readable(yaml.MarkedYAMLError(), "x").message == "this is not YAML"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"a": 1,\n "a": 2}', 2, 2, 'the key "a" is given twice'),
        ("a: 1\nb: {c: 1, c: 2}", 2, 11, 'the key "c" is given twice'),
        ('["\\u0000"]', 1, 2, "a string holds the character NUL"),
        ('{"\\u0000": 1}', 1, 2, "a string holds the character NUL"),
        ('["\\ud800"]', 1, 2, "a string holds half a character (U+D800)"),
        ("[" + "9" * 31 + "]", 1, 2, "a number of 31 characters"),
        ("[1e999]", 1, 2, "the number 1e999 is too large"),
        ("- .inf", 1, 3, ".inf is not a number that can be used here"),
        ("a: !!binary eA==", 1, 4, "the YAML tag !!binary cannot be used here"),
        ("a: !own {b: 1}", 1, 4, "the YAML tag !own cannot be used here"),
        ("a: !!set [b]", 1, 4, "the YAML tag !!set cannot be used here"),
        ("a: !!int x", 1, 4, "this is not a value of the type !!int"),
        ("a: !!int .inf", 1, 4, ".inf is not a number that can be used here"),
        ("? [a, b]\n: 1\n? {}\n: 2", 1, 3, "a key must be a string"),
        ("a: &l [x]\n? *l\n: 1", 2, 3, "a key must be a string"),
    ],
)
def test_oddities_are_problems_but_reading_goes_on(text: str, line: int, column: int, message: str) -> None:
    assert [found[:3] for found in problems(text)] == [(line, column, message)]


def test_of_a_key_that_is_given_twice_the_first_counts() -> None:
    assert plain(parse('{"a": 1, "a": 2}').root) == {"a": 1}


def test_every_key_and_value_knows_its_place() -> None:
    text = '\ufeff{"a":\r\n  [10,\r "ä", {"b":\tnull}]}'
    document = parse(text)
    root = document.root
    assert isinstance(root, Mapping)
    (a,) = root.entries
    assert document.places.of(a.key_at) == (1, 2)
    assert isinstance(a.value, Sequence)
    assert document.places.of(a.value.at) == (2, 3)
    ten, umlaut, inner = a.value.items
    assert [document.places.of(node.at) for node in (ten, umlaut, inner)] == [(2, 4), (3, 2), (3, 7)]


def test_yaml_places_count_characters_not_bytes() -> None:
    text = "ä😀: x\nb: [ 'ß', y ]"
    for parser in PARSERS:
        root = read_yaml(text, parser)
        assert isinstance(root, Mapping)
        second = root.entries[1].value
        assert isinstance(second, Sequence)
        assert Places(text).of(second.items[1].at) == (2, 11)


def test_numbers_remember_how_they_were_written() -> None:
    for text in ('[1.10, "1.10"]', "- 1.10\n- '1.10'\n"):
        root = parse(text).root
        assert isinstance(root, Sequence)
        assert [item.raw for item in root.items if isinstance(item, Scalar)] == ["1.10", "1.10"]


def test_nesting_has_a_limit_in_both_languages() -> None:
    assert problems('{"a":' * 3000 + "1" + "}" * 3000)[0][2] == "nested more than 40 levels deep"
    assert problems("[" * 100_000)[0][2] == "nested more than 40 levels deep"
    assert problems("{a: " * 50 + "1" + "}" * 50)[0][2] == "nested more than 40 levels deep"
    assert problems("- " * 900 + "x")[0][2] == "nested more than 40 levels deep"


def test_the_number_of_values_has_a_limit_in_both_languages() -> None:
    assert problems("[" + "1," * MAX_NODES + "1]")[0][2] == f"more than {MAX_NODES} values"
    assert problems("- x\n" * (MAX_NODES + 1))[0][2] == f"more than {MAX_NODES} values"


def test_aliases_cannot_blow_a_document_up() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert problems(bomb)[0][2] == f"more than {MAX_NODES} values"


def test_a_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(Invalid, match="4000 bytes, at most 3999 are accepted"):
        parse("ä" * 2000, max_bytes=3999)


def test_quoted_words_in_messages_are_short_and_printable() -> None:
    assert shown("a\x1b\n\udc80") == '"a\\u001b\\u000a\\udc80"'
    assert len(shown("x" * 1000)) == 62
