"""The console of a board that no job has, for programs: taken, typed on, read, given back."""

from __future__ import annotations

import base64

from django.conf import settings
from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import sitting, sitting_input, sitting_view
from jobs.api import shapes_hands as of
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import TEXT, limit, operation, query
from jobs.api.parameters import LARGEST, check_known, integer
from jobs.sending import cast_download
from lab.kernel.errors import Rejected

MINUTES = 60
PIECE = 256 * 1024
"""Bytes of a record in one answer, about, where the request says nothing else."""
LARGEST_PIECE = 4 * 1024 * 1024
MOST_MINUTES = 10**6
"""More than any lab allows: only so that the rules have a number they can compare."""


class BoardConsole(APIView):
    """The console of an idle board. No job gets the board meanwhile, and all of it is recorded.

    Who has it must be heard of: it is given back when neither keys nor a sign of life (empty keys) come for
    half a minute, and when nothing is typed for `idle` seconds.
    """

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "take_board_console",
        "Take the console of a board that no job has",
        gives=of.TakenConsole,
        status=201,
        sends=of.WantedConsole,
        needs_body=False,
    )
    def post(self, request: Request, name: str) -> Response:
        """Have a worker of the board's site open it."""
        sent = Sent(request, ("minutes", "power"))
        minutes = sent.whole("minutes", low=1, high=MOST_MINUTES) or MINUTES
        errand = sitting.request(
            name, seconds=60.0 * minutes, power=sent.string("power") or "", actor=request.user, cause="api"
        )
        by = request.user.get_username()
        return Response({"errand": errand, "by": by, "idle": settings.LABBOOK["KEYBOARD_IDLE"]}, 201)

    @operation("give_board_console", "Give the console of a board back", status=204)
    def delete(self, request: Request, name: str) -> Response:
        """Leave it. Somebody else's is taken away by releasing the board."""
        sitting_view.require(request.user, name)
        found = sitting_view.current(name)
        if found is None or found.by != request.user.get_username():
            raise Rejected(f"You do not have the console of board {name}.")
        sitting.leave(name, found.errand, actor=request.user, cause="api")
        return Response(status=204)


class BoardKeys(APIView):
    """What is typed at a board's console."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("type_board_keys", "Type on a board's console", status=202, sends=of.TypedBoardKeys)
    def post(self, request: Request, name: str) -> Response:
        """Type `text`, control characters as they are; an empty one is a sign of life."""
        sent = Sent(request, ("errand", "text"))
        errand = sent.whole("errand", low=1, high=2**62)
        if errand is None:
            raise BadRequest("errand is missing: it came with the console.")
        data = (sent.string("text") or "").encode()
        sitting_view.require(request.user, name)
        by = request.user.get_username()
        sitting_input.say_here(name, errand, by)
        if data:
            sitting_input.type_keys(name, errand, by, data)
        return Response(status=202)


class BoardRecord(APIView):
    """What goes over a board's console while somebody sits at it: for those who may type there."""

    @operation(
        "read_board_console",
        "What goes over a board's console",
        gives=of.ConsoleRecord,
        asks=[query("after", int, "The id of the last piece that one has."), limit(LARGEST_PIECE, PIECE)],
    )
    def get(self, request: Request, name: str, errand: int) -> Response:
        """The next pieces, about so many bytes of them. It is over, and all is read, with none and `over`."""
        check_known(request, ("after", "limit"))
        after = integer(request, "after", 0, high=LARGEST)
        most = integer(request, "limit", PIECE, low=1, high=LARGEST_PIECE)
        one = sitting_view.one(request.user, name, errand)  # before the pieces: these may be the last
        pieces = [
            {"id": row.pk, "kind": row.kind, "at": row.at, "data": base64.b64encode(row.data).decode()}
            for row in sitting_view.pieces(request.user, name, errand, after, most)
        ]
        told = {"errand": errand, "by": one.by, "open": bool(one.worker), "over": bool(one.outcome)}
        return Response({**told, "pieces": pieces})


class BoardCast(APIView):
    """The same as an asciicast (version 2), which `asciinema` plays."""

    @operation("read_board_cast", "A sitting at a board's console", kinds={"application/x-asciicast": TEXT})
    def get(self, request: Request, name: str, errand: int) -> HttpResponseBase:
        check_known(request, ())
        pieces = sitting_view.cast(request.user, name, errand)
        return cast_download(request._request, pieces, f"{name}-{errand}.cast")
