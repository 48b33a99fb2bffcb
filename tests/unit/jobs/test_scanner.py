"""What is found in a console's bytes, and what is not."""

from __future__ import annotations

import base64
import hashlib
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jobs.domain import wire
from jobs.domain.attachments import Attachments, Incoming, ranges
from jobs.domain.console_lines import MAX_LINE, Line, Lines
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Answer,
    Attached,
    EndCase,
    EndRun,
    Ignored,
    Output,
    Raised,
    Request,
    RunnerExited,
    RunnerStarted,
    Signal,
    StartCase,
    StartRun,
    TestCase,
    TestSet,
)


def scan(*data: bytes | str, output: bool = False) -> list[Signal]:
    scanner = Scanner(output=output)
    return [
        one for piece in data for one in scanner.feed(piece.encode() if isinstance(piece, str) else piece)
    ]


def numbered(body: str, number: int = 1, session: str = "s1") -> str:
    """A line as our helpers print it."""
    text = f"{body} #{session}.{number}"
    return f"<{text}.{wire.checksum(text)}>\r\n"


def request(body: str, number: int = 1, session: str = "s1") -> str:
    return "<LAVA_MULTI_NODE> " + numbered(body, number, session)


def case(offset: int = 0, **fields: object) -> TestCase:
    defaults: dict[str, object] = {"suite": "", "set": "", "result": "pass"}
    return TestCase(offset=offset, **{**defaults, **fields})  # type: ignore[arg-type]


# -- LAVA's forms ----------------------------------------------------------------------------------


def test_a_whole_run_as_lava_prints_it() -> None:
    found = scan(
        "<LAVA_SIGNAL_STARTRUN net 8f-1>\r\n"
        "<LAVA_SIGNAL_STARTTC ping>\r\n"
        "<LAVA_SIGNAL_ENDTC ping>\r\n"
        "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=ping RESULT=pass UNITS=ms MEASUREMENT=1.25>\r\n"
        "<LAVA_SIGNAL_TESTSET START tcp>\r\n"
        "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=echo RESULT=fail>\r\n"
        "<LAVA_SIGNAL_TESTSET STOP>\r\n"
        "<LAVA_SIGNAL_ENDRUN net 8f-1>\r\n"
        "<LAVA_TEST_RUNNER>: exiting\r\n"
    )
    assert found == [
        StartRun(offset=0, name="net", uuid="8f-1"),
        StartCase(offset=33, suite="net", case="ping"),
        EndCase(offset=61, suite="net", case="ping"),
        case(87, suite="net", case="ping", measurement="1.25", units="ms"),
        TestSet(offset=167, name="tcp"),
        case(200, suite="net", set="tcp", case="echo", result="fail"),
        TestSet(offset=254, name=""),
        EndRun(offset=282, name="net", uuid="8f-1"),
        RunnerExited(offset=313),
    ]


@pytest.mark.parametrize(
    ("line", "verb", "args", "data"),
    [
        ("<LAVA_SEND ready a=1 b=2>", "SEND", ("ready",), {"a": "1", "b": "2"}),
        ("<LAVA_SEND ready>", "SEND", ("ready",), {}),
        ("<LAVA_SEND ready a=1=2 junk =x y=>", "SEND", ("ready",), {"a": "1=2"}),
        ("<LAVA_WAIT ready>", "WAIT", ("ready",), {}),
        ("<LAVA_WAIT_ALL ready client>", "WAIT_ALL", ("ready", "client"), {}),
        ("<LAVA_SYNC go>", "SYNC", ("go",), {}),
        ("<LAVA_SYNC>", "SYNC", (), {}),
    ],
)
def test_requests_printed_by_hand(line: str, verb: str, args: tuple[str, ...], data: dict[str, str]) -> None:
    assert scan(f"<LAVA_MULTI_NODE> {line}\n") == [Request(offset=0, verb=verb, args=args, data=data)]


def test_a_signal_may_follow_unfinished_output_on_its_line() -> None:
    assert scan("progress 99%<LAVA_SIGNAL_STARTTC boot>\n") == [StartCase(offset=0, suite="", case="boot")]


def test_several_signals_may_share_a_line() -> None:
    assert [type(one) for one in scan("<LAVA_SIGNAL_STARTTC a><LAVA_SIGNAL_ENDTC a>\n")] == [
        StartCase,
        EndCase,
    ]


def test_a_signal_by_way_of_the_kernel_log_counts() -> None:
    assert scan("[   12.345678] <LAVA_SIGNAL_STARTTC boot>\n") == [StartCase(offset=0, suite="", case="boot")]


def test_colours_and_carriage_returns_do_not_hide_a_signal() -> None:
    found = scan(b"\x1b[6n\x1b[1;31m<LAVA_SIG\x1b[0mNAL_STARTTC\x1b]0;title\x07 boot>\x1b[K\r\r\n")
    assert found == [StartCase(offset=0, suite="", case="boot")]


@pytest.mark.parametrize(
    "line",
    [
        'echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>"',
        "+ echo <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>",
        "++ echo '<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>'",
        "root@vm:~# echo '<LAVA_MULTI_NODE> <LAVA_SYNC a>'",
        "`<LAVA_SIGNAL_ENDRUN a b>`",
        "<LAVA_ANSWER s1.1 1/1 ok - 12345>",
        "<LAVA_WAIT_COMPLETE server:a=1>",
        "<LAVA_SYNC_COMPLETE>",
        "<LAVA_TEST_RUNNER>: started",
        "<LAVA_SIGNAL_STARTTC boot",
        "LAVA_SIGNAL_STARTTC boot>",
        "<LAVA_SIGNAL_>",
        "<LAVA_SIGNAL_SOMETHING else>",
        "<LAVA_MULTI_NODE>",
    ],
)
def test_text_that_only_speaks_of_signals_is_none(line: str) -> None:
    assert scan(line + "\n") == []


# -- what is said about results --------------------------------------------------------------------


@pytest.mark.parametrize("said", ["PASS", "Pass", "pass"])
def test_a_result_may_be_written_in_any_case(said: str) -> None:
    assert scan(f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT={said}>\n") == [case(case="a")]


def test_a_result_nobody_knows_is_unknown_and_says_so() -> None:
    [found] = scan("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=maybe>\n")
    assert found == case(
        case="a", result="unknown", message="'maybe' is no result: pass, fail, skip or unknown"
    )


@pytest.mark.parametrize("text", ["1", "-1.50", "+.5", "3.", "1e-4", "12345678901234567890.0123456789"])
def test_a_measurement_is_a_decimal_number_and_stays_the_text_it_was(text: str) -> None:
    [found] = scan(f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass UNITS=s MEASUREMENT={text}>\n")
    assert found == case(case="a", measurement=text, units="s")


@pytest.mark.parametrize("text", ["fast", "1,5", "0x10", "nan", "inf", "1e9999", "--1", "١", "1" * 41])
def test_what_is_no_number_is_no_measurement(text: str) -> None:
    [found] = scan(f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass UNITS=s MEASUREMENT={text}>\n")
    assert isinstance(found, TestCase)
    assert (found.measurement, found.units) == (None, "")
    assert "is not a decimal number" in found.message


def test_units_without_a_measurement_mean_nothing() -> None:
    assert scan("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass UNITS=s>\n") == [case(case="a")]


def test_a_result_without_a_name_is_ignored_with_a_reason() -> None:
    assert scan("<LAVA_SIGNAL_TESTCASE RESULT=pass>\n") == [
        Ignored(offset=0, reason="a result without TEST_CASE_ID")
    ]


@pytest.mark.parametrize("name", ["STARTRUN", "STARTTC", "ENDTC", "ATTACH"])
def test_a_signal_about_nothing_is_ignored_with_a_reason(name: str) -> None:
    assert [type(one) for one in scan(f"<LAVA_SIGNAL_{name}>\n")] == [Ignored]


def test_names_are_printable_and_of_bounded_length() -> None:
    [found] = scan(
        numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=%1b[2J" + "x" * 300 + "%0a%e2%80%ae RESULT=pass")
    )
    assert isinstance(found, TestCase)
    assert found.case.isprintable()
    assert len(found.case) <= 200


def test_giving_up_carries_the_reason() -> None:
    assert scan(numbered("LAVA_SIGNAL_TESTRAISE no%20network")) == [Raised(offset=0, message="no network")]


# -- numbered lines --------------------------------------------------------------------------------


def test_numbered_values_are_decoded() -> None:
    line = numbered(
        "LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a%20b%3ec RESULT=pass MESSAGE=exit%20status%201 SET=s%31"
    )
    assert scan(line) == [case(case="a b>c", set="s1", message="exit status 1")]


def test_values_printed_by_hand_are_taken_as_they_are() -> None:
    assert scan("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a%20b RESULT=pass>\n") == [case(case="a%20b")]


def test_a_repeated_line_counts_once() -> None:
    line = numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass", 7)
    assert len(scan(line, line)) == 1


def test_a_new_session_counts_anew() -> None:
    body = "LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass"
    assert len(scan(numbered(body, 1, "s1"), numbered(body, 1, "s2"), numbered(body, 1, "s1"))) == 2


def test_sessions_without_end_are_not_remembered() -> None:
    scanner = Scanner()
    for index in range(100):
        scanner.feed(numbered("LAVA_SIGNAL_STARTTC a", 1, f"s{index}").encode())
    assert len(scanner._sessions) <= 8


def test_a_damaged_line_does_not_count() -> None:
    line = numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=boot RESULT=pass").replace("boot", "bot")
    assert scan(line) == [Ignored(offset=0, reason="a damaged line: its checksum is wrong")]


def test_the_journal_names_what_is_missing_and_takes_it_later() -> None:
    scanner = Scanner()

    def feed(text: str) -> list[Signal]:
        return scanner.feed(text.encode())

    feed(numbered("LAVA_SIGNAL_STARTRUN net u", 1))
    feed(numbered("LAVA_SIGNAL_STARTTC a", 4))
    [asked] = feed(request("LAVA_JOURNAL 7", 1))
    assert isinstance(asked, Answer)
    assert asked.lines == wire.answer("s1", 1, "ok", "2-3 5-7")
    for number in (2, 3, 5, 6, 7):
        feed(numbered(f"LAVA_SIGNAL_TESTCASE TEST_CASE_ID=c{number} RESULT=pass", number))
    [nothing] = feed(request("LAVA_JOURNAL 7", 2))
    assert isinstance(nothing, Answer)
    assert nothing.lines == wire.answer("s1", 2, "ok")


def test_a_journal_that_claims_billions_is_answered_at_once() -> None:
    [answer] = scan(request("LAVA_JOURNAL 999999999", 1))
    assert isinstance(answer, Answer)
    assert answer.lines == wire.answer("s1", 1, "ok", "1-2000")


def test_the_runner_exits_once_however_it_says_so() -> None:
    found = scan(
        numbered("LAVA_SIGNAL_RUNNER s1 4711", 1),
        request("LAVA_EXIT 1", 1),
        "<LAVA_TEST_RUNNER>: exiting\r\n",
        numbered("LAVA_SIGNAL_RUNNER s2 4712", 1, "s2"),
        "<LAVA_TEST_RUNNER>: exiting\r\n",
    )
    kinds = [type(one) for one in found]
    assert kinds == [RunnerStarted, Answer, RunnerExited, RunnerStarted, RunnerExited]
    assert found[0] == RunnerStarted(offset=0, session="s1", pid=4711)


def test_the_runner_does_not_exit_while_results_are_missing() -> None:
    found = scan(numbered("LAVA_SIGNAL_RUNNER s1 4711", 1), request("LAVA_EXIT 3", 1))
    assert [type(one) for one in found] == [RunnerStarted, Answer]


def test_an_unknown_request_of_a_helper_is_refused_and_one_by_hand_is_not_answered() -> None:
    [refusal] = scan(request("LAVA_DANCE x", 3))
    assert isinstance(refusal, Answer)
    assert " no " in refusal.lines[0]
    assert scan("<LAVA_MULTI_NODE> <LAVA_DANCE x>\n", "<LAVA_MULTI_NODE> <LAVA_JOURNAL 3>\n") == []


# -- torn lines ------------------------------------------------------------------------------------


PRINTK = "[   12.345678] random: crng init done\r\n"


@pytest.mark.parametrize("cut", range(1, len("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=boot RESULT=pass")))
def test_a_signal_torn_by_the_kernel_is_put_together(cut: int) -> None:
    line = "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=boot RESULT=pass>"
    assert scan(f"{line[:cut]}{PRINTK}{line[cut:]}\r\n") == [case(case="boot")]


@pytest.mark.parametrize("cut", range(1, len("<LAVA_MULTI_NODE> <LAVA_SYNC go>")))
def test_a_request_torn_by_several_kernel_messages_is_put_together(cut: int) -> None:
    line = "<LAVA_MULTI_NODE> <LAVA_SYNC go>"
    assert scan(f"{line[:cut]}{PRINTK * 3}{line[cut:]}\r\n") == [Request(offset=0, verb="SYNC", args=("go",))]


@pytest.mark.parametrize("cut", range(1, len("<LAVA_TEST_RUNNER>: exiting")))
def test_the_end_torn_by_the_kernel_is_put_together(cut: int) -> None:
    line = "<LAVA_TEST_RUNNER>: exiting"
    assert scan(f"{line[:cut]}{PRINTK}{line[cut:]}\r\n") == [RunnerExited(offset=0)]


def test_a_signal_torn_twice_is_put_together() -> None:
    assert scan(f"<LAVA_SIG{PRINTK}NAL_STARTTC {PRINTK}boot>\n") == [
        StartCase(offset=0, suite="", case="boot")
    ]


def test_a_torn_line_that_never_ends_does_not_swallow_what_follows() -> None:
    found = scan(f"<LAVA_SIGNAL_START{PRINTK}" + PRINTK * 100 + "<LAVA_SIGNAL_STARTTC boot>\n")
    assert found[-1:] == [StartCase(offset=found[-1].offset, suite="", case="boot")]


def test_a_torn_line_that_grows_too_long_is_given_up() -> None:
    long = "x" * (MAX_LINE - 40)
    text = f"{long}<LAVA_SIG{PRINTK}" + "y" * 200 + "\n<LAVA_SIGNAL_STARTTC boot>\n"
    assert [type(one) for one in scan(text)] == [StartCase]


def test_many_kernel_messages_in_one_line_are_looked_at_to_a_limit() -> None:
    text = "[    1.000000] a " * 50 + "<LAVA_SIGNAL_STARTTC boot>\n"
    assert [type(one) for one in scan("<x>" + text)] == [StartCase]


def test_offsets_are_those_of_the_lines_in_the_console() -> None:
    scanner = Scanner(1000)
    found = scanner.feed("ümlaut\r\n<LAVA_SIGNAL_STARTTC a>\r\n".encode())
    assert [one.offset for one in found] == [1009]


# -- output for patterns ---------------------------------------------------------------------------


def test_output_is_handed_out_while_a_definition_runs_and_only_if_asked_for() -> None:
    text = "before\n<LAVA_SIGNAL_STARTRUN net u>\nboot : pass\r\n<LAVA_SIGNAL_ENDRUN net u>\nafter\n"
    assert [one for one in scan(text, output=True) if isinstance(one, Output)] == [
        Output(offset=36, suite="net", text="boot : pass")
    ]
    assert not [one for one in scan(text) if isinstance(one, Output)]


# -- attachments -----------------------------------------------------------------------------------


def pieces(content: bytes, key: str = "s1.1", size: int = 400) -> list[str]:
    text = base64.b64encode(content).decode()
    cut = [text[start : start + size] for start in range(0, len(text), size)]
    return [f"<LAVA_ATTACHMENT {key} {n} {len(one)} {one}>\r\n" for n, one in enumerate(cut, 1)]


def attach(content: bytes, *, name: str = "log.txt", case: str = "", number: int = 1) -> str:
    words = f"s1.1 {name} text/plain {len(content)}" + (f" {case}" if case else "")
    return numbered(f"LAVA_SIGNAL_ATTACH {words}", number)


def attached(content: bytes, count: int, number: int = 1, digest: str | None = None) -> str:
    digest = digest or "sha256:" + hashlib.sha256(content).hexdigest()
    return request(f"LAVA_ATTACHED s1.1 {count} {digest}", number)


def test_a_file_comes_whole() -> None:
    content = bytes(range(256)) * 20
    sent = pieces(content)
    found = scan(
        "<LAVA_SIGNAL_STARTRUN net u>\n", attach(content, case="boot"), *sent, attached(content, len(sent))
    )
    assert [one for one in found if isinstance(one, Attached)] == [
        Attached(
            offset=found[-1].offset,
            suite="net",
            case="boot",
            name="log.txt",
            mime="text/plain",
            content=content,
        )
    ]


def test_missing_and_damaged_pieces_are_asked_for_again() -> None:
    content = bytes(range(256)) * 20
    sent = pieces(content)
    scanner = Scanner()
    damaged = [*sent[:2], sent[3].replace("A", "", 1), *sent[4:]]
    for text in [attach(content), *damaged]:
        scanner.feed(text.encode())
    [answer] = scanner.feed(attached(content, len(sent)).encode())
    assert isinstance(answer, Answer)
    assert answer.lines == wire.answer("s1", 1, "ok", "3-4")
    for text in sent[2:4]:
        scanner.feed(text.encode())
    found = scanner.feed(attached(content, len(sent), 2).encode())
    assert [type(one) for one in found] == [Attached, Answer]
    again = scanner.feed(attached(content, len(sent), 3).encode())
    assert [type(one) for one in again] == [Answer]


def test_a_file_with_the_wrong_digest_is_asked_for_again_as_a_whole() -> None:
    content = b"x" * 1000
    sent = pieces(content)
    found = scan(attach(content), *sent, attached(content, len(sent), digest="sha256:" + "0" * 64))
    assert isinstance(found[-1], Answer)
    assert found[-1].lines == wire.answer("s1", 1, "ok", f"1-{len(sent)}")


def test_an_empty_file_is_a_file() -> None:
    found = scan(attach(b""), attached(b"", 0))
    assert [type(one) for one in found] == [Attached, Answer]


def test_a_file_that_was_not_announced_is_refused() -> None:
    [answer] = scan(attached(b"x", 1))
    assert isinstance(answer, Answer)
    assert " no " in answer.lines[0]


def test_a_file_of_too_many_pieces_is_refused() -> None:
    found = scan(attach(b"abc"), attached(b"abc", 99_999_999))
    assert isinstance(found[-1], Answer)
    assert " no " in found[-1].lines[0]


def test_a_file_that_is_too_big_is_refused() -> None:
    words = f"LAVA_SIGNAL_ATTACH s1.1 big text/plain {26 * 1024 * 1024}"
    found = scan(numbered(words), attached(b"", 1))
    assert isinstance(found[-1], Answer)
    assert "25" in found[-1].lines[0]


def test_pieces_that_make_no_sense_are_left_out() -> None:
    content = b"abc"
    scanner = Scanner()
    scanner.feed(attach(content).encode())
    scanner.feed(attach(content, number=2).encode())
    for junk in ("s1.1 1 4 !!!!", "s1.1 0 4 YWJj", "s1.1 1 5 YWJj", "s9.9 1 4 YWJj", "s1.1", "s1.1 1 0 "):
        scanner.feed(f"<LAVA_ATTACHMENT {junk}>\n".encode())
    [missing] = scanner.feed(attached(content, 1).encode())
    assert isinstance(missing, Answer)
    assert missing.lines == wire.answer("s1", 1, "ok", "1")
    scanner.feed(pieces(content)[0].encode() * 2)
    assert [type(one) for one in scanner.feed(attached(content, 1, 2).encode())] == [Attached, Answer]


def test_a_node_that_announces_files_without_end_has_the_oldest_forgotten() -> None:
    scanner = Scanner()
    for number in range(1, 8):
        scanner.feed(numbered(f"LAVA_SIGNAL_ATTACH s1.{number} f text/plain 0", number).encode())
    found = {}
    for number in (1, 7):
        digest = "sha256:" + hashlib.sha256(b"").hexdigest()
        found[number] = scanner.feed(request(f"LAVA_ATTACHED s1.{number} 0 {digest}", number).encode())
    assert [len(found[1]), len(found[7])] == [1, 2]


def test_pieces_of_an_attachment_beyond_all_bounds_are_dropped() -> None:
    attachments = Attachments()
    attachments.begin("k", Incoming(suite="", case="", name="f", mime="m", size=5))
    text = base64.b64encode(b"x" * 3_000_000).decode()
    for number in range(1, 12):
        attachments.piece("k", number, len(text), text)
    verdict = attachments.finish("k", 12, "none:")
    assert verdict.text == "9-12"
    assert ranges(list(range(1, 400, 2))).count(" ") == 59


# -- whatever is fed -------------------------------------------------------------------------------

JUNK = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"<LAVA_",
            b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n",
            b"<LAVA_SIGNAL_STARTRUN a b>\r\n",
            b"<LAVA_SIGNAL_ENDRUN a b>\r\n",
            b"<LAVA_MULTI_NODE> <LAVA_SEND a b=c>\n",
            b"<LAVA_MULTI_NODE> <",
            b"<LAVA_TEST_RUNNER>: exiting\n",
            b"[    1.234567] oops\r\n",
            b"\x1b[31m",
            b"\x1b]",
            b"\n",
            b"\r\n",
            b">",
            b"'",
            b"+ ",
            numbered("LAVA_SIGNAL_STARTTC a%20b", 3).encode(),
            request("LAVA_JOURNAL 5", 2).encode(),
            request("LAVA_EXIT 5", 2).encode(),
            attach(b"x" * 100).encode(),
            pieces(b"x" * 100)[0].encode(),
            attached(b"x" * 100, 1).encode(),
            b"<LAVA_ATTACHMENT s1.1 1 4 !!!!>\n",
        ]
    ),
)


@given(st.lists(JUNK, max_size=30), st.data())
@settings(max_examples=300, deadline=None)
def test_any_chunking_of_any_bytes_gives_the_same_signals(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert scan(*chunks, output=True) == scan(whole, output=True)


@pytest.mark.parametrize(
    "unit",
    [
        b"<LAVA_SIGNAL_",
        b"<LAVA_SIGNAL_A ",
        b"<LAVA_SIGNAL_STARTTC a>",
        b"<LAVA_MULTI_NODE> <LAVA_",
        b"<LAVA_MULTI_NODE> " * 2,
        b"[    1.234567] ",
        b"<[    1.234567] ",
        b"<LAVA_ATTACHMENT a",
        b"\x1b]",
        b"\x1b[0;",
        b"<",
        b"' ",
        b"\xff",
        b"\r",
        b" #s.1.1",
    ],
)
def test_a_megabyte_of_anything_takes_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        data = unit * (size // len(unit))
        best = 10.0
        for _ in range(2):
            scanner = Scanner(output=True)
            begun = time.perf_counter()
            scanner.feed(data + b"\n<LAVA_SIGNAL_STARTTC a>\n")
            best = min(best, time.perf_counter() - begun)
        return best

    seconds(1000)
    assert seconds(2**20) < 2.0
    assert seconds(2**17) < 0.5


def test_a_line_without_end_is_kept_in_bounded_memory_and_the_next_is_found() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(b"x" * 100_000)) == []
    assert sum(map(len, lines._parts)) <= MAX_LINE
    assert list(lines.feed(b"\nnext\n"))[-1] == Line(10_000_001, "next")


def test_a_request_of_a_hundred_kilobytes_is_read() -> None:
    value = "v" * 100_000
    [found] = scan(request(f"LAVA_SEND big k={value}"))
    assert isinstance(found, Request)
    assert found.data == {"k": value}


# -- lost lines of helpers -------------------------------------------------------------------------


def fed(scanner: Scanner, *lines: str) -> list[Signal]:
    return [one for line in lines for one in scanner.feed(line.encode())]


RUN = [
    numbered("LAVA_SIGNAL_RUNNER s 7", 1, "s"),
    numbered("LAVA_SIGNAL_STARTRUN suite uuid", 2, "s"),
    numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass", 3, "s"),
    numbered("LAVA_SIGNAL_ENDRUN suite uuid", 4, "s"),
]


def results_of(found: list[Signal]) -> list[tuple[str, str]]:
    return [(one.suite, one.case) for one in found if isinstance(one, TestCase)]


def test_what_comes_behind_a_lost_line_waits_for_it_and_the_node_is_asked_once() -> None:
    scanner = Scanner()
    assert fed(scanner, RUN[0])
    found = fed(scanner, RUN[2], RUN[3])
    assert [type(one) for one in found] == [Answer]
    assert found == [Answer(offset=found[0].offset, lines=wire.again("s", "2"))]
    found = fed(scanner, RUN[1])
    assert [type(one) for one in found] == [StartRun, TestCase, EndRun]
    assert results_of(found) == [("suite", "a")]


def test_each_number_is_asked_for_once_only() -> None:
    scanner = Scanner()
    asked = [
        line
        for one in fed(scanner, RUN[0], RUN[3], *(numbered("LAVA_SIGNAL_ENDTC a", n, "s") for n in (5, 7)))
        if isinstance(one, Answer)
        for line in one.lines
    ]
    assert [line.split()[3:5] for line in asked] == [["again", "2-3"], ["again", "6"]]


def test_a_line_that_the_node_has_not_got_holds_nothing_up_for_ever() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    ask = [request("LAVA_JOURNAL 4", n, "s") for n in range(1, 7)]
    first, last = fed(scanner, *ask[:5]), fed(scanner, ask[5])
    assert all(isinstance(one, Answer) for one in first)
    assert [type(one) for one in last] == [Answer, EndRun]
    late = fed(scanner, RUN[2])
    assert results_of(late) == [("", "a")]
    assert not fed(scanner, RUN[2])


def test_what_waits_is_handed_out_when_nothing_more_comes() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    assert [type(one) for one in scanner.finish()] == [EndRun]
    assert scanner.finish() == []


def test_what_waits_is_handed_out_when_the_runner_exits() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    assert [type(one) for one in fed(scanner, "<LAVA_TEST_RUNNER>: exiting\n")] == [EndRun, RunnerExited]


def test_memory_for_what_waits_is_limited() -> None:
    scanner = Scanner()
    found = fed(scanner, *(numbered(f"LAVA_SIGNAL_STARTTC c{n}", n, "s") for n in range(2, 602)))
    assert len([one for one in found if isinstance(one, StartCase)]) == 600


@pytest.mark.parametrize(("sound", "damaged"), [(" #s", "#s"), (" #s", " s"), ("s1.3", "s13"), (".3.", ".3")])
def test_a_helpers_line_whose_number_is_damaged_is_not_taken_for_one_printed_by_hand(
    sound: str, damaged: str
) -> None:
    scanner = Scanner()
    fed(scanner, numbered("LAVA_SIGNAL_STARTRUN t u", 1))
    line = numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass", 3)
    found = fed(scanner, line.replace(sound, damaged))
    assert [type(one) for one in found] == [Ignored]
