"""How long a login is good, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from tests.admin.test_logins import LOGIN, PASSWORD, anna, quick_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["anna", "quick_hash"]

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PAGE = "/admin/webhook/webhookcdr/"
MINUTE = 60


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as traveller:
        yield traveller


def browser(name: str = "anna", password: str = PASSWORD) -> Client:
    client = Client()
    client.post(LOGIN, {"username": name, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get(PAGE).status_code == 200


def test_a_login_that_is_used_stays_good(
    anna: User, clock: time_machine.Traveller
) -> None:
    client = browser()
    for _ in range(5):
        clock.shift(119 * MINUTE)
        assert is_in(client)
    clock.shift(121 * MINUTE)

    assert not is_in(client)


def test_a_session_is_written_at_most_once_in_five_minutes(
    anna: User, clock: time_machine.Traveller
) -> None:
    client = browser()
    is_in(client)
    ends = Session.objects.get().expire_date
    clock.shift(4 * MINUTE)
    is_in(client)
    assert Session.objects.get().expire_date == ends
    clock.shift(2 * MINUTE)
    is_in(client)

    assert Session.objects.get().expire_date > ends


def test_logging_in_makes_a_new_session(anna: User) -> None:
    User.objects.create_user("bert", password=PASSWORD, is_staff=True)
    planted = "0123456789abcdef0123456789abcdef"
    client = Client()
    client.cookies["sessionid"] = planted
    client.post(LOGIN, {"username": "bert", "password": PASSWORD})
    berts = client.cookies["sessionid"].value
    client.post(LOGIN, {"username": "anna", "password": PASSWORD})

    assert len({planted, berts, client.cookies["sessionid"].value}) == 3
    assert Session.objects.count() == 1


def test_a_new_password_ends_every_other_login(anna: User) -> None:
    here, there = browser(), browser()
    form = {
        "old_password": PASSWORD,
        "new_password1": "another battery horse",
        "new_password2": "another battery horse",
    }

    here.post("/admin/password_change/", form)

    assert is_in(here)
    assert not is_in(there)


def test_a_password_that_an_operator_sets_ends_the_users_logins(anna: User) -> None:
    bert = User.objects.create_superuser("bert", password=PASSWORD)
    theirs = browser("bert")
    form = {
        "usable_password": "true",
        "password1": "another battery horse",
        "password2": "another battery horse",
    }

    browser().post(f"/admin/auth/user/{bert.pk}/password/", form)

    assert not is_in(theirs)
    assert is_in(browser("bert", "another battery horse"))


def test_logging_out_leaves_no_session(anna: User) -> None:
    client = browser()
    client.post("/admin/logout/")

    assert not is_in(client)
    assert not Session.objects.exists()


def test_the_cookies_are_for_this_site_and_for_no_script(anna: User) -> None:
    cookie = browser().cookies["sessionid"]

    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie["max-age"] == 120 * MINUTE


def test_programs_are_given_no_session(api_client: Client) -> None:
    response = api_client.get("/api/v1/webhooks")

    assert response.status_code == 200
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


@pytest.fixture
def api_client(acme: Any, client_for: Any) -> Client:
    client: Client = client_for(acme)
    return client
