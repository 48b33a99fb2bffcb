"""Jobs: listed, submitted, looked at, canceled, submitted again."""

from __future__ import annotations

from typing import cast

from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import commands, feed, queries
from jobs.api import shapes
from jobs.api import shapes_inventory as inventory_shapes
from jobs.api.answers import HARMLESS
from jobs.api.body import PARSERS, sent_definition, sent_value
from jobs.api.errors import CONTENT_TYPE, NOWHERE, BadRequest, details, problems
from jobs.api.operations import TEXT, header, limit, operation, query
from jobs.api.parameters import check_known, integer, next_page, text
from jobs.domain import reports
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.reading import one_of
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
DEFINITION = {
    "application/yaml": TEXT,
    "application/json": {"type": "object"},
    "multipart/form-data": {
        "type": "object",
        "properties": {"definition": {**TEXT, "format": "binary"}},
        "required": ["definition"],
    },
}
"""A definition as it may be sent: the text itself, an envelope around it, or a form."""
KEY = header("Idempotency-Key", "Sent again with the same key, no second job is made.")
LOCATION = {"Location": "The job's address."}
STATES = ("queued", "assigned", "running", "canceling", "finished", "open")
ORDERS = ("newest", "oldest")
FILTERS = ("state", "outcome", "submitter", "board", "host_type", "text")


class Start(APIView):
    """Where the API begins."""

    @operation("start", "Where the API begins", gives=shapes.Start)
    def get(self, request: Request) -> Response:
        names = [
            *("jobs", "validate", "feed", "boards", "device-types", "images"),
            *("me", "webhooks", "tokens", "views", "schema", "docs"),
        ]
        return Response({name: request.build_absolute_uri(reverse(f"api:{name}")) for name in names})


class Nothing(APIView):
    """All other addresses below the API's."""

    permission_classes = ()
    schema = None

    def dispatch(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return JsonResponse(details(404, NOWHERE), status=404, content_type=CONTENT_TYPE)


class Jobs(APIView):
    """The list of jobs, newest first, and the way into it."""

    parser_classes = PARSERS

    @operation(
        "list_jobs",
        "Jobs, newest first",
        gives=shapes.Jobs,
        asks=[
            query("state", one_of=STATES, words="`open`: all that have not ended."),
            query("outcome", one_of=("complete", "incomplete", "canceled")),
            query("submitter"),
            query("board"),
            query("host_type"),
            query("text", words="Words, or how they begin, in names, types, roles or the definition."),
            query("order", one_of=ORDERS),
            query("before", int, "Only jobs with lower numbers."),
            query("after", int, "Only jobs with higher numbers; the oldest of them first."),
            limit(MAX_PAGE, queries.PAGE),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, (*FILTERS, "order", "before", "after", "limit"))
        size = integer(request, "limit", queries.PAGE, low=1, high=MAX_PAGE)
        before, after = (integer(request, name, 0) or None for name in ("before", "after"))
        if (order := text(request, "order") or ("oldest" if after else "newest")) not in ORDERS:
            raise BadRequest(f"order must be {one_of(ORDERS)}, not {order[:60]!r}.")
        if (before and after) or (before if order == "oldest" else after):
            raise BadRequest("before is for order=newest, after for order=oldest.")
        filters = cast(Filters, {name: text(request, name) for name in FILTERS})
        upwards = {"after": after or 0} if order == "oldest" else {"before": before}
        found = queries.job_list(request.user, filters, **upwards, limit=size + 1)
        if order == "oldest":
            found.reverse()
        listed = queries.with_estimates(found[:size])
        return Response({"jobs": listed, "next": _next(request, found, size, order)})

    @operation(
        "submit_job",
        "Submit a job",
        gives=shapes.Made,
        status=201,
        sends=DEFINITION,
        asks=[KEY],
        headers=LOCATION,
    )
    def post(self, request: Request) -> Response:
        definition = sent_definition(request)
        if definition is None:
            raise BadRequest(NO_DEFINITION)
        number = commands.submit_job(definition, user=request.user, cause="api", key=_key(request))
        return _created(request, number)


class OneJob(APIView):
    """Everything that is known of a job; with ``?after=`` of its rows only those touched since."""

    @operation(
        "show_job",
        "All about a job",
        gives=shapes.WholeJob,
        asks=[query("after", int, "Only rows that were touched after this position.")],
    )
    def get(self, request: Request, number: int) -> Response:
        check_known(request, ("after",))
        return Response(queries.job_snapshot(request.user, number, integer(request, "after", 0)))


class Definition(APIView):
    """The text of a definition, to the letter."""

    @operation("show_definition", "The definition as it was submitted", kinds={"text/plain": TEXT})
    def get(self, request: Request, number: int) -> HttpResponse:
        queries.seen_job(request.user, number)
        return HttpResponse(queries.definition_text(number), content_type="text/plain; charset=utf-8")


class Events(APIView):
    """What happened, in order."""

    @operation(
        "list_job_events",
        "What happened to a job",
        gives=shapes.JobEvents,
        asks=[query("after", int, "Only events after this position."), limit(MAX_EVENTS, 1000)],
    )
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

    @operation(
        "follow_lab",
        "What happens in the lab",
        gives=shapes.Feed,
        asks=[
            query("after", int, "Only events after this position."),
            query("type", words="Types of events, joined by commas."),
            limit(MAX_EVENTS, feed.MOST),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, ("after", "limit", "type"))
        after = integer(request, "after", 0)
        limit = integer(request, "limit", feed.MOST, low=1, high=MAX_EVENTS)
        types = frozenset(one for one in text(request, "type").split(",") if one)
        return Response(feed.feed(request.user, after, limit=limit, types=types))


class Results(APIView):
    """All results, in the order they were reported."""

    @operation("list_results", "The results of a job", gives=shapes.Results)
    def get(self, request: Request, number: int) -> Response:
        row = queries.seen_job(request.user, number)
        counts = {"pass": row.passed, "fail": row.failed, "skip": row.skipped, "unknown": row.unknown}
        return Response({"results": queries.job_results(number), "counts": counts})


class Document(APIView):
    """Everything that came of a job as one document: what ``submit_results`` sends to a server."""

    @operation("show_document", "A job as one document", kinds={"application/json": {"type": "object"}})
    def get(self, request: Request, number: int) -> Response:
        queries.seen_job(request.user, number)
        return Response(result_document(number))


class Report(APIView):
    """All results in a form that other programs read: ``xml`` (JUnit), ``tap`` (version 13), ``csv``."""

    @operation(
        "report_results",
        "The results for other programs",
        kinds={"application/xml": TEXT, "text/plain": TEXT, "text/csv": TEXT},
    )
    def get(self, request: Request, number: int, form: str) -> HttpResponse:
        job, rows = queries.report(request.user, number)
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

    @operation(
        "cancel_job",
        "Cancel a job",
        gives=shapes.WholeJob,
        status=202,
        sends=inventory_shapes.Reason,
        needs_body=False,
    )
    def post(self, request: Request, number: int) -> Response:
        reason = sent_value(request, "reason")
        commands.request_cancel(number, reason[:1000], user=request.user, cause="api")
        return Response(queries.job_snapshot(request.user, number, after=2**62), 202)


class Resubmit(APIView):
    """Runs a job again: as it was, or with the definition that is sent; ``?board=same``: on its board."""

    parser_classes = PARSERS

    @operation(
        "resubmit_job",
        "Run a job again",
        gives=shapes.Made,
        status=201,
        sends=DEFINITION,
        needs_body=False,
        asks=[query("board", one_of=("same",), words="Pin the board it had."), KEY],
        headers=LOCATION,
    )
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

    @operation(
        "validate_definition",
        "Check a definition",
        gives=shapes.Validation,
        sends=DEFINITION,
        needs_body=False,
    )
    def post(self, request: Request) -> Response:
        definition = sent_definition(request) or ""
        try:
            valid = validate(definition, lab_view(request.user))
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


def _next(request: Request, found: list[queries.JsonObject], size: int, order: str) -> str | None:
    if len(found) <= size:
        return None
    name, other = ("after", "before") if order == "oldest" else ("before", "after")
    return next_page(request, without=other, **{name: found[size - 1]["id"]})
