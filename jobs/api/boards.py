"""Boards: listed, looked at, registered, changed, and handled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import board_commands, seen
from devices.domain.errand import POWER
from devices.seen import BoardView
from jobs import availability, health
from jobs.api import shapes, telling
from jobs.api import shapes_inventory as of
from jobs.api.body import PARSERS, Sent, sent_value
from jobs.api.errands import asked_for
from jobs.api.errors import BadRequest
from jobs.api.operations import limit, operation, query
from jobs.api.parameters import check_known, integer, text
from jobs.api.preconditions import ETAG, IF_MATCH, etag, seen_version

PAGE, MAX_PAGE = 100, 500
STATES = ("free", "reserved", "unhealthy", "unchecked", "offline", "quarantined", "retired")
FILTERS = ("state", "health", "device_type", "site", "tag")
CHANGEABLE = ("device_type", "site", "tags", "description", "config")
DEFAULT_SITE = "default"
BOARD_URL = {"Location": "The board's address."}


class Boards(APIView):
    """All boards, by name, and the way to register one."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "list_boards",
        "Boards, by name",
        gives=of.Boards,
        asks=[
            query("state", one_of=STATES),
            query("health", one_of=("unknown", "good", "bad")),
            query("device_type"),
            query("site"),
            query("tag"),
            query("text", words="In the name or the description."),
            query("retired", one_of=("1",), words="Also those that are out of the inventory."),
            query("after", words="Only boards whose names come after this one."),
            limit(MAX_PAGE, PAGE),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, (*FILTERS, "text", "retired", "after", "limit"))
        wanted = {name: text(request, name) for name in FILTERS}
        retired = text(request, "retired") == "1" or wanted["state"] == "retired"
        found = [one for one in seen.boards(request.user, retired=retired) if _matches(one, wanted)]
        return telling.by_name(request, "boards", found, partial(_row, request), PAGE, MAX_PAGE)

    @operation(
        "register_board",
        "Register a board",
        gives=of.WholeBoard,
        status=201,
        sends=of.NewBoard,
        headers=BOARD_URL | ETAG,
    )
    def post(self, request: Request) -> Response:
        sent = Sent(request, ("name", "access", *CHANGEABLE))
        name = sent.needed("name")
        board_commands.register_board(
            name,
            sent.needed("device_type"),
            sent.string("site") or DEFAULT_SITE,
            sent.strings("tags") or (),
            sent.string("description") or "",
            sent.config() or {},
            access=sent.mapping("access"),
            actor=request.user,
            cause="api",
        )
        answer = _whole(request, name, 201)
        answer.headers["Location"] = _url(request, name)
        return answer


class OneBoard(APIView):
    """All about a board; its configuration for those who may see that."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("show_board", "All about a board", gives=of.WholeBoard, headers=ETAG)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return _whole(request, name)

    @operation(
        "change_board",
        "Change a board",
        gives=of.WholeBoard,
        sends=of.BoardChange,
        asks=[IF_MATCH],
        headers=ETAG,
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change what is sent. Jobs that come and go meanwhile do not count as edits."""
        sent = Sent(request, (*CHANGEABLE, "reason"))
        board_commands.change_board(
            name,
            device_type=sent.string("device_type"),
            site=sent.string("site"),
            tags=sent.strings("tags"),
            description=sent.string("description"),
            config=sent.config(),
            reason=sent.string("reason") or "",
            actor=request.user,
            cause="api",
            expected_version=seen_version(request, seen.board(request.user, name).version),
        )
        return _whole(request, name)


class History(APIView):
    """What happened to a board, in words, the newest first."""

    @operation(
        "list_board_history",
        "What happened to a board",
        gives=of.History,
        asks=[query("before", int, "Only versions below this one."), limit(MAX_PAGE, PAGE)],
    )
    def get(self, request: Request, name: str) -> Response:
        return telling.history(request, partial(seen.board_history, request.user, name), PAGE, MAX_PAGE)


class Reservations(APIView):
    """Which jobs had a board, and when."""

    @operation("list_reservations", "Who had a board", gives=of.Reservations, asks=[limit(MAX_PAGE, PAGE)])
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ("limit",))
        size = integer(request, "limit", PAGE, low=1, high=MAX_PAGE)
        found = seen.reservations(request.user, name, size)
        return Response({"reservations": [asdict(one) for one in found]})


class Handling(APIView):
    """Something that is done to a board for a reason."""

    parser_classes = PARSERS
    scope = "admin"

    def _do(self, request: Request, name: str, command: Callable[..., None]) -> Response:
        reason = Sent(request, ("reason",)).string("reason") or ""
        command(name, reason, actor=request.user, cause="api")
        return _whole(request, name)


class Offline(Handling):
    """Keeps new jobs away from a board. A job that has it goes on."""

    @operation("take_board_offline", "Take a board offline", gives=of.WholeBoard, sends=of.GivenReason)
    def post(self, request: Request, name: str) -> Response:
        return self._do(request, name, board_commands.take_board_offline)


class Online(Handling):
    """Gives a board to jobs again; a quarantined one needs a reason."""

    @operation(
        "bring_board_online", "Bring a board online", gives=of.WholeBoard, sends=of.Reason, needs_body=False
    )
    def post(self, request: Request, name: str) -> Response:
        return self._do(request, name, board_commands.bring_board_online)


class Release(Handling):
    """Takes a board from a job, or an errand, that got stuck. It ends, and its worker's token is void."""

    @operation("release_board", "Release a stuck board", gives=of.WholeBoard, sends=of.GivenReason)
    def post(self, request: Request, name: str) -> Response:
        return self._do(request, name, board_commands.release_board)


class Clone(APIView):
    """Registers a board like another one."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "clone_board",
        "Clone a board",
        gives=of.WholeBoard,
        status=201,
        sends=of.Clone,
        headers=BOARD_URL | ETAG,
    )
    def post(self, request: Request, name: str) -> Response:
        """It has the same type, site, tags, description and configuration, but for what is sent."""
        sent = Sent(request, ("name", "config"))
        new = sent.needed("name")
        board_commands.clone_board(name, new, sent.config(), actor=request.user, cause="api")
        answer = _whole(request, new, 201)
        answer.headers["Location"] = _url(request, new)
        return answer


class Retire(Handling):
    """Takes a board out of the inventory for good; its history stays."""

    @operation("retire_board", "Retire a board", gives=of.WholeBoard, sends=of.GivenReason)
    def post(self, request: Request, name: str) -> Response:
        return self._do(request, name, board_commands.retire_board)


class Health(APIView):
    """Notes whether a board works."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("note_board_health", "Note a board's health", gives=of.WholeBoard, sends=of.HealthNote)
    def post(self, request: Request, name: str) -> Response:
        sent = Sent(request, ("health", "reason"))
        reason = sent.string("reason") or ""
        board_commands.set_board_health(name, sent.needed("health"), reason, actor=request.user, cause="api")
        return _whole(request, name)


class Power(APIView):
    """Switches the power of a board that is offline, on the record."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "switch_board_power",
        "Switch a board's power",
        gives=of.ErrandMade,
        status=202,
        sends=of.PowerAction,
        headers={"Location": "Where its outcome is to be found."},
    )
    def post(self, request: Request, name: str) -> Response:
        """A worker of the board's site does it, which reaches the switch; no job gets the board meanwhile."""
        action = Sent(request, ("action",)).needed("action")
        if action not in POWER:
            raise BadRequest(f"action must be on, off or cycle, not {action[:60]!r}.")
        return asked_for(request, name, action)


class Availability(APIView):
    """Says what the lab could give a job now: boards by type, what is free, who waits; what may be named."""

    @operation("show_availability", "What a job could have now", gives=of.Availability)
    def get(self, request: Request) -> Response:
        check_known(request, ())
        return Response(availability.availability(request.user))


class HealthCheck(APIView):
    """Has a board's health checked by a job."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "check_board",
        "Check a board's health",
        gives=shapes.Made,
        status=201,
        sends=of.Reason,
        needs_body=False,
        headers={"Location": "The job's address."},
    )
    def post(self, request: Request, name: str) -> Response:
        reason = sent_value(request, "reason")
        number = health.check_board(name, reason[:500], actor=request.user, cause="api")
        url = request.build_absolute_uri(reverse("api:job", args=[number]))
        return Response({"id": number, "url": url}, 201, headers={"Location": url})


def _matches(one: BoardView, wanted: dict[str, str]) -> bool:
    for name in ("state", "health", "device_type", "site"):
        if wanted[name] and getattr(one, name) != wanted[name]:
            return False
    return not wanted["tag"] or wanted["tag"] in one.tags


def _url(request: Request, name: str) -> str:
    return request.build_absolute_uri(reverse("api:board", args=[name]))


def _row(request: Request, one: BoardView) -> dict[str, Any]:
    return {
        **{key: value for key, value in asdict(one).items() if key not in ("closed", "errand")},
        "url": _url(request, one.name),
    }


def _whole(request: Request, name: str, status: int = 200) -> Response:
    one = seen.board(request.user, name)
    found = seen.board_config(request.user, name)
    told = telling.configured(*((found[0][-1].config, *found[1:]) if found else (None, None, None)))
    return Response({**_row(request, one), **told}, status, headers=etag(one.version))
