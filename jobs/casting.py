"""A node's console as an asciicast, sent piece by piece: the page's download and the API's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from jobs import console_log, queries
from jobs.asciicast import Cast, header
from jobs.models import Node
from lab.kernel.errors import NotFound

PIECE = 256 * 1024


def cast_answer(request: HttpRequest, number: int, index: int) -> StreamingHttpResponse:
    """Return the answer with the console as far as it goes now. Raises `NotFound`."""
    row = queries.seen_job(request.user, number)
    name = Node.objects.filter(job=number, index=index).values_list("name", flat=True).first()
    if name is None:
        raise NotFound(f"Job {number} has no node {index}.")
    pieces = _pieces(number, index, f"{row.name} · job {number}, {name}")
    return StreamingHttpResponse(
        _awaited(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type="application/x-asciicast",
        headers={
            "Content-Disposition": f'attachment; filename="job-{number}.{index}-{name}.cast"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _pieces(number: int, index: int, title: str) -> Iterator[str]:
    chunks = console_log.chunks(number, index, 0, PIECE)
    start = chunks[0].at if chunks else 0.0
    yield header(title, start)
    recording = Cast(start)
    while chunks:
        yield "".join(recording.lines(chunks))
        chunks = console_log.chunks(number, index, chunks[-1].end, PIECE)
    yield recording.end()


async def _awaited(pieces: Iterator[str]) -> AsyncIterator[str]:
    def take() -> str | None:
        return next(pieces, None)

    while (piece := await sync_to_async(take)()) is not None:
        yield piece
