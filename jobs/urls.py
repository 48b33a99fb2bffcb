"""Addresses of the pages about jobs."""

from __future__ import annotations

from django.urls import path

from jobs.views import compare, job, lists, replay, submit

app_name = "jobs"
urlpatterns = [
    path("jobs/", lists.job_list, name="list"),
    path("jobs/views/", lists.save_view, name="save-view"),
    path("jobs/<int:job_id>/", job.job, name="job"),
    path("jobs/<int:job_id>/definition", job.definition, name="definition"),
    path("jobs/<int:job_id>/nodes/<int:node>/console.log", job.raw_console, name="raw-console"),
    path("jobs/<int:job_id>/nodes/<int:node>/console.cast", replay.cast, name="cast"),
    path("jobs/<int:job_id>/replay/", replay.replay, name="replay"),
    path("jobs/<int:job_id>/cancel", job.cancel, name="cancel"),
    path("jobs/<int:job_id>/hold", job.hold, name="hold"),
    path("jobs/<int:job_id>/release", job.release, name="release"),
    path("jobs/<int:job_id>/resubmit", submit.resubmit, name="resubmit"),
    path("jobs/<int:job_id>/compare/", compare.choose, name="compare-with"),
    path("compare/", compare.two, name="compare-two"),
    path("compare/<int:a>/<int:b>/", compare.compare, name="compare"),
    path("trends/", compare.trend, name="trend"),
    path("submit/", submit.submit, name="submit"),
]
