"""What nodes printed, and the files they handed over: bytes from machines nobody trusts."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import console_log, console_search, files, queries
from jobs.api import shapes
from jobs.api.answers import HARMLESS
from jobs.api.errors import BadRequest
from jobs.api.operations import BINARY, TEXT, limit, operation, query, shape
from jobs.api.parameters import LARGEST, check_known, integer, text
from jobs.casting import cast_answer
from lab.kernel.errors import NotFound

PIECE = 1024 * 1024
"""Bytes of a console in one answer, where the request says nothing else."""
LARGEST_PIECE = 16 * 1024 * 1024
MAX_LINES = 10_000
_LINES = re.compile(r"(-?[0-9]{1,15}):([0-9]{1,6})\Z", re.ASCII)
_SAFE_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


class Console(APIView):
    """A console from ``?offset=`` on (negative: from the end), or ``?lines=FROM:COUNT`` of it as JSON.

    ``?times=1``: when it had grown how far, as [seconds since the epoch, bytes, newlines].

    A reader who follows goes on at X-Console-Offset + the length of what it got, until it has all and
    X-Console-Complete is true.
    """

    @operation(
        "read_console",
        "What a node printed",
        kinds={
            "text/plain": TEXT,
            "application/json": {"oneOf": [shape(shapes.ConsoleLines), shape(shapes.ConsoleTimes)]},
        },
        asks=[
            query("offset", int, "Bytes from the start; negative: from the end."),
            limit(LARGEST_PIECE, PIECE),
            query("lines", words="FROM:COUNT, counted from 0; a negative FROM counts from the end."),
            query("times", one_of=("1",), words="When it had grown how far."),
        ],
        headers={
            "X-Console-Offset": "Where these bytes begin.",
            "X-Console-Size": "How many there are so far.",
            "X-Console-Complete": "`true`: no more will come.",
        },
    )
    def get(self, request: Request, number: int, index: int) -> HttpResponseBase:
        check_known(request, ("offset", "limit", "lines", "times"))
        # Asked before reading: a console that is complete by then is read completely.
        complete = queries.console_of(request.user, number, index)
        if lines := request.query_params.get("lines"):
            return Response(_window(number, index, lines))
        if request.query_params.get("times"):
            return Response({"complete": complete, "times": console_log.times(number, index)})
        offset = integer(request, "offset", 0, low=-LARGEST)
        limit = integer(request, "limit", PIECE, low=1, high=LARGEST_PIECE)
        size = console_log.size(number, index)
        start, data = console_log.read(number, index, offset if offset >= 0 else max(0, size + offset), limit)
        return HttpResponse(
            data,
            content_type="text/plain; charset=utf-8",
            headers={
                "X-Console-Offset": str(start),
                "X-Console-Size": str(max(size, start + len(data))),
                "X-Console-Complete": "true" if complete else "false",
                **HARMLESS,
            },
        )


class ConsoleSearch(APIView):
    """The lines that hold a text, in the consoles of all nodes; letters A to Z match small and large."""

    @operation(
        "search_consoles",
        "Look for a text in all consoles",
        gives=shapes.FoundLines,
        asks=[query("text", words=f"Up to {console_search.LONGEST} characters of a line.", required=True)],
    )
    def get(self, request: Request, number: int) -> Response:
        check_known(request, ("text",))
        wanted = text(request, "text")
        queries.seen_job(request.user, number)
        if not 1 <= len(wanted) <= console_search.LONGEST or "\n" in wanted:
            raise BadRequest(f"text must be 1 to {console_search.LONGEST} characters of one line.")
        found = queries.search_consoles(request.user, number, wanted)
        return Response({"nodes": [asdict(one) for one in found]})


class Cast(APIView):
    """A console, as far as it goes now, as an asciicast (version 2), which `asciinema` plays."""

    @operation("read_cast", "What a node printed, to be played", kinds={"application/x-asciicast": TEXT})
    def get(self, request: Request, number: int, index: int) -> HttpResponseBase:
        check_known(request, ())
        return cast_answer(request._request, number, index)


class Attachment(APIView):
    """A file that a test attached."""

    @operation("read_attachment", "A file of a test", kinds={"application/octet-stream": BINARY})
    def get(self, request: Request, number: int, sha256: str) -> HttpResponseBase:
        row = queries.job_attachment(request.user, number, sha256)
        try:
            content = files.path_of(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFound("The file is not kept on this machine (any more).") from error
        name = _SAFE_NAME.sub("_", row["name"].rpartition("/")[2])[-100:] or sha256
        answer = FileResponse(
            content, as_attachment=True, filename=name, content_type="application/octet-stream"
        )
        for header, value in HARMLESS.items():
            answer.headers[header] = value
        return answer


def _window(number: int, index: int, lines: str) -> dict[str, Any]:
    """Return lines FROM … FROM+COUNT-1, counted from 0; a negative FROM counts from the end."""
    wanted = _LINES.match(lines)
    if wanted is None or not 1 <= int(wanted[2]) <= MAX_LINES:
        raise BadRequest(f"lines must be FROM:COUNT, with up to {MAX_LINES} lines, not {lines[:60]!r}.")
    count = int(wanted[2])
    size = console_log.size(number, index)
    total = _number_of_lines(number, index, size)
    first = int(wanted[1]) if int(wanted[1]) >= 0 else max(0, total + int(wanted[1]))
    begin = console_log.offset_of_line(number, index, first) if first < total else None
    end = console_log.offset_of_line(number, index, first + count)
    rows = [] if begin is None else _rows(number, index, begin, size if end is None else end, first)
    return {"first": first, "total": total, "size": size, "lines": rows}


def _number_of_lines(number: int, index: int, size: int) -> int:
    """Return how many lines there are; one that has only begun counts."""
    if size == 0:
        return 0
    ended = console_log.line_at(number, index, size)
    _, last = console_log.read(number, index, size - 1, 1)
    return ended if last == b"\n" else ended + 1


def _rows(number: int, index: int, begin: int, end: int, first: int) -> list[dict[str, Any]]:
    """Cut the bytes into lines; each has the time at which its first byte came."""
    end = min(end, begin + LARGEST_PIECE)
    chunks = console_log.chunks(number, index, begin, end - begin)
    data = b"".join(chunk.data for chunk in chunks)[: end - begin]
    times = [(chunk.offset, chunk.at) for chunk in chunks]
    rows, at, place = list[dict[str, Any]](), 0, 0
    for line in _split(data):
        while place + 1 < len(times) and times[place + 1][0] <= begin + at:
            place += 1
        text = line.decode(errors="replace").rstrip("\r\n")
        rows.append({"line": first + len(rows), "offset": begin + at, "at": times[place][1], "text": text})
        at += len(line)
    return rows


def _split(data: bytes) -> list[bytes]:
    """Split after newlines only: a lone carriage return moves the cursor, it ends no line."""
    *ended, last = data.split(b"\n")
    return [line + b"\n" for line in ended] + ([last] if last else [])
