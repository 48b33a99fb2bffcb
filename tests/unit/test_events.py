"""Events once written must be readable for ever: every stored form that ever was has a golden file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.kernel.events import codec
from tests.support import golden

GOLDEN = sorted(golden.FOLDER.glob("*.json"))


@pytest.mark.parametrize("type_", sorted(codec.types()))
def test_every_schema_of_every_event_has_a_golden_file(type_: str) -> None:
    for schema in range(1, codec.types()[type_].schema + 1):
        path = golden.path_of(type_, schema)
        assert path.exists(), f"{path.name} is missing: python -m tests.support.golden writes it"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_any_labbook_ever_stored_can_be_read(path: Path) -> None:
    stored = golden.load(path)
    assert path == golden.path_of(stored["type"], stored["schema"])
    assert codec.decode(stored["type"], stored["schema"], stored["data"]).type == stored["type"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_stored_form_of_an_event_does_not_change_without_a_new_schema(path: Path) -> None:
    stored = golden.load(path)
    if stored["schema"] == codec.types()[stored["type"]].schema:
        event = codec.decode(stored["type"], stored["schema"], stored["data"])
        assert golden.as_golden(event) == path.read_text(), f"see {golden.__name__} for what to do"
