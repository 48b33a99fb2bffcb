"""The addresses of the REST API, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import path, re_path, register_converter

from jobs.api import (
    account,
    board_console,
    boards,
    comparing,
    consoles,
    device_types,
    documentation,
    errands,
    hands,
    images,
    inventory,
    jobs,
    permissions,
    webhooks,
)
from jobs.api.parameters import LARGEST


class Number:
    """A number that the database can compare with; any other is nobody's."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > LARGEST:
            raise ValueError(value)
        return number

    def to_url(self, value: int) -> str:
        return str(value)


class ReportForm:
    """A form in which results are told to other programs."""

    regex = "xml|tap|csv"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Number, "number")
register_converter(ReportForm, "report")

app_name = "api"
urlpatterns = [
    path("", jobs.Start.as_view(), name="start"),
    path("events/", jobs.Feed.as_view(), name="feed"),
    path("validate/", jobs.Validate.as_view(), name="validate"),
    path("availability/", boards.Availability.as_view(), name="availability"),
    path("jobs/", jobs.Jobs.as_view(), name="jobs"),
    path("jobs/<number:number>/", jobs.OneJob.as_view(), name="job"),
    path("jobs/<number:number>/definition/", jobs.Definition.as_view(), name="definition"),
    path("jobs/<number:number>/events/", jobs.Events.as_view(), name="events"),
    path("jobs/<number:number>/results/", jobs.Results.as_view(), name="results"),
    path("jobs/<number:number>/results.<report:form>", jobs.Report.as_view(), name="report"),
    path("jobs/<number:number>/document/", jobs.Document.as_view(), name="document"),
    path("jobs/<number:number>/cancel/", jobs.Cancel.as_view(), name="cancel"),
    path("jobs/<number:number>/resubmit/", jobs.Resubmit.as_view(), name="resubmit"),
    path("jobs/<number:number>/nodes/<number:index>/console/", consoles.Console.as_view(), name="console"),
    path("jobs/<number:number>/search/", consoles.ConsoleSearch.as_view(), name="console-search"),
    path("jobs/<number:number>/hold/", hands.Hold.as_view(), name="hold"),
    path("jobs/<number:number>/nodes/<number:index>/keyboard/", hands.Keyboard.as_view(), name="keyboard"),
    path("jobs/<number:number>/nodes/<number:index>/keyboard/keys/", hands.Keys.as_view(), name="keys"),
    path("jobs/<number:number>/nodes/<number:index>/console.cast", consoles.Cast.as_view(), name="cast"),
    path("jobs/<number:number>/attachments/<str:sha256>/", consoles.Attachment.as_view(), name="attachment"),
    path("compare/<number:a>/<number:b>/", comparing.Compare.as_view(), name="compare"),
    path("trends/", comparing.Trend.as_view(), name="trends"),
    path("boards/", boards.Boards.as_view(), name="boards"),
    path("boards/<str:name>/", boards.OneBoard.as_view(), name="board"),
    path("boards/<str:name>/history/", boards.History.as_view(), name="board-history"),
    path("boards/<str:name>/reservations/", boards.Reservations.as_view(), name="reservations"),
    path("boards/<str:name>/offline/", boards.Offline.as_view(), name="offline"),
    path("boards/<str:name>/online/", boards.Online.as_view(), name="online"),
    path("boards/<str:name>/release/", boards.Release.as_view(), name="release"),
    path("boards/<str:name>/clone/", boards.Clone.as_view(), name="clone"),
    path("boards/<str:name>/errands/", errands.Errands.as_view(), name="errands"),
    path("boards/<str:name>/console/", board_console.BoardConsole.as_view(), name="board-console"),
    path("boards/<str:name>/console/keys/", board_console.BoardKeys.as_view(), name="board-keys"),
    path(
        "boards/<str:name>/console/<number:errand>/",
        board_console.BoardRecord.as_view(),
        name="board-record",
    ),
    path(
        "boards/<str:name>/console/<number:errand>.cast",
        board_console.BoardCast.as_view(),
        name="board-cast",
    ),
    path("boards/<str:name>/retire/", boards.Retire.as_view(), name="retire-board"),
    path("boards/<str:name>/health/", boards.Health.as_view(), name="health"),
    path("boards/<str:name>/health-check/", boards.HealthCheck.as_view(), name="health-check"),
    path("boards/<str:name>/power/", boards.Power.as_view(), name="power"),
    path("boards/<str:name>/access/", permissions.BoardAccess.as_view(), name="board-access"),
    path("inventory/", inventory.Inventory.as_view(), name="inventory"),
    path("device-types/", device_types.DeviceTypes.as_view(), name="device-types"),
    path("device-types/<str:name>/", device_types.OneDeviceType.as_view(), name="device-type"),
    path("device-types/<str:name>/history/", device_types.History.as_view(), name="device-type-history"),
    path("device-types/<str:name>/retire/", device_types.Retire.as_view(), name="retire-device-type"),
    path(
        "device-types/<str:name>/access/",
        permissions.DeviceTypeAccess.as_view(),
        name="device-type-access",
    ),
    path("images/", images.Images.as_view(), name="images"),
    path("images/<str:name>/", images.OneImage.as_view(), name="image"),
    path("images/<str:name>/history/", images.History.as_view(), name="image-history"),
    path("images/<str:name>/retire/", images.Retire.as_view(), name="retire-image"),
    path("images/<str:name>/content/", images.Content.as_view(), name="image-content"),
    path("me/", account.Me.as_view(), name="me"),
    path("tokens/", account.Tokens.as_view(), name="tokens"),
    path("tokens/<number:token>/", account.OneToken.as_view(), name="token"),
    path("views/", account.Views.as_view(), name="views"),
    path("views/<str:view>/", account.OneView.as_view(), name="view"),
    path("webhooks/", webhooks.Hooks.as_view(), name="webhooks"),
    path("webhooks/<number:hook>/", webhooks.OneHook.as_view(), name="webhook"),
    path("webhooks/<number:hook>/on/", webhooks.On.as_view(), name="webhook-on"),
    path("webhooks/<number:hook>/off/", webhooks.Off.as_view(), name="webhook-off"),
    path("webhooks/<number:hook>/secret/", webhooks.Secret.as_view(), name="webhook-secret"),
    path("webhooks/<number:hook>/test/", webhooks.Test.as_view(), name="webhook-test"),
    path("webhooks/<number:hook>/messages/", webhooks.Messages.as_view(), name="webhook-messages"),
    path(
        "webhooks/<number:hook>/messages/<str:message>/",
        webhooks.OneMessage.as_view(),
        name="webhook-message",
    ),
    path(
        "webhooks/<number:hook>/messages/<str:message>/again/",
        webhooks.Again.as_view(),
        name="webhook-again",
    ),
    path("schema/", documentation.Schema.as_view(), name="schema"),
    path("docs/", documentation.Docs.as_view(), name="docs"),
    re_path("", jobs.Nothing.as_view()),
]
