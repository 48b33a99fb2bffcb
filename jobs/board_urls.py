"""Addresses of the pages about boards and device types: these show jobs too, so they are of the jobs."""

from __future__ import annotations

from django.urls import path

from jobs.views import board_console, boards, device_types

app_name = "devices"
urlpatterns = [
    path("boards/", boards.boards, name="boards"),
    path("boards/<str:name>/", boards.board, name="board"),
    path("boards/<str:name>/do/<slug:key>", boards.do, name="do"),
    path("boards/<str:name>/console/", board_console.page, name="console"),
    path("boards/<str:name>/console/<int:errand>.cast", board_console.record, name="console-record"),
    path("types/", device_types.device_types, name="types"),
    path("types/<str:name>/", device_types.device_type, name="type"),
]
