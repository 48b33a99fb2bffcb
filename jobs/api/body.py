"""What programs send: a definition as the body itself, in a JSON envelope, or in a form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from rest_framework.parsers import BaseParser, FormParser, MultiPartParser
from rest_framework.request import Request

from devices.domain.config_text import read_config
from jobs.api.errors import BadRequest, TooLarge
from jobs.api.parameters import LARGEST
from jobs.domain.definition import document
from jobs.domain.definition.document import Scalar, plain
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.parse import parse
from jobs.domain.definition.reading import did_you_mean, one_of

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
    return _string(key, value)


class Sent:
    """The fields of a JSON object (or of a form, as texts). Raises `BadRequest` for what does not fit."""

    def __init__(self, request: Request, known: Sequence[str]) -> None:
        data = _data(request)
        self._fields: dict[str, Any] = data.dict() if isinstance(data, QueryDict) else _object(data)
        for key in self._fields:
            if key not in known:
                hint = did_you_mean(key, known, f"known here: {one_of(known)}")
                raise BadRequest(f"Unknown field {key[:60]!r}; {hint}")

    def string(self, key: str) -> str | None:
        """Return a text; None if there is none."""
        return _string(key, self._fields[key]) if key in self._fields else None

    def needed(self, key: str) -> str:
        value = self.string(key)
        if not value:
            raise BadRequest(f"{key} is missing: send a JSON object with it.")
        return value

    def whole(self, key: str, *, low: int, high: int) -> int | None:
        """Return a whole number in these bounds; None if there is none. Forms send it as a text."""
        if key not in self._fields:
            return None
        value = self._fields[key]
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadRequest(f"{key} must be a whole number from {low} to {high}.")
        return value

    def truth(self, key: str) -> bool:
        """Return whether it is true; what is not sent is not. Forms send a text."""
        value = self._fields.get(key, False)
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise BadRequest(f"{key} must be true or false.")
        return value

    def strings(self, key: str) -> list[str] | None:
        """Return a list of texts; None if there is none."""
        if key not in self._fields:
            return None
        value = self._fields[key]
        if not isinstance(value, list):
            raise BadRequest(f"{key} must be a list of strings.")
        return [_string(f"{key}[{index}]", one) for index, one in enumerate(value)]

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        """Return an object; None if there is none."""
        if key not in self._fields:
            return None
        value = self._fields[key]
        if not isinstance(value, Mapping):
            raise BadRequest(f"{key} must be an object.")
        return value

    def flag(self, key: str) -> bool:
        """Return whether a truth value is there and true."""
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise BadRequest(f"{key} must be true or false.")
        return value

    def numbers(self, key: str) -> dict[str, int] | None:
        """Return an object with numbers; None if there is none."""
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping) or not all(type(one) is int for one in value.values()):
            raise BadRequest(f"{key} must be an object with numbers.")
        return dict(value)

    def texts(self, key: str) -> dict[str, str] | None:
        """Return an object of texts; None if there is none."""
        found = self.mapping(key)
        if found is None:
            return None
        return {str(name): _string(f"{key}.{name}", one) for name, one in found.items()}

    def number(self, key: str, *, low: int = 0, high: int = LARGEST) -> int | None:
        """Return a whole number; None if there is none, or null."""
        value = self._fields.get(key)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if value is None or value == "":
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadRequest(f"{key} must be a whole number from {low} to {high}, or null.")
        return value

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def config(self) -> dict[str, Any] | None:
        """Return a configuration, sent as an object or as its text. Raises `BadConfig`."""
        if "config" not in self._fields:
            return None
        value = self._fields["config"]
        if isinstance(value, Mapping):
            return read_config(json.dumps(value, ensure_ascii=False)).config
        return read_config(_string("config", value)).config


def _string(key: str, value: object) -> str:
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
    if isinstance(root, document.Mapping) and [entry.key for entry in root.entries] == ["definition"]:
        value = root.entries[0].value
        if isinstance(value, document.Mapping) or (
            isinstance(value, Scalar) and isinstance(value.value, str)
        ):
            return {"definition": plain(value)}
    return {}


def _object(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        root = parse(text).root
    except Invalid as error:
        raise BadRequest(f"The body cannot be read: {error}") from error
    if not isinstance(root, document.Mapping):
        raise BadRequest("The body must be a JSON object.")
    found: dict[str, Any] = plain(root)
    return found
