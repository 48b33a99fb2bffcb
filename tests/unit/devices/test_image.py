"""The rules of the image library, without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devices.domain.image import Image, apply, check_upload, describe, exists, retire, stream, upload
from devices.domain.image_events import ImageDescribed, ImageRegistered, ImageRetired, ImageUploaded
from devices.domain.image_history import image_history
from lab.kernel.aggregate import fold
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event, Meta, Recorded

ONE, TWO = "1" * 64, "2" * 64
REGISTERED = ImageRegistered(name="debian", description="a guest")
FIRST = ImageUploaded(number=1, sha256=ONE, size=5, filename="debian.qcow2", reason="")
GIVEN: list[Event] = [REGISTERED, FIRST]


def given(*events: Event) -> Image:
    return fold(apply, Image(), events)


def test_the_first_upload_registers_the_name() -> None:
    events = upload(
        Image(), name="debian", filename="debian.qcow2", sha256=ONE, size=5, description="a guest"
    )

    assert events == GIVEN


def test_other_content_is_a_new_version() -> None:
    events = upload(given(*GIVEN), name="debian", filename="b.xz", sha256=TWO, size=6, reason="security")

    assert events == [ImageUploaded(number=2, sha256=TWO, size=6, filename="b.xz", reason="security")]


def test_the_same_content_again_is_nothing_new() -> None:
    assert upload(given(*GIVEN), name="debian", filename="debian.qcow2", sha256=ONE, size=5) == []


def test_an_upload_may_bring_other_words() -> None:
    events = upload(
        given(*GIVEN), name="debian", filename="debian.qcow2", sha256=ONE, size=5, description="better"
    )

    assert events == [ImageDescribed(description="better", reason="")]


def test_the_same_words_change_nothing() -> None:
    assert describe(given(*GIVEN), " a guest ") == []


@pytest.mark.parametrize("name", ["", "a/b", "-x", "x" * 65, "ä"])
def test_names_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(Rejected, match="is no name for a library image"):
        check_upload(Image(), name=name, filename="x")


@pytest.mark.parametrize("filename", ["", "../x", ".x", "a b", "x" * 201])
def test_names_of_files(filename: str) -> None:
    with pytest.raises(Rejected, match=r"is no name of a file: .* says whether it is packed"):
        check_upload(Image(), name="debian", filename=filename)


def test_what_is_retired_stays_so() -> None:
    state = given(*GIVEN, *retire(given(*GIVEN), "too old"))

    assert state.retired == "too old"
    with pytest.raises(Rejected, match=r"was retired \(too old\)"):
        upload(state, name="debian", filename="x", sha256=TWO, size=1)
    with pytest.raises(Rejected, match=r"was retired \(too old\)"):
        describe(state, "better")
    with pytest.raises(Rejected, match=r"was retired \(too old\)"):
        retire(state, "again")


def test_retiring_needs_a_reason() -> None:
    with pytest.raises(Rejected, match="Say why"):
        retire(given(*GIVEN), " ")


def test_what_is_not_there() -> None:
    assert exists(given(*GIVEN), "debian").number == 1
    with pytest.raises(NotFound, match="no image 'debain'"):
        exists(Image(), "debain")


def test_events_of_others_change_nothing() -> None:
    class Other(Event):
        type = "other"

    assert apply(given(*GIVEN), Other()) == given(*GIVEN)
    (entry,) = image_history([recorded(Other(), 1)])
    assert entry.text == "other"


def recorded(event: Event, version: int) -> Recorded:
    return Recorded(
        position=version,
        stream=stream("debian"),
        version=version,
        event=event,
        meta=Meta(actor="ada", cause="admin"),
        recorded_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def test_the_history_is_told_in_words() -> None:
    events: list[Event] = [
        *GIVEN,
        ImageUploaded(number=2, sha256=TWO, size=6000, filename="debian.qcow2", reason="security"),
        ImageDescribed(description="better", reason=""),
        ImageRetired(reason="too old"),
    ]

    told = image_history(recorded(event, number) for number, event in enumerate(events, 1))

    assert [(entry.text, entry.why) for entry in told] == [
        ("registered", ""),
        ("version 1 uploaded", ""),
        ("version 2 uploaded", "security"),
        ("described anew", ""),
        ("retired", "too old"),
    ]
    assert [str(change) for change in told[2].changes] == [
        f"SHA-256: {ONE} → {TWO}",
        "file: debian.qcow2 → debian.qcow2",
        "bytes: 6,000",
    ]
