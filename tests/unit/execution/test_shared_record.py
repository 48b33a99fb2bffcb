"""A serial console and a test's terminal in one record: lines whole, bytes as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.execution.boards import shared_record
from jobs.execution.boards.shared_record import SharedRecord
from tests.unit.drivers.scripted import Record


def test_alone_each_is_recorded_as_it_comes() -> None:
    kept = Record()
    record = SharedRecord(kept)

    assert record.follow(b"U-Boot\r\n=> ") == 0
    with record.leading() as lead:
        assert lead(b"test\n") == 11
    assert record.follow(b"bye") == 16
    assert kept.data == b"U-Boot\r\n=> test\nbye"


def test_the_kernels_lines_go_between_those_of_a_test() -> None:
    kept = Record()
    record = SharedRecord(kept)
    with record.leading() as lead:
        lead(b"<LAVA_SIGNAL_TEST")
        record.follow(b"[ 9.1] eth0: link")
        record.follow(b" is up\r\n[ 9.2] mo")
        assert kept.data == b"<LAVA_SIGNAL_TEST"
        lead(b"CASE x>\r\n")
        record.follow(b"re\r\n")

    assert kept.data == b"<LAVA_SIGNAL_TESTCASE x>\r\n[ 9.1] eth0: link is up\r\n[ 9.2] more\r\n"


def test_a_line_that_does_not_end_holds_nothing_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Record()
    record = SharedRecord(kept)
    with record.leading() as lead:
        lead(b"50 % ")
        record.follow(b"[ 9.1] oops\r\n")
        record.tick()
        assert kept.data == b"50 % "
        monkeypatch.setattr(shared_record, "HOLD", -1.0)
        record.tick()
        assert kept.data == b"50 % [ 9.1] oops\r\n"
        assert lead(b"done\n") == len(b"50 % [ 9.1] oops\r\n")


def test_what_waits_is_kept_when_the_test_ends() -> None:
    kept = Record()
    record = SharedRecord(kept)
    with record.leading() as lead:
        lead(b"no end")
        record.follow(b"[ 9.1] late")

    assert kept.data == b"no end[ 9.1] late"


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=8)), max_size=30))
def test_nothing_is_lost_added_or_put_in_another_order(pieces: list[tuple[bool, bytes]]) -> None:
    kept = Record()
    record = SharedRecord(kept)
    followed = b""
    at = 0
    with record.leading() as lead:
        for leads, data in pieces:
            if leads:
                offset = lead(data)
                assert kept.data[offset : offset + len(data)] == data
            else:
                offset = record.follow(data)
                assert offset == at, "for whoever reads it, the line has no gaps"
                at += len(data)
                followed += data
    both = b"".join(data for leads, data in pieces if leads)
    assert len(kept.data) == len(both) + len(followed)
    assert sorted(kept.data) == sorted(both + followed)
