"""What is found in a console's bytes, and what is not."""

from __future__ import annotations

import pytest

from jobs.domain import wire
from jobs.domain.console_lines import MAX_LINE
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Answer,
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
from tests.unit.jobs.scanning import case, numbered, request, scan

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
