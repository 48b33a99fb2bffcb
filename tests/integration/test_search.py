"""Finding jobs by words, on both databases."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from jobs import commands, queries, search
from jobs.models import JobSearch
from jobs.search import words_of
from lab.eventstore.rebuild import rebuild
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user, submit


def found(text: str, user: object = None, **where: int) -> list[int]:
    seen = queries.job_list(user or AnonymousUser(), {"text": text}, **where)  # type: ignore[arg-type]
    return [job["id"] for job in seen]


def test_words_are_runs_of_letters_and_digits_each_once() -> None:
    assert words_of("Net-Client_2 net", "ÜBER 6.1.0") == ["net", "client", "2", "über", "6", "1", "0"]
    assert words_of("", "<>\"'*:()&|! \0") == []
    assert words_of("x" * 1000) == ["x" * 64]
    assert len(words_of(" ".join(map(str, range(99_999))))) == 5_000


def test_jobs_are_found_by_all_that_is_known_of_them(database: Database) -> None:
    make_inventory("alpha-07")
    asha, ben = make_user("asha"), make_user("zoe")
    submit(asha, definition("Kernel smoke test"))
    submit(ben, definition("network-check"))
    submit(ben, definition("private kernel", visibility="private"))
    assert found("kernel") == [1]
    assert found("KERN") == [1], "a word may be begun"
    assert found("ernel") == [], "but not be cut at its front"
    assert found("kernel", ben) == [3, 1]
    assert found("kernel smoke") == [1], "all words must be there"
    assert found("network-check") == [2]
    assert found("zoe") == [2], "the submitter"
    assert found("guest kvm bench") == [2, 1], "roles and types"
    assert found("dummy_deploy") == [2, 1], "the definition"
    assert found("no such thing") == []
    assert found("alpha") == []
    commands.schedule()
    assert found("alpha-07") == [1], "the board, once there is one"


@pytest.mark.parametrize(
    "text", ['"', "'", "*", "a:*", "NOT", "kernel OR nothing", "NEAR(a b)", "\\", "(", "&", "%"]
)
def test_no_text_means_anything_to_the_database(database: Database, text: str) -> None:
    make_inventory()
    submit(make_user(), definition("kernel"))
    assert found(text) in ([], [1])


def test_pages_of_what_was_found_follow_each_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_inventory()
    asha = make_user("asha")
    for number in range(12):
        submit(asha, definition(f"even {number}" if number % 2 else f"odd {number}"))
    monkeypatch.setattr(search, "FIRST_STEP", 1)
    monkeypatch.setattr(search, "STEP", 2)
    assert found("even", limit=3) == [12, 10, 8]
    assert found("even", limit=3, before=8) == [6, 4, 2]
    assert found("even", limit=2, after=6) == [10, 8], "the next newer ones"
    assert found("e", limit=50) == [12, 10, 8, 6, 4, 2]


def test_a_rebuild_finds_the_same(database: Database) -> None:
    make_inventory()
    submit(make_user("asha"), definition("kernel"))
    commands.schedule()
    before = list(JobSearch.objects.values())
    rebuild(["jobs"])
    assert list(JobSearch.objects.values()) == before
    assert found("kernel alpha") == [1]
