"""Addresses of the pages about webhooks, below the profile's."""

from __future__ import annotations

from django.urls import path

from jobs.hooks import views

app_name = "hooks"
urlpatterns = [
    path("", views.hooks, name="hooks"),
    path("<int:hook>/", views.hook, name="hook"),
    path("<int:hook>/test", views.test, name="test"),
    path("<int:hook>/switch", views.switch, name="switch"),
    path("<int:hook>/secret", views.secret, name="secret"),
    path("<int:hook>/remove", views.remove, name="remove"),
    path("<int:hook>/messages/<str:key>/", views.message, name="message"),
    path("<int:hook>/messages/<str:key>/again", views.again, name="again"),
]
