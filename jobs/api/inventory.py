"""The inventory as one text: types and boards, to keep, compare, and bring into another lab."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import exchange
from jobs.api import shapes_inventory as of
from jobs.api.body import PARSERS, Sent
from jobs.api.operations import operation, query
from jobs.api.parameters import check_known, text

YAML = "application/yaml"


class Inventory(APIView):
    """Device types and boards with their configuration, as far as the reader may see it."""

    parser_classes = PARSERS
    scope = "admin"

    @operation(
        "export_inventory",
        "Device types and boards as YAML",
        kinds={YAML: {"type": "object"}},
        asks=[
            query("types", words="Only these, names between commas."),
            query("boards", words="Only these, names between commas."),
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        check_known(request, ("types", "boards"))
        chosen = {key: _names(text(request, key)) for key in ("types", "boards")}
        some = any(chosen.values())
        found = exchange.export_text(
            request.user,
            types=chosen["types"] if some else None,
            boards=chosen["boards"] if some else None,
        )
        return HttpResponse(found, content_type=YAML)

    @operation("import_inventory", "Bring device types and boards in", gives=of.Imported, sends=of.Import)
    def post(self, request: Request) -> Response:
        """All of the text or nothing; what it does not name stays. A dry run tells the differences."""
        sent = Sent(request, ("text", "dry_run", "reason", "expected"))
        outcome = exchange.import_text(
            sent.needed("text"),
            dry_run=sent.flag("dry_run"),
            reason=sent.string("reason") or "",
            expected=sent.numbers("expected"),
            actor=request.user,
            cause="api",
        )
        entries = [
            {
                "kind": one.entry.kind,
                "name": one.entry.name,
                "doing": one.doing,
                "version": one.version,
                "line": one.line,
                "changes": [asdict(change) for change in one.changes],
                "problems": list(one.problems),
            }
            for one in outcome.done
        ]
        told = {"applied": outcome.applied, "summary": outcome.summary, "versions": outcome.versions}
        return Response({**told, "entries": entries})


def _names(told: str) -> list[str]:
    return [name for name in told.split(",") if name]
