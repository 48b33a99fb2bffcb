"""The addresses of the REST API, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import path, re_path, register_converter

from jobs.api import boards, consoles, images, jobs
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


register_converter(Number, "number")

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
    re_path(
        r"^jobs/(?P<number>[0-9]{1,18})/results\.(?P<form>xml|tap|csv)$", jobs.Report.as_view(), name="report"
    ),
    path("jobs/<number:number>/document/", jobs.Document.as_view(), name="document"),
    path("jobs/<number:number>/cancel/", jobs.Cancel.as_view(), name="cancel"),
    path("jobs/<number:number>/resubmit/", jobs.Resubmit.as_view(), name="resubmit"),
    path("jobs/<number:number>/nodes/<number:index>/console/", consoles.Console.as_view(), name="console"),
    path("jobs/<number:number>/attachments/<str:sha256>/", consoles.Attachment.as_view(), name="attachment"),
    path("boards/<str:name>/health-check/", boards.HealthCheck.as_view(), name="health-check"),
    path("images/", images.Images.as_view(), name="images"),
    path("images/<str:name>/", images.OneImage.as_view(), name="image"),
    path("images/<str:name>/content/", images.Content.as_view(), name="image-content"),
    re_path("", jobs.Nothing.as_view()),
]
