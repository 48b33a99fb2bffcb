"""Who may do what with a board or a device type: asked and said. See docs/permissions.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import board_commands, seen, type_commands
from devices.seen import AccessView
from jobs.api import shapes_inventory as of
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import operation
from jobs.api.parameters import check_known
from jobs.api.preconditions import ETAG, IF_MATCH, etag, seen_version


class BoardAccess(APIView):
    """Who may do what with a board. What it does not say itself is as its type says."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("show_board_access", "Who may do what with a board", gives=of.Access, headers=ETAG)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return _told(seen.board_access(request.user, name))

    @operation(
        "change_board_access",
        "Say who may do what with a board",
        gives=of.Access,
        sends=of.AccessChange,
        asks=[IF_MATCH],
        headers=ETAG,
    )
    def put(self, request: Request, name: str) -> Response:
        """All lists are sent; what is left out is as the board's type says."""
        version = seen_version(request, seen.board(request.user, name).version)
        access, reason = _sent(request)
        board_commands.change_board_access(
            name, access, reason, actor=request.user, cause="api", expected_version=version
        )
        return _told(seen.board_access(request.user, name))


class DeviceTypeAccess(APIView):
    """Who may do what with a device type, and with its boards unless they say so themselves."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("show_device_type_access", "Who may do what with a type", gives=of.Access, headers=ETAG)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return _told(seen.type_access(request.user, name))

    @operation(
        "change_device_type_access",
        "Say who may do what with a type",
        gives=of.Access,
        sends=of.AccessChange,
        asks=[IF_MATCH],
        headers=ETAG,
    )
    def put(self, request: Request, name: str) -> Response:
        """All lists are sent; what is left out says the type that it is based on, or the lab."""
        version = seen_version(request, seen.device_type(request.user, name).version)
        access, reason = _sent(request)
        type_commands.change_device_type_access(
            name, access, reason, actor=request.user, cause="api", expected_version=version
        )
        return _told(seen.type_access(request.user, name))


def _sent(request: Request) -> tuple[Mapping[str, Any], str]:
    sent = Sent(request, ("access", "reason"))
    access = sent.mapping("access")
    if access is None:
        raise BadRequest('access is missing: send an object such as {"use": ["group:kernel"]}.')
    return access, sent.string("reason") or ""


def _told(one: AccessView) -> Response:
    row = {
        "access": one.own,
        "effective": one.effective,
        "rights": list(one.rights),
        "granted_by": one.granted_by,
    }
    return Response(row, headers=etag(one.version))
