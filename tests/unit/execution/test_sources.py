"""Test definitions from git repositories and files; hostile ones too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobs.domain.definition.model import TestSource
from jobs.execution.fetch import Fetcher
from jobs.execution.ports import Workplace
from jobs.execution.sources import Sources
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DefinitionFault, InfrastructureError


def soon() -> Deadline:
    return Deadline.after(60, "the clone")


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "repository"
    (folder / "tests").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "tests" / "one.yaml").write_text("first")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    (folder / "tests" / "one.yaml").write_text("second")
    git(folder, "commit", "-q", "-a", "-m", "second")
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    place = Workplace(cache=tmp_path / "cache", scratch=tmp_path / "scratch", file_roots=(tmp_path / "root",))
    place.scratch.mkdir()
    return Sources(place, Fetcher(place))


def from_git(repository: Path, revision: str = "", testdef: str = "tests/one.yaml") -> TestSource:
    return TestSource(git_repo=repository.as_uri(), revision=revision, testdef=testdef)


def test_the_default_branch(sources: Sources, repository: Path) -> None:
    got = sources.get(from_git(repository), soon())

    assert (got.text, got.revision) == ("second", git(repository, "rev-parse", "HEAD"))
    assert got.tree is not None


@pytest.mark.parametrize("name", ["v1", "main~1"])
def test_a_tag_and_any_other_revision(sources: Sources, repository: Path, name: str) -> None:
    assert sources.get(from_git(repository, name), soon()).text == "first"


def test_a_commit(sources: Sources, repository: Path) -> None:
    commit = git(repository, "rev-parse", "v1")

    assert sources.get(from_git(repository, commit), soon()).revision == commit


def test_a_repository_is_cloned_once(sources: Sources, repository: Path) -> None:
    assert sources.get(from_git(repository), soon()).tree == sources.get(from_git(repository), soon()).tree


@pytest.mark.parametrize(
    ("revision", "testdef", "words"),
    [
        ("no-such-branch", "tests/one.yaml", "could not be fetched at no-such-branch"),
        ("", "tests/none.yaml", "there is no tests/none.yaml in .* at its default branch"),
        ("", "../../secret", "leads out of the repository"),
        ("--upload-pack=touch", "tests/one.yaml", "is no revision"),
        ("a b", "tests/one.yaml", "is no revision"),
    ],
)
def test_what_is_wrong_with_a_source(
    sources: Sources, repository: Path, revision: str, testdef: str, words: str
) -> None:
    with pytest.raises(DefinitionFault, match=words):
        sources.get(from_git(repository, revision, testdef), soon())


def test_a_link_out_of_the_repository_is_not_followed(
    sources: Sources, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (repository / "tests" / "link.yaml").symlink_to(tmp_path / "secret")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "link")

    with pytest.raises(DefinitionFault, match="leads out of the repository"):
        sources.get(from_git(repository, testdef="tests/link.yaml"), soon())


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/labbook-pwned",
        "ssh://host/repository",
        "git@host:repository",
        "-oProxyCommand=touch",
        "relative/path",
        "fd::17",
    ],
)
def test_transports_that_run_things_are_refused(sources: Sources, url: str) -> None:
    with pytest.raises(DefinitionFault, match="cannot be cloned"):
        sources.get(TestSource(git_repo=url, testdef="x"), soon())


def test_a_repository_outside_of_the_roots(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    with pytest.raises(DefinitionFault, match="may not be used: file:// URLs must lie below"):
        sources.get(TestSource(git_repo=(tmp_path / "elsewhere").as_uri(), testdef="x"), soon())


def test_a_repository_on_the_labs_own_machine(sources: Sources) -> None:
    with pytest.raises(DefinitionFault, match="is the lab's own machine"):
        sources.get(TestSource(git_repo="http://127.0.0.1:1/x", testdef="x"), soon())


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    place = Workplace(cache=tmp_path, scratch=tmp_path, file_roots=(), allow_local_http=True)

    with pytest.raises(InfrastructureError, match="could not be fetched"):
        Sources(place, Fetcher(place)).get(TestSource(git_repo="http://127.0.0.1:1/x", testdef="x"), soon())


def test_hooks_and_submodules_do_nothing(sources: Sources, repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (repository / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {mark}"\n\tupdate = !touch {mark}\n'
    )
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "modules")

    sources.get(from_git(repository), soon())

    assert not mark.exists()


def test_cloning_can_be_cancelled(sources: Sources, repository: Path) -> None:
    deadline = Deadline.after(60, stop=lambda: Canceled("by bob"))

    with pytest.raises(Canceled):
        sources.clone(repository.as_uri(), "", deadline)


def test_a_file_and_an_inline_definition(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(exist_ok=True)
    path = tmp_path / "root" / "test.yaml"
    path.write_text("metadata: {}")

    assert sources.get(TestSource(url=path.as_uri()), soon()).text == "metadata: {}"
    assert sources.get(TestSource(inline="run: {}", parameters={"A": "1"}), soon()).parameters == {"A": "1"}


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe\x00", "is not UTF-8 text"), (b"x" * 1_100_000, "it has 1100000 bytes")]
)
def test_what_is_no_text(sources: Sources, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "root").mkdir(exist_ok=True)
    path = tmp_path / "root" / "test.yaml"
    path.write_bytes(content)

    with pytest.raises(DefinitionFault, match=words):
        sources.get(TestSource(url=path.as_uri()), soon())
