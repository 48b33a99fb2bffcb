"""Jobs: listed, submitted, looked at, canceled, submitted again."""

from __future__ import annotations

from typing import cast

from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import commands, feed, queries
from jobs.api.answers import HARMLESS
from jobs.api.body import PARSERS, sent_definition, sent_value
from jobs.api.errors import CONTENT_TYPE, NOWHERE, BadRequest, details, problems
from jobs.api.parameters import check_known, integer, text
from jobs.domain import reports
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.validate import validate
from jobs.lab_view import lab_view
from jobs.queries import Filters
from jobs.result_document import result_document

MAX_PAGE = 500
MAX_EVENTS = 5000
LONGEST_KEY = 100
NO_DEFINITION = (
    "The request holds no definition: send it as the body (JSON or YAML), or as the field definition."
)
FILTERS = ("state", "outcome", "submitter", "board", "host_type", "text")


class Start(APIView):
    """Where the API begins."""

    def get(self, request: Request) -> Response:
        return Response(
            {
                name: request.build_absolute_uri(reverse(f"api:{name}"))
                for name in ("jobs", "validate", "feed")
            }
        )


class Nothing(APIView):
    """All other addresses below the API's."""

    permission_classes = ()

    def dispatch(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return JsonResponse(details(404, NOWHERE), status=404, content_type=CONTENT_TYPE)


class Jobs(APIView):
    """The list of jobs, newest first, and the way into it."""

    parser_classes = PARSERS

    def get(self, request: Request) -> Response:
        check_known(request, (*FILTERS, "before", "limit"))
        limit = integer(request, "limit", queries.PAGE, low=1, high=MAX_PAGE)
        before = integer(request, "before", 0) or None
        filters = cast(Filters, {name: text(request, name) for name in FILTERS})
        found = queries.job_list(request.user, filters, before=before, limit=limit + 1)
        return Response({"jobs": found[:limit], "next": _next(request, found, limit)})

    def post(self, request: Request) -> Response:
        definition = sent_definition(request)
        if definition is None:
            raise BadRequest(NO_DEFINITION)
        number = commands.submit_job(definition, user=request.user, cause="api", key=_key(request))
        return _created(request, number)


class OneJob(APIView):
    """Everything that is known of a job; with ``?after=`` of its rows only those touched since."""

    def get(self, request: Request, number: int) -> Response:
        check_known(request, ("after",))
        return Response(queries.job_snapshot(request.user, number, integer(request, "after", 0)))


class Definition(APIView):
    """The text of a definition, to the letter."""

    def get(self, request: Request, number: int) -> HttpResponse:
        queries.seen_job(request.user, number)
        return HttpResponse(queries.definition_text(number), content_type="text/plain; charset=utf-8")


class Events(APIView):
    """What happened, in order."""

    def get(self, request: Request, number: int) -> Response:
        check_known(request, ("after", "limit"))
        after = integer(request, "after", 0)
        limit = integer(request, "limit", 1000, low=1, high=MAX_EVENTS)
        queries.seen_job(request.user, number)
        found = queries.job_events(number, after, limit + 1)
        events = found[:limit]
        position = events[-1]["position"] if events else after
        return Response({"events": events, "position": position, "more": len(found) > limit})


class Feed(APIView):
    """All that happens in the lab, in order, as far as one may see it."""

    def get(self, request: Request) -> Response:
        check_known(request, ("after", "limit", "type"))
        after = integer(request, "after", 0)
        limit = integer(request, "limit", feed.MOST, low=1, high=MAX_EVENTS)
        types = frozenset(one for one in text(request, "type").split(",") if one)
        return Response(feed.feed(request.user, after, limit=limit, types=types))


class Results(APIView):
    """All results, in the order they were reported."""

    def get(self, request: Request, number: int) -> Response:
        row = queries.seen_job(request.user, number)
        counts = {"pass": row.passed, "fail": row.failed, "skip": row.skipped, "unknown": row.unknown}
        return Response({"results": queries.job_results(number), "counts": counts})


class Document(APIView):
    """Everything that came of a job as one document: what ``submit_results`` sends to a server."""

    def get(self, request: Request, number: int) -> Response:
        queries.seen_job(request.user, number)
        return Response(result_document(number))


class Report(APIView):
    """All results in a form that other programs read: ``xml`` (JUnit), ``tap`` (version 13), ``csv``."""

    def get(self, request: Request, number: str, form: str) -> HttpResponse:
        job, rows = queries.report(request.user, int(number))
        match form:
            case "xml":
                text, kind = reports.junit(job, rows), "application/xml"
            case "tap":
                text, kind = reports.tap(rows), "text/plain"
            case _:
                text, kind = reports.as_csv(job["id"], rows), "text/csv"
        return HttpResponse(
            text,
            content_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'inline; filename="job-{number}-results.{form}"', **HARMLESS},
        )


class Cancel(APIView):
    """Asks for a job's end. Asking again, or too late, changes nothing."""

    parser_classes = PARSERS

    def post(self, request: Request, number: int) -> Response:
        reason = sent_value(request, "reason")
        commands.request_cancel(number, reason[:1000], user=request.user, cause="api")
        return Response(queries.job_snapshot(request.user, number, after=2**62), 202)


class Resubmit(APIView):
    """Runs a job again: as it was, or with the definition that is sent; ``?board=same``: on its board."""

    parser_classes = PARSERS

    def post(self, request: Request, number: int) -> Response:
        check_known(request, ("board",))
        if (board := text(request, "board")) not in ("", "same"):
            raise BadRequest(f"board may only be same, not {board[:60]!r}; or name it in the definition.")
        definition = sent_definition(request)
        new = commands.resubmit_job(
            number,
            definition,
            same_board=board == "same",
            user=request.user,
            cause="api",
            key=_key(request),
        )
        return _created(request, new)


class Validate(APIView):
    """Says what is wrong with a definition, and who would be in the group."""

    parser_classes = PARSERS

    def post(self, request: Request) -> Response:
        definition = sent_definition(request) or ""
        try:
            valid = validate(definition, lab_view())
        except Invalid as invalid:
            found = problems(invalid.problems)
            return Response({"valid": False, "problems": found, "warnings": [], "nodes": []})
        nodes = [
            {"index": node.index, "name": node.name, "role": node.role, "device_type": node.device_type}
            for node in plan_nodes(valid)
        ]
        return Response({"valid": True, "problems": [], "warnings": problems(valid.warnings), "nodes": nodes})


def _key(request: Request) -> str:
    """Return the header Idempotency-Key: draft-ietf-httpapi-idempotency-key-header."""
    key: str = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise BadRequest(f"Idempotency-Key may have up to {LONGEST_KEY} printable characters.")
    return key


def _created(request: Request, number: int) -> Response:
    url = request.build_absolute_uri(reverse("api:job", args=[number]))
    return Response({"id": number, "url": url}, 201, headers={"Location": url})


def _next(request: Request, found: list[queries.JsonObject], limit: int) -> str | None:
    if len(found) <= limit:
        return None
    parameters = request.query_params.copy()
    parameters["before"] = str(found[limit - 1]["id"])
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")
