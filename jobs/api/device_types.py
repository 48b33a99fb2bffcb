"""Device types: listed, looked at, registered, changed, retired."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import seen, type_commands
from devices.seen import DeviceTypeView
from jobs.api import shapes_inventory as of
from jobs.api import telling
from jobs.api.body import PARSERS, Sent
from jobs.api.operations import limit, operation, query
from jobs.api.parameters import check_known, text
from jobs.api.preconditions import ETAG, IF_MATCH, etag, seen_version

PAGE, MAX_PAGE = 100, 500
CHANGEABLE = ("base", "description", "config")


class DeviceTypes(APIView):
    """The types of boards and of virtual machines, and the way to register one."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "list_device_types",
        "Device types, by name",
        gives=of.DeviceTypes,
        asks=[
            query("kind", one_of=("board", "vm")),
            query("text", words="In the name or the description."),
            query("retired", one_of=("1",), words="Also those that are out of use."),
            query("after", words="Only types whose names come after this one."),
            limit(MAX_PAGE, MAX_PAGE),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, ("kind", "text", "retired", "after", "limit"))
        kind, retired = text(request, "kind"), text(request, "retired") == "1"
        types = seen.device_types(request.user, retired=retired)
        found = [one for one in types if kind in ("", one.kind)]
        return telling.by_name(request, "device_types", found, partial(_row, request), MAX_PAGE, MAX_PAGE)

    @operation(
        "register_device_type",
        "Register a device type",
        gives=of.WholeDeviceType,
        status=201,
        sends=of.NewDeviceType,
        headers={"Location": "The type's address."} | ETAG,
    )
    def post(self, request: Request) -> Response:
        sent = Sent(request, ("name", "kind", "access", *CHANGEABLE))
        name = sent.needed("name")
        type_commands.register_device_type(
            name,
            sent.needed("kind"),
            sent.string("description") or "",
            sent.config() or {},
            base=sent.string("base") or "",
            access=sent.mapping("access"),
            actor=request.user,
            cause="api",
        )
        answer = _whole(request, name, 201)
        answer.headers["Location"] = _url(request, name)
        return answer


class OneDeviceType(APIView):
    """All about a type; its configuration for those who may see that."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("show_device_type", "All about a device type", gives=of.WholeDeviceType, headers=ETAG)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return _whole(request, name)

    @operation(
        "change_device_type",
        "Change a device type",
        gives=of.WholeDeviceType,
        sends=of.DeviceTypeChange,
        asks=[IF_MATCH],
        headers=ETAG,
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change what is sent; refused where a board or a type that is based on it could not be used then."""
        sent = Sent(request, (*CHANGEABLE, "reason"))
        type_commands.change_device_type(
            name,
            description=sent.string("description"),
            config=sent.config(),
            base=sent.string("base"),
            reason=sent.string("reason") or "",
            actor=request.user,
            cause="api",
            expected_version=seen_version(request, seen.device_type(request.user, name).version),
        )
        return _whole(request, name)


class History(APIView):
    """What happened to a type, in words, the newest first."""

    @operation(
        "list_device_type_history",
        "What happened to a device type",
        gives=of.History,
        asks=[query("before", int, "Only versions below this one."), limit(MAX_PAGE, PAGE)],
    )
    def get(self, request: Request, name: str) -> Response:
        return telling.history(request, partial(seen.device_type_history, request.user, name), PAGE, MAX_PAGE)


class Retire(APIView):
    """Takes a type out of use for good; it must have no boards in use."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("retire_device_type", "Retire a device type", gives=of.WholeDeviceType, sends=of.GivenReason)
    def post(self, request: Request, name: str) -> Response:
        reason = Sent(request, ("reason",)).string("reason") or ""
        type_commands.retire_device_type(name, reason, actor=request.user, cause="api")
        return _whole(request, name)


def _url(request: Request, name: str) -> str:
    return request.build_absolute_uri(reverse("api:device-type", args=[name]))


def _row(request: Request, one: DeviceTypeView) -> dict[str, Any]:
    return {**asdict(one), "url": _url(request, one.name)}


def _whole(request: Request, name: str, status: int = 200) -> Response:
    one = seen.device_type(request.user, name)
    found = seen.type_config(request.user, name)
    told = telling.configured(*((found[0][-1].config, found[1], []) if found else (None, None, None)))
    return Response({**_row(request, one), **told}, status, headers=etag(one.version))
