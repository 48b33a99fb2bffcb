"""Boards: what can be asked of them."""

from __future__ import annotations

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import availability, health
from jobs.api.body import PARSERS, sent_value
from jobs.api.parameters import check_known


class Availability(APIView):
    """Says what the lab could give a job now: boards by type, what is free, who waits; what may be named."""

    def get(self, request: Request) -> Response:
        check_known(request, ())
        return Response(availability.availability(request.user))


class HealthCheck(APIView):
    """Has a board's health checked by a job."""

    parser_classes = PARSERS

    def post(self, request: Request, name: str) -> Response:
        reason = sent_value(request, "reason")
        number = health.check_board(name, reason[:500], actor=request.user, cause="api")
        url = request.build_absolute_uri(reverse("api:job", args=[number]))
        return Response({"id": number, "url": url}, 201, headers={"Location": url})
