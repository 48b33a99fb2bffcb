"""A small lab, and a program of one of its users."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.integration.api.client import client
from tests.support.jobs import make_inventory, make_user


@pytest.fixture(autouse=True)
def inventory() -> None:
    make_inventory()


@pytest.fixture
def erika() -> User:
    return make_user()


@pytest.fixture
def api(erika: User) -> Client:
    return client(erika)
