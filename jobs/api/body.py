"""What programs send: a definition as the body itself, in a JSON envelope, or in a form."""

from __future__ import annotations

import json
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from rest_framework.parsers import BaseParser, FormParser, MultiPartParser
from rest_framework.request import Request

from jobs.api.errors import BadRequest, TooLarge
from jobs.domain.definition.document import Mapping, Scalar, plain
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.parse import parse

OVERHEAD = 64 * 1024
"""Bytes around a definition: the form's boundaries, other fields."""


class RawTextParser(BaseParser):
    """Takes the body as it is, whatever its type says; JSON and YAML are told apart by reading."""

    media_type = "*/*"

    def parse(  # type: ignore[override]  # the framework is content with anything
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> str:
        return _decoded(stream.read(_longest_body() + 1))


PARSERS = [MultiPartParser, FormParser, RawTextParser]
"""For views that take a definition."""


def sent_definition(request: Request) -> str | None:
    """Return the text of the definition in the request; None if there is none.

    JSON of the form ``{"definition": …}`` is an envelope around the text, or around the definition itself.
    """
    data = _data(request)
    text = _from_form(data) if isinstance(data, QueryDict) else _from_text(data)
    if text is not None and len(text.encode(errors="surrogatepass")) > _longest():
        raise TooLarge(f"The definition is too large: it may have {_longest()} bytes.")
    return text


def sent_value(request: Request, key: str) -> str:
    """Return a string from a form or a JSON object; empty if there is none."""
    data = _data(request)
    value = data.get(key, "") if isinstance(data, QueryDict) else _object(data).get(key, "")
    if not isinstance(value, str):
        raise BadRequest(f"{key} must be a string.")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise BadRequest(f"{key} holds characters that are no text.")
    return value


def _data(request: Request) -> QueryDict | str:
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if length.isdecimal() and int(length) > _longest_body():
        raise _too_large()
    data = request.data
    if isinstance(data, QueryDict | str):
        return data
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        # The framework takes a body of unannounced length for an empty one.
        return _decoded(request._request.read(_longest_body() + 1))
    return ""


def _longest() -> int:
    return int(settings.LABBOOK["MAX_DEFINITION_BYTES"])


def _longest_body() -> int:
    """An envelope writes a line break with two characters."""
    return 2 * _longest() + OVERHEAD


def _too_large() -> TooLarge:
    return TooLarge(f"The request is too large: a definition may have {_longest()} bytes.")


def _decoded(content: bytes) -> str:
    if len(content) > _longest_body():
        raise _too_large()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The text is not UTF-8: byte {error.start} cannot be read.") from error


def _from_form(form: QueryDict) -> str | None:
    value: object = form.get("definition")
    if isinstance(value, UploadedFile):
        return _decoded(value.read(_longest_body() + 1))
    return value if isinstance(value, str) and value.strip() else None


def _from_text(text: str) -> str | None:
    if not text.strip():
        return None
    definition = _envelope(text).get("definition")
    if definition is None:
        return text
    return definition if isinstance(definition, str) else json.dumps(definition, indent=2, ensure_ascii=False)


def _envelope(text: str) -> dict[str, Any]:
    """Return the JSON object that is around a definition; empty if the text is the definition itself."""
    try:
        root = parse(text, max_bytes=_longest_body()).root
    except Invalid:
        return {}  # which will be said, with all problems, by whoever takes the text for a definition
    if isinstance(root, Mapping) and [entry.key for entry in root.entries] == ["definition"]:
        value = root.entries[0].value
        if isinstance(value, Mapping) or (isinstance(value, Scalar) and isinstance(value.value, str)):
            return {"definition": plain(value)}
    return {}


def _object(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        root = parse(text).root
    except Invalid as error:
        raise BadRequest(f"The body cannot be read: {error}") from error
    if not isinstance(root, Mapping):
        raise BadRequest("The body must be a JSON object.")
    found: dict[str, Any] = plain(root)
    return found
