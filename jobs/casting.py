"""A node's console as an asciicast, sent piece by piece: the page's download and the API's."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, StreamingHttpResponse

from jobs import console_log, queries
from jobs.models import Node
from jobs.sending import cast_download
from lab.asciicast import Cast, header
from lab.kernel.errors import NotFound

PIECE = 256 * 1024


def cast_answer(request: HttpRequest, number: int, index: int) -> StreamingHttpResponse:
    """Return the answer with the console as far as it goes now. Raises `NotFound`."""
    row = queries.seen_job(request.user, number)
    name = Node.objects.filter(job=number, index=index).values_list("name", flat=True).first()
    if name is None:
        raise NotFound(f"Job {number} has no node {index}.")
    pieces = _pieces(number, index, f"{row.name} · job {number}, {name}")
    return cast_download(request, pieces, f"job-{number}.{index}-{name}.cast")


def _pieces(number: int, index: int, title: str) -> Iterator[str]:
    chunks = console_log.chunks(number, index, 0, PIECE)
    start = chunks[0].at if chunks else 0.0
    yield header(title, start)
    recording = Cast(start)
    while chunks:
        yield "".join(recording.line(chunk.at, chunk.data) for chunk in chunks)
        chunks = console_log.chunks(number, index, chunks[-1].end, PIECE)
    yield recording.end()
