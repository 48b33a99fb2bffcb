"""The addresses of the websockets."""

from __future__ import annotations

from typing import Any, cast

from django.urls import path

from jobs.board_console_socket import BoardConsoleConsumer
from jobs.consumers import EventsConsumer, FeedConsumer, JobConsumer
from jobs.keyboard_socket import KeyboardConsumer

# Django's `path` is typed for views of http; Channels takes the same patterns for ASGI applications.
urlpatterns: list[Any] = [
    path("ws/jobs/<int:job>/", cast(Any, JobConsumer.as_asgi())),
    path("ws/jobs/<int:job>/nodes/<int:node>/keyboard/", cast(Any, KeyboardConsumer.as_asgi())),
    path("ws/boards/<str:board>/console/", cast(Any, BoardConsoleConsumer.as_asgi())),
    path("ws/feed/", cast(Any, FeedConsumer.as_asgi())),
    path("ws/events/", cast(Any, EventsConsumer.as_asgi())),
]
