"""Two jobs side by side, and one test case over many."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import comparison, queries
from jobs.api import shapes
from jobs.api.errors import BadRequest
from jobs.api.operations import limit, operation, query
from jobs.api.parameters import check_known, integer, text
from jobs.domain.comparing import Measured, Pair
from jobs.domain.definition.reading import one_of
from lab.kernel.errors import NotFound

RUNS, MOST_RUNS = 100, 500
CASE = ("name", "node", "suite", "set", "case")
OF_A_JOB = tuple(shapes.Job.__annotations__)


class Compare(APIView):
    """What differs between two jobs: results, measurements, durations, definitions, a node's consoles."""

    @operation(
        "compare_jobs",
        "Compare two jobs",
        gives=shapes.Comparison,
        asks=[query("node", words="Compare the consoles of the node of this name, too.")],
    )
    def get(self, request: Request, a: int, b: int) -> Response:
        check_known(request, ("node",))
        found = comparison.compare(request.user, a, b)
        return Response(
            {
                **{key: {part: found[key][part] for part in OF_A_JOB} for key in ("a", "b")},
                **{key: found[key] for key in ("nodes", "total", "same")},
                "changed": [_changed(pair) for pair in found["changed"]],
                "measured": [_measured(one) for one in found["measured"]],
                "spent": [{**asdict(one), "longer": one.longer} for one in found["spent"]],
                "definition": asdict(found["definition"]),
                "console": _console(request, a, b, found["nodes"]),
            }
        )


class Trend(APIView):
    """What became of a test case in the last jobs of a name that have ended."""

    @operation(
        "show_trend",
        "A test case over many jobs",
        gives=shapes.Trend,
        asks=[
            query("name", words="Of the jobs.", required=True),
            query("node", words="Its name.", required=True),
            query("suite", required=True),
            query("case", required=True),
            query("set", words="Where the case is in one."),
            query("before", int, "Only jobs with lower numbers."),
            limit(MOST_RUNS, RUNS),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, (*CASE, "before", "limit"))
        wanted = {name: text(request, name) for name in CASE}
        if missing := [name for name in CASE if name != "set" and not wanted[name]]:
            raise BadRequest(f"Say which test case: {one_of(missing)} is missing.")
        size = integer(request, "limit", RUNS, low=1, high=MOST_RUNS)
        before = integer(request, "before", 0)
        runs = queries.runs_of(
            request.user, wanted["name"], before=before - 1 if before else None, limit=size
        )
        if not runs:
            raise NotFound(f"No job named {wanted['name']!r} has finished, or you may not see any.")
        history = queries.case_history(
            [run["id"] for run in runs],
            node=wanted["node"],
            suite=wanted["suite"],
            case=wanted["case"],
            test_set=wanted["set"],
        )
        return Response({"runs": [{"job": run, "result": history.get(run["id"])} for run in runs]})


def _changed(pair: Pair) -> dict[str, Any]:
    return {**_case(pair), "change": pair.change, "worse": pair.worse, "a": pair.a, "b": pair.b}


def _measured(one: Measured) -> dict[str, Any]:
    return {**_case(one.pair), "a": one.a, "b": one.b, "units": one.units, "percent": one.percent}


def _case(pair: Pair) -> dict[str, Any]:
    return {"node": pair.node, "suite": pair.suite, "set": pair.set, "case": pair.case}


def _console(request: Request, a: int, b: int, nodes: list[str]) -> dict[str, Any] | None:
    node = text(request, "node")
    if not node:
        return None
    if node not in nodes:
        raise BadRequest(f"Neither job has a node {node[:60]!r}: they have {one_of(nodes)}.")
    difference, whole = comparison.compare_consoles(request.user, a, b, node)
    return {"node": node, "whole": whole, "difference": asdict(difference)}
