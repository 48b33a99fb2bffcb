"""Streams told in words."""

from __future__ import annotations

from datetime import UTC, datetime

from devices.domain.events import (
    BoardBroughtOnline,
    BoardChanged,
    BoardHealthChanged,
    BoardRegistered,
    BoardReleased,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
    DeviceTypeChanged,
    DeviceTypeRegistered,
    DeviceTypeRetired,
)
from devices.domain.history import board_history, device_type_history
from lab.kernel.events import Event, Meta, Recorded


def recorded(*events: Event) -> list[Recorded]:
    return [
        Recorded(
            position=100 + version,
            stream="s",
            version=version,
            event=event,
            meta=Meta(actor="ada", cause="admin"),
            recorded_at=datetime(2026, 11, 22, tzinfo=UTC),
        )
        for version, event in enumerate(events, 1)
    ]


REGISTERED = BoardRegistered(
    name="b1",
    device_type="host",
    site="here",
    tags=["a", "b"],
    description="",
    config={"ssh": {"host": "b1", "port": 22}, "kvm": "never"},
)


def test_every_event_of_a_board_is_told() -> None:
    entries = board_history(
        recorded(
            REGISTERED,
            BoardReserved(job=7),
            BoardReleased(job=7, reason="done"),
            BoardTakenOffline(reason="dust", quarantined=False),
            BoardTakenOffline(reason="mud", quarantined=False),
            BoardBroughtOnline(reason="clean"),
            BoardTakenOffline(reason="dirty", quarantined=True),
            BoardTakenOffline(reason="very", quarantined=True),
            BoardBroughtOnline(reason="wiped"),
            BoardHealthChanged(health="bad", reason="no prompt", job=8),
            BoardHealthChanged(health="bad", reason="no power"),
            BoardRetired(reason="burnt"),
        )
    )
    assert [(entry.text, entry.why) for entry in entries] == [
        ("registered", ""),
        ("reserved for job 7", ""),
        ("released by job 7", "done"),
        ("taken offline", "dust"),
        ("still offline", "mud"),
        ("brought online", "clean"),
        ("quarantined", "dirty"),
        ("still quarantined", "very"),
        ("quarantine ended, brought online", "wiped"),
        ("health is bad, found by job 8", "no prompt"),
        ("health is bad", "no power"),
        ("retired", "burnt"),
    ]
    assert [str(change) for change in entries[9].changes] == ["health: unknown → bad"]
    assert entries[10].changes == ()
    first = entries[0]
    assert (first.position, first.version, first.who, first.cause) == (101, 1, "ada", "admin")
    assert first.type == "board.registered"


def test_a_change_is_told_from_old_to_new_leaf_by_leaf() -> None:
    config = {"ssh": {"host": "b1", "port": 2222, "user": "lab"}}
    changes = {"tags": ["a"], "description": "rack 1", "device_type": "other", "config": config}
    *_, entry = board_history(recorded(REGISTERED, BoardChanged(changes=changes, reason="moved")))
    assert entry.text == "changed tags and description and device type and config"
    assert entry.why == "moved"
    assert [str(change) for change in entry.changes] == [
        "tags: a, b → a",
        "description: empty → rack 1",
        "device type: host → other",
        "config.ssh.port: 22 → 2222",
        "config.ssh.user: lab",
        "config.kvm: never → nothing",
    ]


def test_every_event_of_a_device_type_is_told() -> None:
    entries = device_type_history(
        recorded(
            DeviceTypeRegistered(name="kvm", kind="vm", description="", config={"cpu": "max"}),
            DeviceTypeChanged(changes={"config": {"cpu": "host"}}, reason="faster"),
            DeviceTypeRetired(reason="old"),
        )
    )
    assert [(entry.text, entry.why) for entry in entries] == [
        ("registered", ""),
        ("changed config", "faster"),
        ("retired", "old"),
    ]
    assert [str(change) for change in entries[0].changes] == [
        "kind: vm",
        "config.cpu: max",
    ]
    assert [str(change) for change in entries[1].changes] == ["config.cpu: max → host"]


def test_events_nobody_has_words_for_are_still_told() -> None:
    class Odd(Event):
        type = "odd"

    assert board_history(recorded(Odd()))[0].text == "odd"
    assert device_type_history(recorded(Odd()))[0].text == "odd"
