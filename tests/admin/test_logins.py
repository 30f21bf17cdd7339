"""Failed logins: how many there may be, and what the next one is told."""

from __future__ import annotations

import io
import logging
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from dispatcher.admin.logins import FAILURES_OF_ADDRESS
from tests.admin.roles import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LOGIN = "/admin/login/"
PASSWORD = "correct horse battery"
WRONG = "wrong"
LIMIT = 5
HERE, THERE = "203.0.113.1", "203.0.113.2"


@pytest.fixture(autouse=True)
def quick_hash(settings: Any) -> None:
    """A real one takes as long as a dozen tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False) as traveller:
        yield traveller


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def log_in(
    name: str, password: str = WRONG, address: str = HERE, **headers: str
) -> Any:
    client = Client(headers=headers)
    form = {"username": name, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address)


def fail(times: int, name: str = "anna", address: str = HERE) -> list[int]:
    return [log_in(name, address=address).status_code for _ in range(times)]


def test_the_fifth_failure_locks_the_user_at_that_address(anna: User) -> None:
    assert fail(LIMIT) == [200, 200, 200, 200, 429]

    assert log_in("anna", PASSWORD).status_code == 429
    assert log_in("anna", PASSWORD, THERE).status_code == 302


def test_the_page_says_what_is_the_matter_and_offers_the_form(anna: User) -> None:
    fail(LIMIT)

    response = log_in("anna", PASSWORD)
    text = response.content.decode()

    assert "Too many failed logins. Try again in 15 minutes." in text
    assert "Please enter the correct" not in text
    assert 'name="password"' in text
    assert response["Retry-After"] == "900"
    assert response["Content-Length"] == str(len(response.content))


def test_a_lock_ends_by_itself_however_often_it_is_tried(
    anna: User, clock: time_machine.Traveller
) -> None:
    fail(LIMIT)
    clock.shift(14 * 60)
    assert fail(3) == [429, 429, 429]
    clock.shift(61)

    assert log_in("anna", PASSWORD).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_who_logs_in_has_all_tries_again(anna: User) -> None:
    fail(LIMIT - 1)
    assert log_in("anna", PASSWORD).status_code == 302

    assert fail(LIMIT) == [200, 200, 200, 200, 429]


def test_an_address_that_guesses_at_many_names_is_locked(anna: User) -> None:
    names = [f"user-{number}" for number in range(LIMIT * FAILURES_OF_ADDRESS)]
    statuses = [log_in(name).status_code for name in names]

    assert set(statuses[:-1]) == {200}
    assert statuses[-1] == 429
    assert log_in("anna", PASSWORD).status_code == 429
    assert log_in("anna", PASSWORD, THERE).status_code == 302


def test_logging_in_between_guesses_does_not_hide_them(anna: User) -> None:
    User.objects.create_user("mallory", password=PASSWORD, is_staff=True)
    for number in range(LIMIT * FAILURES_OF_ADDRESS):
        log_in(f"user-{number}")
        if number % 10 == 0:
            log_in("mallory", PASSWORD)

    assert log_in("mallory", PASSWORD).status_code == 429


def test_another_browser_is_no_other_user(anna: User) -> None:
    statuses = [
        log_in("anna", **{"user-agent": f"browser {number}"}).status_code
        for number in range(LIMIT)
    ]

    assert statuses[-1] == 429


@pytest.mark.parametrize("peer", [HERE, "127.0.0.1"])
def test_a_header_that_was_made_up_neither_evades_a_lock_nor_locks_others_out(
    anna: User, settings: Any, peer: str
) -> None:
    settings.CDRHOOK_TRUSTED_PROXIES = [ip_network("127.0.0.0/8")]

    def forwarded(number: int) -> dict[str, str]:
        made_up = f"198.51.100.{number}"
        # What a proxy adds stands behind it.
        return {"x-forwarded-for": f"{made_up}, {HERE}" if peer != HERE else made_up}

    for number in range(LIMIT):
        log_in("anna", address=peer, **forwarded(number))

    assert log_in("anna", PASSWORD, peer, **forwarded(9)).status_code == 429
    assert log_in("anna", PASSWORD, "198.51.100.1").status_code == 302


def test_a_subscriber_of_ipv6_has_no_more_tries_than_one_of_ipv4(anna: User) -> None:
    for number in range(LIMIT):
        log_in("anna", address=f"2001:db8::{number:x}")

    assert log_in("anna", PASSWORD, "2001:db8::ffff").status_code == 429
    assert log_in("anna", PASSWORD, "2001:db8:0:1::1").status_code == 302


# Nothing tells which users there are ------------------------------------------------


def seen(response: Any, name: str) -> tuple[Any, ...]:
    """All that a browser can tell of an answer, with the name left out."""
    headers = dict(response.headers)
    # How long the name is, and what o'clock it was.
    del headers["Content-Length"], headers["Expires"]
    return answer(response, name), headers


@pytest.fixture
def users(anna: User) -> list[str]:
    """A good one, and every kind of user that may not log in; and one that is not there."""
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)
    User.objects.create_user("no-staff", password=PASSWORD)
    User.objects.create_user("no-password", is_staff=True)
    return ["anna", "inactive", "no-staff", "no-password", "nobody"]


def test_every_user_who_is_not_let_in_is_answered_alike(users: list[str]) -> None:
    for _ in range(LIMIT + 1):
        answers = [str(seen(log_in(name), name)) for name in users]
        assert answers == answers[:1] * len(users)


def test_the_right_password_of_who_may_not_log_in_tells_nothing(
    users: list[str],
) -> None:
    names = ["inactive", "no-staff", "nobody"]
    answers = {str(seen(log_in(name, PASSWORD), name)) for name in names}

    assert len(answers) == 1


def test_every_user_costs_one_hash(
    users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)

    for number, name in enumerate(users, start=1):
        log_in(name)
        assert len(hashed) == number


# What is written down ---------------------------------------------------------------


def test_no_password_is_written_down(
    anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(LIMIT + 1):
        log_in("anna", "s3cret-Pa55")

    rows = str(list(AccessAttempt.objects.values()))
    assert AccessAttempt.objects.get().failures_since_start == LIMIT
    assert "s3cret-Pa55" not in rows + caplog.text
    assert HERE in caplog.text
    assert "anna" not in caplog.text


def test_the_command_unlocks(anna: User) -> None:
    fail(LIMIT)

    call_command("axes_reset_username", "anna", stdout=io.StringIO())

    assert log_in("anna", PASSWORD).status_code == 302


def test_an_operator_sees_who_is_locked_and_unlocks(anna: User) -> None:
    fail(LIMIT)
    fail(1, "bert")
    operator = Client()
    operator.force_login(anna, backend="django.contrib.auth.backends.ModelBackend")

    page = operator.get("/admin/axes/accessattempt/").content.decode()
    assert (page.count(">locked<"), page.count(">open<")) == (1, 1)
    locked = AccessAttempt.objects.get(username="anna")
    chosen = {"action": "unlock", "_selected_action": [locked.pk]}
    operator.post("/admin/axes/accessattempt/", chosen)

    assert log_in("anna", PASSWORD).status_code == 302
    assert AccessAttempt.objects.get().username == "bert"


def test_the_page_of_an_attempt_shows_nothing_of_the_form(anna: User) -> None:
    fail(1)
    operator = Client()
    operator.force_login(anna, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/admin/axes/accessattempt/{AccessAttempt.objects.get().pk}/change/"

    text = operator.get(address).content.decode()

    assert "anna" in text
    assert "********************" not in text
