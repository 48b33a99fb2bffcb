"""Two jobs side by side, and one test case over many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from jobs import comparison, queries
from jobs.domain.comparing import RULES, number
from lab.kernel.errors import NotFound

TREND = 100
"""Runs that a trend shows."""
WIDTH, HEIGHT, LEFT, BOTTOM = 1000, 260, 60, 24
"""Of the plot, in the units of its picture."""


@require_safe
def choose(request: HttpRequest, job_id: int) -> HttpResponse:
    """Compare a job with the last one of its name that passed, or else with the one before it."""
    job = queries.seen_job(request.user, job_id)
    other = queries.previous(request.user, job, passed=True) or queries.previous(request.user, job)
    if other is None:
        raise NotFound(f"There is no earlier job named {job.name!r} to compare job {job_id} with.")
    return redirect("jobs:compare", other, job_id)


@require_safe
def two(request: HttpRequest) -> HttpResponse:
    """Compare the two jobs that were marked in a list (``?job=1&job=2``): the older one is A."""
    numbers = sorted({int(one) for one in request.GET.getlist("job") if one.isdecimal() and len(one) < 19})
    if len(numbers) != 2:
        raise NotFound("Mark exactly two jobs to compare them.")
    return redirect("jobs:compare", *numbers)


@require_safe
def compare(request: HttpRequest, a: int, b: int) -> HttpResponse:
    """Show what differs between two jobs; ``?node=`` chooses whose consoles."""
    found = comparison.compare(request.user, a, b)
    nodes = found["nodes"]
    node = request.GET.get("node", "")
    if node not in nodes:
        node = next((pair.node for pair in found["changed"] if pair.worse), nodes[0])
    console, whole = comparison.compare_consoles(request.user, a, b, node)
    jobs = (found["a"], found["b"])
    return render(
        request,
        "jobs/compare.html",
        {
            **found,
            "jobs": jobs,
            "node": node,
            "console": console,
            "whole": whole,
            "ignored": [words for words, _, _ in RULES],
            "by_node": [(name, [one for one in found["spent"] if one.node == name]) for name in nodes],
            "longest": max((max(one.a, one.b) for one in found["spent"]), default=0) or 1,
            "fails_now": sum(p.change == "fails now" for p in found["changed"]),
            "facts": _facts(*jobs),
        },
    )


def _facts(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """Return what was run: name, A's, B's, whether they differ."""
    told = [
        ("Name", a["name"], b["name"]),
        ("Submitter", a["submitter"], b["submitter"]),
        ("Board", a["board"] or "none", b["board"] or "none"),
        ("Type", a["host_type"], b["host_type"]),
        ("Nodes", *(", ".join(f"{n['name']} ({n['device_type']})" for n in one["nodes"]) for one in (a, b))),
    ]
    return [(name, left, right, left != right) for name, left, right in told]


@require_safe
def trend(request: HttpRequest) -> HttpResponse:
    """Show one test case over the last runs of a definition, as a plot and as a table."""
    wanted = {key: request.GET.get(key, "") for key in ("name", "node", "suite", "set", "case")}
    runs = queries.runs_of(request.user, wanted["name"], limit=TREND)
    if not runs:
        raise NotFound(f"No job named {wanted['name']!r} has finished, or you may not see any.")
    history = queries.case_history(
        [run["id"] for run in runs],
        node=wanted["node"],
        suite=wanted["suite"],
        case=wanted["case"],
        test_set=wanted["set"],
    )
    points = [{"job": run, "result": history.get(run["id"])} for run in runs]
    return render(
        request,
        "jobs/trend.html",
        {"wanted": wanted, "points": points[::-1], "plot": _plot(points), "known": len(history)},
    )


def _plot(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the plot's points and lines, in the units of its picture; None without any measurement."""
    values = [number(point["result"]["measurement"]) if point["result"] else None for point in points]
    given = [value for value in values if value is not None]
    if not given:
        return None
    ticks = nice_ticks(min(given), max(given))
    low, high = ticks[0], ticks[-1]
    step = (WIDTH - LEFT - 10) / max(1, len(points) - 1)

    def y(value: float) -> float:
        return round(8 + (HEIGHT - BOTTOM - 8) * (1 - (value - low) / (high - low)), 1)

    marks = [
        {
            "x": round(LEFT + index * step, 1),
            "y": y(value),
            "result": point["result"]["result"],
            "words": f"#{point['job']['id']}: {point['result']['measurement']} {point['result']['units']}",
            "job": point["job"]["id"],
        }
        for index, (point, value) in enumerate(zip(points, values, strict=True))
        if value is not None
    ]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "bottom": HEIGHT - BOTTOM,
        "label_y": HEIGHT - 6,
        "marks": marks,
        "line": " ".join(f"{mark['x']},{mark['y']}" for mark in marks),
        "ticks": [{"y": y(tick), "words": f"{tick:g}"} for tick in ticks],
        "units": next((p["result"]["units"] for p in reversed(points) if p["result"]), ""),
        "first": points[0]["job"]["id"],
        "last": points[-1]["job"]["id"],
    }


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that span the values: 1, 2 or 5 times a power of ten apart.

    >>> nice_ticks(0.41, 3.2)
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    span = high - low or abs(high) / 10 or 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(step * at, 12) for at in range(first, max(last, first + 1) + 1)]
