"""Hands on a running job: the keyboards of its nodes, and holding it before its clean-up."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import hand_commands, queries
from jobs.api import shapes, shapes_hands
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import operation, query
from jobs.api.parameters import check_known, integer

ONLY_THE_JOB = 2**62
MOST_SECONDS = 10**7
"""More than any lab allows: only so that the rules have a number they can compare."""


class Keyboard(APIView):
    """The keyboard of a node: one person at a time has it.

    What is typed goes to the very console that the test reads, and the test goes on. It is recorded with the
    job, and may be read by whoever may see the job. The keyboard is given back when nothing is typed for
    `idle` seconds.
    """

    parser_classes = PARSERS

    @operation("take_keyboard", "Take the keyboard of a node", gives=shapes_hands.TakenKeyboard, status=201)
    def post(self, request: Request, number: int, index: int) -> Response:
        """Take it. Who has it in another window has it here from now on."""
        taken = hand_commands.take_keyboard(number, index, user=request.user, cause="api")
        return Response({**taken.as_json(), "idle": settings.LABBOOK["KEYBOARD_IDLE"]}, 201)

    @operation(
        "give_keyboard",
        "Give the keyboard of a node back",
        status=204,
        asks=[query("ticket", int, "Only if it is this one, that came with the keyboard.")],
    )
    def delete(self, request: Request, number: int, index: int) -> Response:
        """Give it back when what was typed has been read; or take it away from somebody at once, which those
        may who may cancel the job. A conflict where not all was read in time: then it is given back, too."""
        check_known(request, ("ticket",))
        ticket = integer(request, "ticket", 0) or None
        hand_commands.hand_back(number, index, ticket=ticket, user=request.user, cause="api")
        return Response(status=204)


class Keys(APIView):
    """What is typed."""

    parser_classes = PARSERS

    @operation("type_keys", "Type on a node's console", status=202, sends=shapes_hands.TypedKeys)
    def post(self, request: Request, number: int, index: int) -> Response:
        """Type `text`, control characters as they are: a carriage return is the key Enter."""
        sent = Sent(request, ("ticket", "text"))
        ticket = sent.whole("ticket", low=1, high=2**62)
        if ticket is None:
            raise BadRequest("ticket is missing: it came with the keyboard.")
        hand_commands.type_keys(number, index, ticket, sent.needed("text").encode(), user=request.user)
        return Response(status=202)


class Hold(APIView):
    """A job that is held when its work is done: its VMs go on to run, its host is not cleaned yet."""

    parser_classes = PARSERS

    @operation(
        "hold_job",
        "Hold a job before its clean-up",
        gives=shapes.WholeJob,
        status=202,
        sends=shapes_hands.Hold,
    )
    def post(self, request: Request, number: int) -> Response:
        """Have it held for so many seconds, from when its work is done; held already, from now."""
        sent = Sent(request, ("seconds", "reason", "if_failed"))
        seconds = sent.whole("seconds", low=1, high=MOST_SECONDS)
        if seconds is None:
            raise BadRequest("seconds is missing: for how long is it to be held?")
        hand_commands.hold_job(
            number,
            seconds,
            sent.string("reason") or "",
            if_failed=sent.truth("if_failed"),
            user=request.user,
            cause="api",
        )
        return Response(queries.job_snapshot(request.user, number, after=ONLY_THE_JOB), 202)

    @operation("release_job", "Hold a job no longer", gives=shapes.WholeJob, status=202)
    def delete(self, request: Request, number: int) -> Response:
        """Let it go on to its clean-up."""
        check_known(request, ())
        hand_commands.release_job(number, user=request.user, cause="api")
        return Response(queries.job_snapshot(request.user, number, after=ONLY_THE_JOB), 202)
