"""Aggregates as read rows show them: a row is the fold of its stream up to the row's version."""

from __future__ import annotations

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.models import Board, DeviceType


def type_state(row: DeviceType) -> types.DeviceType:
    """Return the aggregate's state that a row shows."""
    return types.DeviceType(
        name=row.name,
        kind="vm" if row.kind == "vm" else "board",
        base=row.base,
        description=row.description,
        config=row.config,
        access=row.access,
        retired=row.retired_reason,
    )


def board_state(row: Board) -> boards.Board:
    """Return the aggregate's state that a row shows."""
    return boards.Board(
        name=row.name,
        device_type=row.device_type_id,
        site=row.site,
        tags=tuple(row.tags),
        description=row.description,
        config=row.config,
        access=row.access,
        held_by=row.held_by,
        offline=row.offline_reason,
        quarantined=row.quarantined,
        health="good" if row.health == "good" else "bad" if row.health == "bad" else "unknown",
        health_reason=row.health_reason,
        health_job=row.health_job,
        check=row.check_reason,
        check_first=row.check_first,
        check_job=row.check_job,
        check_attempts=row.check_attempts,
        errand=row.errand,
        errand_what=row.errand_what,
        errand_worker=row.errand_worker,
        errand_by=row.errand_by,
        retired=row.retired_reason,
    )
