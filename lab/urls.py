"""All addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from jobs.views import dashboard
from lab.tokens import views as tokens

handler500 = "lab.web.failing.server_error"
urlpatterns = [
    path("", dashboard.home, name="home"),
    path("", include("jobs.urls")),
    path("", include("jobs.board_urls")),
    path("api/v1/", include("jobs.api.urls")),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("profile/", tokens.profile, name="profile"),
    path("profile/tokens/<int:token>/revoke", tokens.revoke, name="revoke-token"),
    path("profile/webhooks/", include("jobs.hooks.urls")),
    path("admin/", admin.site.urls),
]
