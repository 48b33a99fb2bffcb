"""Whatever a page can do, a program can: each form and button has an operation of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from devices import steps
from devices.images import admin as image_admin
from devices.steps import Step
from jobs.api import openapi

PAGES: dict[str, list[str]] = {
    "jobs:save-view": ["keep_view", "forget_view"],
    "jobs:cancel": ["cancel_job"],
    "jobs:hold": ["hold_job"],
    "jobs:release": ["release_job"],
    "jobs:resubmit": ["resubmit_job", "validate_definition"],
    "jobs:submit": ["submit_job", "validate_definition"],
    "profile": ["make_token"],
    "revoke-token": ["revoke_token"],
    "hooks:hooks": ["make_webhook"],
    "hooks:hook": ["change_webhook"],
    "hooks:test": ["test_webhook"],
    "hooks:switch": ["switch_webhook_on", "switch_webhook_off"],
    "hooks:secret": ["renew_webhook_secret"],
    "hooks:remove": ["remove_webhook"],
    "hooks:again": ["resend_webhook_message"],
    # Whoever shows a token with each request neither logs in nor out.
    "login": [],
    "logout": [],
}
"""By the name of a route that takes forms."""
STEPS: dict[str, str] = {
    "offline": "take_board_offline",
    "online": "bring_board_online",
    "check": "check_board",
    "good": "note_board_health",
    "bad": "note_board_health",
    "release": "release_board",
    "test": "request_errand",
    "power-on": "request_errand",
    "power-off": "request_errand",
    "power-cycle": "request_errand",
    "delete": "retire_board",
}
"""By the key of what can be done to a thing of the inventory on a page of its own."""
ADMIN: dict[str, list[str]] = {
    "devices.Board": ["register_board", "change_board"],
    "devices.DeviceType": ["register_device_type", "change_device_type", "retire_device_type"],
    "images.Image": ["upload_image", "put_image", "describe_image", "retire_image"],
    "tokens.ApiToken": [],  # of others; one's own are the profile's
    "hooks.Hook": [],  # likewise
    "eventstore.EventRow": [],  # nothing can be done to it
}
"""By the model, what its pages of the admin do besides the steps. Accounts and groups are Django's own."""
ACTIONS: dict[str, str] = {
    "take_offline": "take_board_offline",
    "bring_online": "bring_board_online",
    "check_health": "check_board",
    "test_connections": "request_errand",
    "power_on": "request_errand",
    "power_off": "request_errand",
    "power_cycle": "request_errand",
    "release": "release_board",
    "retire_all": "retire_board",
    "export_yaml": "export_inventory",
}
"""By the name of what can be done to many at once."""
OF_OTHERS = {"switch_off", "delete_selected"}
"""Done to what is somebody else's: for the admin alone."""


def routes(patterns: list[Any], prefix: str = "", names: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, name) of every page; numbers and names in paths are made up."""
    for one in patterns:
        text = prefix + re.sub(r"<(\w+:)?\w+>", "1", str(one.pattern))
        if isinstance(one, URLResolver):
            if one.namespace not in ("api", "admin"):
                yield from routes(one.url_patterns, text, f"{one.namespace}:" if one.namespace else names)
        else:
            assert isinstance(one, URLPattern)
            yield text, f"{names}{one.name}"


@pytest.fixture
def operations() -> set[str]:
    document = openapi.document()
    return {one["operationId"] for methods in document["paths"].values() for one in methods.values()}


@pytest.mark.django_db
def test_every_form_of_a_page_has_an_operation_of_the_api(operations: set[str]) -> None:
    client = Client()
    takes_forms = {
        name
        for path, name in routes(get_resolver().url_patterns)
        if client.post(f"/{path}").status_code != 405
    }
    assert takes_forms - set(PAGES) - {"devices:do"} == set(), "give them operations, and name these here"
    assert set(PAGES) - takes_forms == set(), "these take no forms any more"
    assert {one for named in PAGES.values() for one in named} - operations == set()


def test_everything_that_the_admin_does_to_the_inventory_has_an_operation(operations: set[str]) -> None:
    things = [*vars(steps).values(), *vars(image_admin).values()]
    keys = {one.key for one in things if isinstance(one, Step)}
    assert keys - set(STEPS) == set(), "give them operations, and name these here"
    ours = {
        model._meta.label: page
        for model, page in admin.site._registry.items()
        if type(page).__module__.partition(".")[0] in ("devices", "jobs", "lab")
    }
    models = {label for label in ours if label in ADMIN or not label.startswith(("auth.", "django_q."))}
    assert models - set(ADMIN) == set(), "say here what operations do what their pages do"
    actions = {getattr(one, "__name__", one) for page in ours.values() for one in page.actions or ()}
    assert {str(one) for one in actions} - set(ACTIONS) - OF_OTHERS == set()
    named = {*STEPS.values(), *ACTIONS.values(), *(one for ones in ADMIN.values() for one in ones)}
    assert named - operations == set()
