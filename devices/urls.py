"""Addresses of the pages about boards."""

from __future__ import annotations

from django.urls import path

from devices import views

app_name = "devices"
urlpatterns = [
    path("boards/", views.boards, name="boards"),
    path("boards/<str:name>/", views.board, name="board"),
]
