"""Every refusal as ``{"detail": "…"}`` in words, with the problems of a definition at their places."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework.views import exception_handler

from jobs.domain.definition.model import Invalid, Problem
from lab.kernel.errors import Conflict, NotFound, NotPermitted, Rejected


class TooLarge(exceptions.APIException):
    status_code = 413
    default_code = "too_large"


class BadRequest(exceptions.APIException):
    status_code = 400
    default_code = "bad_request"


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into an answer; None for what is a bug."""
    match error:
        case Invalid():
            count = len(error.problems)
            detail = f"The definition has {count} problem{'s' if count > 1 else ''}."
            return Response({"detail": detail, "problems": problems(error.problems)}, 400)
        case NotFound():
            return Response({"detail": str(error)}, 404)
        case NotPermitted():
            return Response({"detail": str(error)}, 403)
        case Rejected():
            return Response({"detail": str(error)}, 409)
        case Conflict():
            return Response({"detail": f"Somebody else was faster: {error}. Try again."}, 409)
        case RequestDataTooBig():
            return Response({"detail": "The request is too large."}, 413)
        case SuspiciousOperation():
            return Response({"detail": f"The request cannot be accepted: {error}."}, 400)
        case exceptions.NotAuthenticated():
            error.detail = ErrorDetail("This needs an account: send the header Authorization: Token …")
        case Http404():
            return Response({"detail": "There is nothing at this address."}, 404)
    return exception_handler(error, context)


def problems(found: list[Problem] | tuple[Problem, ...]) -> list[dict[str, Any]]:
    """Return problems as they are sent: path, line, column, message, hint."""
    return [dataclasses.asdict(problem) for problem in found]
