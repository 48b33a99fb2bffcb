"""The image library: what there is, who used it, and uploading by streaming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpResponseBase
from django.urls import reverse
from rest_framework.exceptions import NotAuthenticated
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.domain.history import Entry
from devices.images import commands
from devices.images import queries as library
from devices.images.content import PIECE, pieces_of
from devices.images.queries import ImageView
from jobs import queries
from jobs.api import shapes, telling
from jobs.api import shapes_inventory as inventory
from jobs.api.answers import HARMLESS
from jobs.api.body import PARSERS, RawTextParser, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import BINARY, TEXT, limit, operation, query
from jobs.api.parameters import check_known, text
from jobs.api.preconditions import ETAG, IF_MATCH, etag, seen_version
from lab.kernel.errors import NotFound

MAX_PAGE = 500
UPLOAD = ("filename", "description", "sha256", "reason")


class AnyBytes(BaseParser):
    """Leaves the body where it is: it is read piece by piece."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


class Images(APIView):
    """GET: all images in use, with ``?retired=1`` the others, too. POST: a form, ``name`` and ``file``."""

    parser_classes = [MultiPartParser]

    scope = "admin"

    @operation(
        "list_images",
        "The images",
        gives=shapes.Images,
        asks=[
            query("text", words="In the name or the description."),
            query("retired", one_of=("1",), words="Also those that are out of use."),
            query("after", words="Only images whose names come after this one."),
            limit(MAX_PAGE, MAX_PAGE),
        ],
    )
    def get(self, request: Request) -> Response:
        check_known(request, ("text", "retired", "after", "limit"))
        found = library.images(retired=text(request, "retired") == "1")
        return telling.by_name(request, "images", found, _row, MAX_PAGE, MAX_PAGE)

    @operation(
        "upload_image",
        "Upload an image by a form",
        gives=shapes.WholeImage,
        status=(200, 201),
        sends={
            "multipart/form-data": {
                "type": "object",
                "properties": {"name": TEXT, "file": BINARY} | dict.fromkeys(UPLOAD, TEXT),
                "required": ["name", "file"],
            }
        },
    )
    def post(self, request: Request) -> Response:
        commands.may_upload(request.user)
        form = _form(request)
        file = form.get("file")
        if not isinstance(file, UploadedFile):
            raise BadRequest("file is missing: send a form (multipart/form-data) with name and file.")
        name = _text(form, "name")
        if not name:
            raise BadRequest("name is missing: definitions will ask for the image as lab:NAME.")
        new = not _exists(name)
        commands.upload_image(
            name,
            file.chunks(PIECE),
            filename=_text(form, "filename") or file.name or name,
            description=_text(form, "description") if "description" in form else None,
            sha256=_text(form, "sha256"),
            reason=_text(form, "reason"),
            actor=request.user,
            cause="api",
        )
        return _answer(request, name, 201 if new else 200)


class OneImage(APIView):
    """GET: all about one. PUT: new content, the body itself, as it comes; the rest in the address.

    PATCH: other words about it.
    """

    scope = "admin"

    def get_parsers(self) -> list[BaseParser]:
        change = getattr(self.request, "method", "") == "PATCH"  # there is none when it is described
        return [RawTextParser() if change else AnyBytes()]

    @operation("show_image", "All about an image", gives=shapes.WholeImage, headers=ETAG)
    def get(self, request: Request, name: str) -> Response:
        check_known(request, ())
        return _answer(request, name)

    @operation(
        "put_image",
        "Upload an image",
        gives=shapes.WholeImage,
        status=(200, 201),
        sends={"application/octet-stream": BINARY},
        asks=[query(one) for one in UPLOAD],
    )
    def put(self, request: Request, name: str) -> Response:
        check_known(request, UPLOAD)
        commands.may_upload(request.user)
        asked = request.query_params
        new = not _exists(name)
        commands.upload_image(
            name,
            pieces_of(request._request),  # type: ignore[arg-type]  # it reads like a file
            filename=asked.get("filename") or name,
            description=asked.get("description"),
            sha256=asked.get("sha256", ""),
            reason=asked.get("reason", ""),
            actor=request.user,
            cause="api",
        )
        return _answer(request, name, 201 if new else 200)

    @operation(
        "describe_image",
        "Say something else about an image",
        gives=shapes.WholeImage,
        sends=shapes.ImageChange,
        asks=[IF_MATCH],
        headers=ETAG,
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change the `description`. Refused if somebody changed the image since; new content counts, too."""
        sent = Sent(request, ("description", "reason"))
        commands.describe_image(
            name,
            sent.string("description") or "",
            sent.string("reason") or "",
            actor=request.user,
            cause="api",
            expected_version=seen_version(request, library.image(name).version),
        )
        return _answer(request, name)


class Retire(APIView):
    """Takes an image out of use for good; its content and its history stay."""

    parser_classes = PARSERS
    scope = "admin"

    @operation("retire_image", "Retire an image", gives=shapes.WholeImage, sends=inventory.GivenReason)
    def post(self, request: Request, name: str) -> Response:
        reason = Sent(request, ("reason",)).string("reason") or ""
        commands.retire_image(name, reason, actor=request.user, cause="api")
        return _answer(request, name)


class History(APIView):
    """What happened to an image, in words, the newest first."""

    @operation(
        "list_image_history",
        "What happened to an image",
        gives=inventory.History,
        asks=[query("before", int, "Only versions below this one."), limit(MAX_PAGE, 100)],
    )
    def get(self, request: Request, name: str) -> Response:
        def tell(*, before: int | None, limit: int) -> list[Entry]:
            return [one for one in library.history(name) if not before or one.version < before][:limit]

        return telling.history(request, tell, 100, MAX_PAGE)


class Content(APIView):
    """The bytes of the newest version, for those who are logged in."""

    @operation("read_image", "The bytes of an image", kinds={"application/octet-stream": BINARY})
    def get(self, request: Request, name: str) -> HttpResponseBase:
        check_known(request, ())
        if not request.user.is_authenticated:
            raise NotAuthenticated
        image = library.image(name)
        try:
            file = image.path.open("rb")
        except FileNotFoundError as error:
            raise NotFound("The content is not kept on this machine.") from error
        answer = FileResponse(
            file, as_attachment=True, filename=image.filename, content_type="application/octet-stream"
        )
        for header, value in HARMLESS.items():
            answer.headers[header] = value
        answer.headers["ETag"] = f'"{image.sha256}"'
        return answer


def _exists(name: str) -> bool:
    try:
        library.image(name)
    except NotFound:
        return False
    return True


def _form(request: Request) -> Mapping[str, Any]:
    data = request.data
    assert isinstance(data, Mapping)  # no other parser is allowed
    return data


def _text(form: Mapping[str, Any], key: str) -> str:
    value = form.get(key, "")
    if not isinstance(value, str):
        raise BadRequest(f"{key} must be a text.")
    return value


def _row(one: ImageView) -> dict[str, Any]:
    return {
        **{key: value for key, value in asdict(one).items() if key not in ("retired", "number", "version")},
        "version": one.number,
        "retired": one.retired or None,
        "url": reverse("api:image", args=[one.name]),
        "use_as": f"lab:{one.name}",
    }


def _answer(request: Request, name: str, status: int = 200) -> Response:
    return Response(_detail(request, name), status, headers=etag(library.image(name).version))


def _detail(request: Request, name: str) -> dict[str, Any]:
    one = library.image(name)
    versions = library.versions(name)
    jobs = queries.jobs_using(request.user, {version.sha256 for version in versions})
    return {
        **_row(one),
        "versions": [_version(asdict(version)) for version in versions],
        "used_by": [
            {"id": job["id"], "name": job["name"], "state": job["state"], "outcome": job["outcome"]}
            for job in jobs
        ],
    }


def _version(row: dict[str, Any]) -> dict[str, Any]:
    return {"version": row.pop("number"), **row}
