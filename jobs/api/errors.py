"""Every refusal as problem details (RFC 9457): what kind it is, and a sentence about this one.

Beside the members of the standard: ``problems``, what is wrong with a definition or a configuration, each at
its place. The `KINDS` of our own are stable, for programs; any other refusal is what its status says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework.views import exception_handler

from devices.deciding import EditedMeanwhile
from devices.domain.parse_config import BadConfig
from jobs.domain.definition.model import Invalid, Problem
from jobs.hooks.commands import BadHook
from lab.kernel.errors import Conflict, NotFound, NotPermitted, Rejected

CONTENT_TYPE = "application/problem+json"
KINDS = {
    "invalid-definition": "The definition is not valid",
    "invalid-configuration": "The configuration cannot be used",
    "invalid-webhook": "The webhook cannot be",
    "edited-meanwhile": "Somebody else changed it",
}
NOWHERE = "There is nothing at this address."


class TooLarge(exceptions.APIException):
    status_code = 413
    default_code = "too_large"


class BadRequest(exceptions.APIException):
    status_code = 400
    default_code = "bad_request"


class PreconditionFailed(exceptions.APIException):
    """A change is based on a state that is not the present one."""

    status_code = 412
    default_code = "edited-meanwhile"


class PreconditionRequired(exceptions.APIException):
    """A change does not say on what state it is based."""

    status_code = 428
    default_code = "precondition_required"


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into an answer; None for what is a bug."""
    match error:
        case Invalid():
            count = len(error.problems)
            detail = f"The definition has {count} problem{'s' if count > 1 else ''}."
            return _refusal(400, detail, "invalid-definition", problems=problems(error.problems))
        case BadConfig():
            found = [dataclasses.asdict(problem) for problem in error.problems]
            return _refusal(400, str(error), "invalid-configuration", problems=found)
        case BadHook():
            found = [dataclasses.asdict(problem) for problem in error.problems]
            return _refusal(400, str(error), "invalid-webhook", problems=found)
        case EditedMeanwhile():
            return _refusal(412, str(error), "edited-meanwhile")
        case NotFound():
            return _refusal(404, str(error))
        case NotPermitted():
            return _refusal(403, str(error))
        case Rejected():
            return _refusal(409, str(error))
        case Conflict():
            return _refusal(409, f"Somebody else was faster: {error}. Try again.")
        case RequestDataTooBig():
            return _refusal(413, "The request is too large.")
        case SuspiciousOperation():
            return _refusal(400, f"The request cannot be accepted: {error}.")
        case exceptions.NotAuthenticated():
            error.detail = ErrorDetail("This needs an account: send the header Authorization: Token …")
        case Http404():
            return _refusal(404, NOWHERE)
    said = exception_handler(error, context)
    if said is None:
        return None
    kind = getattr(error, "default_code", "")
    refusal = _refusal(said.status_code, str(said.data["detail"]), kind if kind in KINDS else "")
    for header, value in said.headers.items():  # what the answer to come can't know: WWW-Authenticate …
        if header.lower() != "content-type":
            refusal.headers[header] = value
    return refusal


def details(status: int, detail: str, kind: str = "", **more: Any) -> dict[str, Any]:
    """Return the members of a refusal. `kind`: one of `KINDS`; empty: what the status says."""
    return {
        "type": f"urn:labbook:problem:{kind}" if kind else "about:blank",
        "title": KINDS[kind] if kind else HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }


def problems(found: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as they are sent: path, line, column, message, hint."""
    return [dataclasses.asdict(problem) for problem in found]


def _refusal(status: int, detail: str, kind: str = "", **more: Any) -> Response:
    return Response(details(status, detail, kind, **more), status, content_type=CONTENT_TYPE)
