"""Tests that commit for real leave nothing to the next one, although their tables are append-only."""

from __future__ import annotations

import pytest
from django.db import connection

from jobs import console_log
from jobs.models import ConsoleChunk
from lab.eventstore import append_only
from lab.eventstore.models import EventRow
from tests.support.bare_jobs import append, submitted


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_time", ["first", "second"])
def test_each_test_begins_with_an_empty_log_and_all_triggers(_time: str) -> None:
    assert EventRow.objects.count() == ConsoleChunk.objects.count() == 0
    assert append_only.missing(connection) == {}
    append("job/1", submitted())
    console_log.append(1, [(0, b"x", 1.0)])
