"""The pure parts of the pages' JavaScript, run in the browser that they are for."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from jobs import queries
from tests.browser import story
from tests.browser.conftest import Site
from tests.support.databases import Database
from tests.support.jobs import make_inventory, make_user

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(modules: Site) -> Site:
    """Any page: modules are loaded into it by hand."""
    modules.open("/static/img/labbook.svg")
    return modules


ANSI: list[tuple[str, list[list[str]]]] = [
    ("plain", [["plain", ""]]),
    ("", []),
    ("\x1b[31mred\x1b[0m rest", [["red", "ar"], [" rest", ""]]),
    ("\x1b[1;32mgo\x1b[22mon", [["go", "ag bold"], ["on", "ag"]]),
    ("\x1b[38;5;200;31mx", [["x", "ar"]]),
    ("\x1b[38;2;1;2;3;33mx", [["x", "ay"]]),
    ("\x1b[7mx", [["x", "inv"]]),
    ("10%\r20%\r100%", [["100%", ""]]),
    ("long text\rab\x1b[K", [["ab", ""]]),
    ("abc\b\bX", [["aXc", ""]]),
    ("a\tb", [["a\tb", ""]]),
    ("\x1b[0ma\tb", [["a       b", ""]]),
    ("\x1b]0;a title\x07shown", [["shown", ""]]),
    ("\x1b]0;never ended", []),
    ("\x1bP1$tq\x1b\\after", [["after", ""]]),
    ("\x1b[2J\x1b[1;1Hhome", [["home", ""]]),
    ("\x1b[3Cx", [["   x", ""]]),
    ("\x1b[999999999Cx\x1b[1Gy", [["y" + " " * 1999 + "x", ""]]),
    ("cut \x1b[3", [["cut ", ""]]),
    ("\x1b", []),
    ("nul\x00bell\x07", [["nulbell", ""]]),
    ("<b>&amp;</b>\x1b[31m<i>", [["<b>&amp;</b>", ""], ["<i>", "ar"]]),
    ("\U0001f600\x1b[0m\U0001f600", [["\U0001f600\U0001f600", ""]]),
]
"""Lines as consoles print them, and the pieces shown of each: text, classes."""


def test_escape_sequences_become_colours_and_movements_within_the_line(page: Site) -> None:
    shown = page.run(
        "const { segments } = await module('console/ansi.js');"
        "return given[0].map((line) => segments(line).map(({ text, classes }) => [text, classes]));",
        [line for line, _ in ANSI],
    )
    assert shown == [expected for _, expected in ANSI]


@pytest.mark.parametrize("seed", range(3))
def test_lines_are_the_same_however_the_bytes_were_cut(page: Site, seed: int) -> None:
    chance = random.Random(seed)
    alphabet = [b"a", b"bc", b"\r\n", b"\n", "é".encode(), "\U0001f600".encode(), b"\xff", b"\r"]
    data = b"".join(chance.choice(alphabet) for _ in range(2000))
    chunks: list[dict[str, Any]] = []
    at = 0
    while at < len(data):
        # Now and then a chunk comes again, wholly or in part, as after a reconnect.
        start = max(0, at - chance.choice([0, 0, 0, 5, 40]))
        end = min(len(data), at + chance.randint(1, 50))
        chunks.append(
            {
                "offset": start,
                "line": data.count(b"\n", 0, start),
                "at": float(len(chunks)),
                "data": base64.b64encode(data[start:end]).decode(),
            }
        )
        at = end
    result = page.run(
        "const { LineBuffer } = await module('console/lines.js'); const buffer = new LineBuffer();"
        "const taken = given[0].map((chunk) => buffer.push(chunk));"
        "return { taken: taken.every(Boolean), end: buffer.end,"
        "  lines: buffer.lines.map(({ n, offset, text }) => [n, offset, text]) };",
        chunks,
    )
    lines = data.split(b"\n")
    offsets = [0]
    for line in lines[:-1]:
        offsets.append(offsets[-1] + len(line) + 1)
    texts = [line.removesuffix(b"\r").decode(errors="replace") for line in lines]
    expected = [list(one) for one in zip(range(1, len(lines) + 1), offsets, texts, strict=True)]
    if lines[-1] == b"":
        expected.pop()
    assert result == {"taken": True, "end": len(data), "lines": expected}


def test_a_gap_is_noticed_and_nothing_of_it_taken(page: Site) -> None:
    result = page.run(
        "const { LineBuffer } = await module('console/lines.js'); const buffer = new LineBuffer();"
        "const bytes = new TextEncoder().encode('abc');"
        "const first = buffer.push({ offset: 10, line: 2, at: 0, data: bytes });"
        "const gap = buffer.push({ offset: 14, line: 2, at: 0, data: bytes });"
        "return [first, gap, buffer.end, buffer.last];"
    )
    assert result == [True, False, 13, 3]


def test_a_line_without_end_is_cut_and_counted(page: Site) -> None:
    result = page.run(
        "const { LineBuffer, LONGEST_SHOWN } = await module('console/lines.js');"
        "const buffer = new LineBuffer();"
        "const bytes = new Uint8Array(LONGEST_SHOWN).fill(65);"
        "buffer.push({ offset: 0, line: 0, at: 0, data: bytes });"
        "buffer.push({ offset: LONGEST_SHOWN, line: 0, at: 0, data: bytes });"
        "return buffer.lines.map(({ text }) => [text.length > LONGEST_SHOWN, text.slice(-26)]);"
    )
    assert result == [[True, "AAAA … 16384 more bytes"[-26:].rjust(26, "A")]]


def test_the_snapshot_and_the_deltas_after_it_make_the_snapshot_of_now(
    page: Site, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_inventory()
    asha = make_user("asha")
    run = story.begin(asha, monkeypatch)
    snapshots = [queries.job_snapshot(asha, 1)]
    deltas = []
    for tell in (
        story.boot_host,
        story.boot_vms,
        story.meet,
        story.move_data,
        story.stall,
        story.lose_client_2,
    ):
        tell(run)
        deltas.append(queries.job_snapshot(asha, 1, after=snapshots[-1]["position"]))
        snapshots.append(queries.job_snapshot(asha, 1))
    # Each delta twice, and all of them again in the end: a reconnect may bring what is known.
    merged = page.run(
        "const { fromSnapshot, merge, toSnapshot } = await module('job/state.js');"
        "let state = fromSnapshot(given[0]);"
        "const twice = given[1].flatMap((one) => [one, one]);"
        "for (const delta of [...twice, ...given[1]]) state = merge(state, delta);"
        "return toSnapshot(state);",
        snapshots[0],
        deltas,
    )
    assert merged == snapshots[-1]


def test_who_waits_for_whom_is_said_in_words(page: Site) -> None:
    def node(index: int, name: str, waits: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"index": index, "name": name, "state": "test", "closed": None, "waits": waits, "doing": ""}

    sync = {"kind": "sync", "id": "up", "role": "", "since": 0}
    script = (
        "const { waitersOf, rootsOf, headline } = await module('job/waits.js');"
        "return given[0].map((nodes) => { const state = { nodes };"
        "  return headline(waitersOf(state, 100), rootsOf(state, 100), nodes); });"
    )
    groups = [
        [node(0, "host", {**sync, "needs": ["vm"]}), node(1, "vm")],
        [node(0, "host", {**sync, "needs": ["a"]}), node(1, "a"), node(2, "b", {**sync, "needs": ["a"]})],
        [node(0, "host", {**sync, "needs": ["a"]}), node(1, "a"), node(2, "b")],
        [node(0, "host", {**sync, "needs": ["a"]}), node(1, "a", {**sync, "needs": ["host"]})],
    ]
    assert page.run(script, groups) == [
        "host waits on vm",
        "Everything waits on a",
        "host waits on a",
        "Everybody waits: nobody can go on",
    ]


def test_a_time_that_has_passed_is_later_than_usual(page: Site) -> None:
    told = page.run(
        "const { about } = await module('words.js'); return given[0].map(about);", [-600, -1, 10, 700]
    )
    assert told == ["later than usual", "later than usual", "in a moment", "in about 10 min"]


def test_when_a_job_starts_is_asked_again_without_a_step_past_what_the_socket_tells(page: Site) -> None:
    told = page.run(
        """
        const { estimatedAgain } = await module('job/queue.js');
        const asked = [];
        const answers = [
          { ok: true, json: async () => ({ position: 9, waiting: [], expected_start: null, phases: [] }) },
          { ok: true, json: async () => ({ position: 3, waiting: [], expected_start: "2026-01-01" }) },
          { ok: false },
        ];
        const real = window.fetch;
        window.fetch = async (address) => {
          asked.push(address);
          return answers[asked.length - 1] ?? fail();
        };
        const state = { id: 7, position: 5, expected_start: "2025-01-01" };
        const found = [];
        for (let i = 0; i < 4; i++) found.push(await estimatedAgain(state));
        window.fetch = real;
        return [found, asked[0]];
        """
    )
    assert told[0] == [{"waiting": [], "expected_start": None}, None, None, None]
    assert told[1].startswith("/api/v1/jobs/7/?after=")
