"""The API described: for programs as OpenAPI, for people as a page."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from rest_framework.renderers import JSONRenderer, StaticHTMLRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs.api import openapi
from jobs.api.operations import operation
from jobs.api.reference import chapters, shapes


class Schema(APIView):
    """The OpenAPI document, version 3.1."""

    permission_classes = ()

    @operation("show_schema", "This description", kinds={"application/json": {"type": "object"}})
    def get(self, request: Request) -> HttpResponse:
        return JsonResponse(openapi.document())


class Docs(APIView):
    """The same as a page."""

    permission_classes = ()
    renderer_classes = (StaticHTMLRenderer, JSONRenderer)

    @operation("browse_docs", "This description as a page", kinds={"text/html": {"type": "string"}})
    def get(self, request: Request) -> HttpResponse:
        told = openapi.document()
        found = chapters(told)
        return render(
            request._request,
            "api/docs.html",
            {
                "about": openapi.ABOUT.split("\n\n"),
                "base": request.build_absolute_uri(reverse("api:start")),
                "chapters": found,
                "count": sum(len(chapter.operations) for chapter in found),
                "shapes": shapes(told),
            },
        )
