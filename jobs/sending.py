"""Answers that are made while they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def cast_download(request: HttpRequest, pieces: Iterator[str], filename: str) -> StreamingHttpResponse:
    """Return the answer that sends an asciicast piece by piece."""
    return StreamingHttpResponse(
        _awaited(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type="application/x-asciicast",
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _awaited(pieces: Iterator[str]) -> AsyncIterator[str]:
    def take() -> str | None:
        return next(pieces, None)

    while (piece := await sync_to_async(take)()) is not None:
        yield piece
