"""Test definitions: what is read, what is refused and how, and the scripts that come of it."""

from __future__ import annotations

import contextlib
import subprocess
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jobs.domain import scripts, testdef
from jobs.domain.definition.model import TestSource
from jobs.domain.testdef import GitRepo, parse
from lab.kernel.errors import DefinitionFault

WHOLE = """
metadata:
  format: Lava-Test Test Definition 1.0
  name: net
  version: 1.10
  description: "Everything a definition may have."
  os: [debian, ubuntu]
  maintainer: somebody@example.org
params:
  PORT: 5001
  FLAG: false
  EMPTY:
install:
  keys: [ABCD]
  sources: ["deb https://example.org stable main"]
  deps: [one, two]
  deps-debian: [three]
  git-repos:
    - https://example.org/tool.git
    - {url: https://example.org/other, branch: main, destination: sub/other}
    - {url: https://example.org/skipped.git, skip_by_default: true}
  steps: ["make"]
run:
  steps:
    - echo one
    - |
      if true; then
        echo two
      fi
parse:
  pattern: "(?P<test_case_id>\\\\w+)=(?P<result>\\\\w+)"
  fixupdict: {OK: pass}
test-case-deps:
  - {git-repo: https://example.org/base.git, testdef: base.yaml, revision: v1}
  - url: https://example.org/x.yaml
extra: 1
"""


def minimal(**parts: str) -> str:
    texts = {
        "metadata": "metadata: {name: t}",
        "run": "run: {steps: ['true']}",
        **parts,
    }
    return "\n".join(texts.values())


def problems(text: str) -> str:
    with pytest.raises(DefinitionFault) as caught:
        parse(text)
    return str(caught.value)


def test_a_whole_definition_is_read() -> None:
    found = parse(WHOLE)
    assert (found.name, found.version) == ("net", "1.10")
    assert found.metadata == {"os": ("debian", "ubuntu"), "maintainer": ("somebody@example.org",)}
    assert found.params == {"PORT": "5001", "FLAG": "false", "EMPTY": ""}
    assert found.install.keys == ("ABCD",)
    assert found.install.deps == ("one", "two")
    assert found.install.deps_by_distro == {"debian": ("three",)}
    assert found.install.git_repos == (
        GitRepo(url="https://example.org/tool.git"),
        GitRepo(url="https://example.org/other", branch="main", destination="sub/other"),
    )
    assert [repo.folder for repo in found.install.git_repos] == ["tool", "sub/other"]
    assert found.steps == ("echo one", "if true; then\n  echo two\nfi\n")
    result = found.pattern.search("disk=OK")
    assert result is not None
    assert (result.case, result.result) == ("disk", "pass")
    assert found.depends == (
        TestSource(git_repo="https://example.org/base.git", testdef="base.yaml", revision="v1"),
        TestSource(url="https://example.org/x.yaml"),
    )
    assert found.warnings == ("line 36: 'extra' is not used",)
    assert found.text == WHOLE


def test_the_other_name_of_the_format_and_none_at_all_are_fine() -> None:
    for line in (
        "format: Lava-Test-Shell Test Definition 1.0",
        "format: lava-test  test definition 1.0",
        "os: []",
    ):
        assert parse(minimal(metadata=f"metadata:\n  name: t\n  {line}")).name == "t"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "metadata.name: is missing"),
        ("[1, 2]", "line 1: the test definition: must be a mapping"),
        ("a: [", "this is not YAML"),
        ("a: \x00", "this is not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("[a," * 5000, "nested too deeply"),
        (minimal(metadata="metadata: {name: 'a b;c'}"), "line 1: metadata.name: may not contain ' ' ';'"),
        (minimal(metadata=f"metadata: {{name: {'x' * 121}}}"), "at most 120 characters"),
        (minimal(metadata="metadata: {name: ..}"), "must be a name"),
        (minimal(metadata="metadata: {name: [a]}"), "metadata.name: must be text"),
        (minimal(metadata="metadata: {name: t, format: Manual 1.0}"), "'Manual 1.0', not 'Lava-Test"),
        (minimal(metadata="metadata: {name: t, name: u}"), "the key 'name' is there twice"),
        (minimal(metadata="metadata: {name: t, [a]: u}"), "a key must be plain text"),
        (minimal(run=""), "run.steps: there is no step to run"),
        (minimal(run="run: {steps: echo}"), "line 2: run.steps: must be a list of shell lines"),
        (
            minimal(run="run:\n  steps:\n    - echo a: b"),
            "line 4: run.steps[0]: a step must be text, but YAML reads a mapping",
        ),
        (minimal(run="run: {steps: [[a]]}"), "YAML reads a list here"),
        (minimal(params="params: {1a: x}"), "params.1a: is no shell variable name"),
        (minimal(params="params: {A: [x]}"), "params.A: must be text"),
        (minimal(install="install: {bzr-repos: [lp:x]}"), "install.bzr-repos: is not supported"),
        (minimal(install="install: {git-repos: [{branch: x}]}"), "install.git-repos[0]: has no url"),
        (
            minimal(install="install: {git-repos: [{url: x, destination: ../y}]}"),
            "not below the test's folder",
        ),
        (minimal(install="install: {steps: [{a: b}]}"), "install.steps[0]: a step must be text"),
        (minimal(parse="parse: {pattern: '('}"), "the pattern is no regular expression"),
        (minimal(parse="parse: {pattern: 'x'}"), "no group (?P<test_case_id>…)"),
        (minimal(parse="parse: {fixupdict: {OK: good}}"), "turns 'OK' into 'good'"),
        (minimal(deps="test-case-deps: {a: b}"), "test-case-deps: must be a list"),
        (minimal(deps="test-case-deps: [{bzr-repo: b}]"), "needs either url or git-repo"),
        ("x" * (256 * 1024 + 1), "at most 262144"),
        ("a: [" + "x," * 6000 + "]", "too many parts"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, words: str) -> None:
    assert words in problems(text)


def test_all_problems_are_reported_at_once() -> None:
    said = problems("metadata: {name: 'a b'}\nparams: {1: x}\nrun: {steps: x}\n")
    assert [word for word in ("line 1:", "line 2:", "line 3:") if word in said] == [
        "line 1:",
        "line 2:",
        "line 3:",
    ]


def test_aliases_and_merges_work_and_do_no_harm() -> None:
    text = "base: &b {A: 1, B: 2}\nparams: {<<: *b, B: 3}\n" + minimal()
    assert parse(text).params == {"A": "1", "B": "3"}
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    assert parse(bomb + minimal()).name == "t"
    assert "cannot be used" in problems("&a {params: *a, metadata: *a}")


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_definition_or_a_fault_in_words(text: str) -> None:
    for candidate in (text, minimal(extra=text)):
        with contextlib.suppress(DefinitionFault):
            parse(candidate)


def test_no_text_takes_long_to_read() -> None:
    for unit in ("[", "- ", "? ", "{a: b},", "x, ", "'", "&a ", "a: 1\n", "\n", "#", "| ", "\\n"):
        begun = time.monotonic()
        for text in (unit * (256 * 1024 // len(unit)), "a: [" + unit * 50_000):
            with contextlib.suppress(DefinitionFault):
                parse(text)
        assert time.monotonic() - begun < 20, unit


def test_an_empty_step_is_none() -> None:
    assert parse(minimal(run="run:\n  steps:\n    - true\n    -\n    - ls\n")).steps == ("true", "ls")


def test_parameters_of_the_job_override_and_add() -> None:
    found = parse(minimal(params="params: {A: 1, B: 2}"))
    assert found.with_parameters({"B": "3", "C": "4"}) == {"A": "1", "B": "3", "C": "4"}
    with pytest.raises(
        DefinitionFault, match="'not a name' of test definition 't' is no shell variable name"
    ):
        found.with_parameters({"not a name": "x"})


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
@settings(max_examples=20, deadline=None)
def test_a_value_reaches_the_step_unchanged(value: str) -> None:
    script = scripts.run_script(parse(minimal(run='run: {steps: [\'printf "%s" "$V"\']}')), {"V": value})
    done = subprocess.run(["/bin/dash"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == value


def test_nothing_to_install_is_no_script() -> None:
    assert scripts.install_script(parse(minimal()), {}) == ""
    assert scripts.install_script(parse(WHOLE), {}, "all") == ""


def test_the_installation_comes_in_its_order() -> None:
    script = scripts.install_script(parse(WHOLE), {"A": "1"})
    order = [
        "export A=1",
        "lava-add-keys ABCD",
        "lava-add-sources",
        "lava-install-packages one two",
        "three",
        "make",
    ]
    assert [script.index(part) for part in order] == sorted(script.index(part) for part in order)
    assert subprocess.run(["/bin/dash", "-n"], input=script.encode(), check=False).returncode == 0
    only = scripts.install_script(parse(minimal(install="install: {deps-x: []}")), {})
    assert "lava-install-packages" not in only


def test_suites_have_names_of_their_own() -> None:
    assert testdef.unique_names(["net", "net", "disk"], taken=["disk"]) == ["net", "net-2", "disk-2"]


def test_what_is_to_be_skipped_is_skipped() -> None:
    script = scripts.install_script(parse(WHOLE), {"A": "1"}, "keys, deps")
    assert "lava-add-keys" not in script
    assert "lava-install-packages" not in script
    assert "lava-add-sources 'deb https://example.org stable main'" in script
    assert script.endswith("make\n")
    with pytest.raises(DefinitionFault, match="skip_install names 'everything'"):
        scripts.install_script(parse(WHOLE), {}, "everything")
