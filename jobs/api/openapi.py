"""The OpenAPI document: drf-spectacular finds the addresses, `jobs.api.operations` says what is there."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as SpectacularSchema

from jobs.api.operations import JsonObject, Operation, components, operation_of, shape
from jobs.api.parameters import LARGEST
from jobs.api.shapes import Refusal

NUMBER: JsonObject = {"type": "integer", "minimum": 0, "maximum": LARGEST}
IN_PATHS: dict[str, tuple[str, JsonObject]] = {
    "number": ("The job's number.", NUMBER),
    "index": ("The node's number; the host is 0.", NUMBER),
    "a": ("The older job's number.", NUMBER),
    "b": ("The newer job's number.", NUMBER),
    "name": ("Its name.", {"type": "string"}),
    "errand": ("The sitting's number, as the list of errands says it.", NUMBER),
    "hook": ("The webhook's number.", NUMBER),
    "token": ("The token's number.", NUMBER),
    "message": ("The message's `id`.", {"type": "string"}),
    "view": ("The view's name.", {"type": "string"}),
    "sha256": ("The content's digest in hex.", {"type": "string"}),
    "form": ("JUnit XML, TAP 13, or CSV.", {"type": "string", "enum": ["xml", "tap", "csv"]}),
}
ABOUT = """Everything a page can do, a program can do, by the same commands and with the same rights.

Show a token, made on the profile page, in the header `Authorization: Token …`; public things can be read
without, where the site lets visitors read. Lists are cut into pages: go on at the address in `next`, until
that is null. Unknown parameters are refused, so that a typing error never gives an unfiltered list.
"""


class AutoSchema(SpectacularSchema):
    """Tells an operation as it was declared."""

    def _told(self) -> Operation:
        found = operation_of(self.view, self.method)
        assert found is not None, f"{type(self.view).__name__}.{self.method.lower()} is not an @operation"
        return found

    def get_operation_id(self) -> str:
        return self._told().name

    def get_summary(self) -> str:
        return self._told().summary

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        method = getattr(self.view, self.method.lower())
        return inspect.cleandoc(method.__doc__ or type(self.view).__doc__ or "")

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").partition("/")[0] or "start"]

    def get_auth(self) -> list[dict[str, list[str]]]:
        return [{"token": []}, {}] if self.method == "GET" else [{"token": []}]

    def _get_parameters(self) -> list[JsonObject]:
        names = [part[1:-1] for part in self.path.replace(".", "/").split("/") if part.startswith("{")]
        path = [
            {"in": "path", "name": name, "required": True, "description": words, "schema": schema}
            for name in names
            for words, schema in [IN_PATHS[name]]
        ]
        return [*path, *(one.as_openapi() for one in self._told().asks)]

    def _get_request_body(self, direction: str = "request") -> JsonObject | None:
        told = self._told()
        if not told.sends:
            return None
        content = {kind: {"schema": schema} for kind, schema in told.sends.items()}
        return {"content": content} | ({"required": True} if told.needs_body else {})

    def _get_response_bodies(self, direction: str = "response") -> JsonObject:
        told = self._told()
        answers: JsonObject = {}
        for status, kinds in told.gives.items():
            answer: JsonObject = {"description": told.summary}
            if kinds:
                answer["content"] = {kind: {"schema": schema} for kind, schema in kinds.items()}
            if told.headers:
                answer["headers"] = {
                    name: {"description": words, "schema": {"type": "string"}}
                    for name, words in told.headers.items()
                }
            answers[str(status)] = answer
        refusal = {"application/problem+json": {"schema": shape(Refusal)}}
        return answers | {"4XX": {"description": "Refused, with the reason in words.", "content": refusal}}


def complete(result: JsonObject, **_: Any) -> JsonObject:
    """Add the schemas that operations refer to, and how to show a token."""
    token = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token labbook_…`"}
    result["info"]["description"] = ABOUT
    result["components"] = {"schemas": components(), "securitySchemes": {"token": token}}
    return result


@lru_cache(maxsize=1)
def document() -> JsonObject:
    """Return the document, the same for everybody."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    found: JsonObject = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found
