"""What people have done to a board by a worker: tests of its connections, and its power."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import errands, seen
from devices.errand_records import Errand
from jobs.api import shapes_inventory as of
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import operation
from jobs.api.parameters import check_known


class Errands(APIView):
    """The last errands of a board; the transcripts are for those who may see how the lab reaches it."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("list_errands", "What was tried on a board by hand", gives=of.Errands)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return Response({"errands": [_told(one) for one in seen.errands(request.user, name)]})

    @operation(
        "request_errand",
        "Have a board's connections tested, or its power switched",
        gives=of.ErrandMade,
        status=202,
        sends=of.WantedErrand,
        headers={"Location": "Where its outcome is to be found."},
    )
    def post(self, request: Request, name: str) -> Response:
        """A worker of the board's site does it; no job gets the board meanwhile."""
        what = Sent(request, ("what",)).needed("what")
        if what not in ("test", "on", "off", "cycle"):
            raise BadRequest(f"what must be test, on, off or cycle, not {what[:60]!r}.")
        return asked_for(request, name, what)


def asked_for(request: Request, name: str, what: str) -> Response:
    """Have it done, and answer where it will be told what came of it."""
    number = errands.request(name, what, actor=request.user, cause="api")
    url = request.build_absolute_uri(reverse("api:errands", args=[name]))
    return Response({"errand": number, "url": url}, 202, headers={"Location": url})


def _told(one: Errand) -> dict[str, Any]:
    steps = [{key: value for key, value in asdict(step).items() if key != "errand"} for step in one.steps]
    return {**asdict(one), "steps": steps}
