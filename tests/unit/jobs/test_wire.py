"""The wire in Python and in shell: both sides must agree on every text."""

from __future__ import annotations

import re
import string
import subprocess
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

import jobs.target
from jobs.domain import wire

LIBRARY = Path(jobs.target.__file__).parent / "bin/lava-lib"
SHELLS = [["/bin/dash"], ["/bin/busybox", "ash"], ["/bin/bash"]]
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=600),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(
        lambda text: f"LAVA_SIGNAL_TESTCASE TEST_CASE_ID={text}"
    ),
)


def in_shell(shell: list[str], script: str, *arguments: str) -> str:
    done = subprocess.run(
        [*shell, "-c", f'LAVA_BIN="{LIBRARY.parent}"; . "{LIBRARY}"; {script}', "sh", *arguments],
        capture_output=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS, ids=["dash", "busybox", "bash"])
@given(text=TEXTS)
@example(text="'\"\\$`*?[a-z]{}~!#%&|;<>() \t")
@example(text="line\nend\n\n")
@example(text="x" * 300 + " *" * 100 + "\\")
@example(text=" ")
@example(text="-n")
@settings(max_examples=12, deadline=None)
def test_a_text_goes_through_the_shells_encoding_and_back(shell: list[str], text: str) -> None:
    word = in_shell(shell, 'lava_encode "$1"; printf "%s." "$REPLY"', text)[:-1]
    assert wire.unescape(word) == text
    assert word.isascii()
    assert not set(word) & set(" <>#\n")


@pytest.mark.parametrize("shell", SHELLS, ids=["dash", "busybox", "bash"])
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
@example(text="")
@example(text="x" * 96)
@example(text=" " * 97)
@settings(max_examples=12, deadline=None)
def test_both_sides_compute_the_same_checksum(shell: list[str], text: str) -> None:
    assert in_shell(shell, 'lava_sum "$1"; echo "$REPLY"', text) == f"{wire.checksum(text)}\n"


@pytest.mark.parametrize("shell", SHELLS, ids=["dash", "busybox", "bash"])
@given(text=TEXTS)
@settings(max_examples=12, deadline=None)
def test_an_answers_text_is_turned_back_by_printf(shell: list[str], text: str) -> None:
    token = wire.escape(text)
    printed = in_shell(shell, 'printf "%b." "$1"', "" if token == wire.NOTHING else token)
    assert printed == text + "."


def test_an_answer_is_a_few_short_lines_of_plain_ascii() -> None:
    lines = wire.answer("s1", 7, "ok", "ü" * 2000)
    assert len(lines) == 32
    for index, line in enumerate(lines, 1):
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 800
        assert line.startswith(f"<LAVA_ANSWER s1.7 {index}/32 ok ")


def test_an_empty_text_and_a_dash_are_different_answers() -> None:
    assert wire.answer("s", 1, "ok", "") != wire.answer("s", 1, "ok", "-")


def test_what_has_no_utf8_form_does_not_raise() -> None:
    assert wire.escape("\ud800\0") == "\\0077\\0077"


def test_the_beginnings_that_helpers_know_have_these_checksums() -> None:
    known = re.findall(r'"(LAVA_[^"$]*)"\*\) REPLY=(\d+) lava_left=', LIBRARY.read_text())
    assert len(known) >= 5
    assert {text: int(total) for text, total in known} == {text: wire.checksum(text) for text, _ in known}


def test_the_helpers_table_of_characters_is_that_of_the_lab() -> None:
    table = dict(re.findall(r"\bLAVA_C(\w)=(\d+)", LIBRARY.read_text()))
    assert set(table) == set(string.ascii_letters + string.digits + "_")
    assert {one: int(place) for one, place in table.items()} == {one: wire.checksum(one) for one in table}
