"""Tokens that are not good: one answer for all of them, little work, and a limit."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dispatcher import broker
from dispatcher.models import ApiToken
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def bad(acme: Any, token_of: Any) -> dict[str, str]:
    """A token of each kind that is not good."""
    now = timezone.now()
    tokens = {"unknown": "cdr_" + "x" * 43}
    for kind, column in (("revoked", "revoked_at"), ("expired", "expires_at")):
        text = token_of(acme, "ingest", "read", "manage")
        digest = ApiToken.digest_of(text)
        ApiToken.objects.filter(digest=digest).update(
            **{column: now - dt.timedelta(seconds=1)}
        )
        tokens[kind] = text
    return tokens


def asked(token: str, method: str = "GET", path: str = "/api/v1/webhooks") -> Any:
    client = Client(headers={"authorization": f"Bearer {token}"})
    response = client.generic(method, path, b"{}", content_type="application/json")
    return response.status_code, response.content, sorted(response.headers.items())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/webhooks"),
        ("POST", "/api/v1/cdrs"),
        ("POST", "/ingest/freeswitch/acme"),
        ("POST", "/ingest/freeswitch/nobody"),
    ],
)
def test_why_a_token_is_not_good_is_told_to_nobody(bad, method, path):
    answers = [asked(token, method, path) for token in bad.values()]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 401


def test_a_bad_token_costs_one_look_up_and_writes_nothing(bad):
    for token in bad.values():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            asked(token)
        assert len(queries) == 1
        assert queries[0]["sql"].startswith("SELECT")


def test_no_token_is_written_into_the_log(bad, acme, token_of, caplog, settings):
    settings.DEBUG = True
    caplog.set_level(logging.DEBUG)
    good = token_of(acme, "read")
    for token in [*bad.values(), good]:
        asked(token)
        asked(token, "POST", "/api/v1/cdrs")
        Client(headers={"authorization": f"Basic {token}"}).get("/api/v1/webhooks")

    assert "token.refused" in caplog.text
    for token in [*bad.values(), good]:
        assert token not in caplog.text
        assert token[4:20] not in caplog.text


def test_the_log_says_from_where_and_which(bad, caplog):
    caplog.set_level(logging.INFO)
    asked(bad["revoked"])
    asked(bad["unknown"])

    assert "127.0.0.1" in caplog.text
    assert f"…{bad['revoked'][-4:]}" in caplog.text
    assert "unknown" in caplog.text


def test_no_token_is_in_what_python_prints_of_it(acme, token_of):
    text = token_of(acme, "read")
    token = ApiToken.objects.get()

    assert text not in f"{token!r} {token} {vars(token)}"


# The limit --------------------------------------------------------------------------


@pytest.fixture
def two_a_minute(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two bad tokens an address; counted here instead of in Redis."""
    settings.CDRHOOK_REFUSED_TOKENS_PER_MINUTE = 2
    asked: list[str] = []

    def wait_seconds(who: str, *, per_minute: int, now: dt.datetime) -> int:
        asked.append(who)
        return 17 if asked.count(who) > per_minute else 0

    monkeypatch.setattr(broker, "wait_seconds", wait_seconds)
    return asked


def test_who_comes_with_many_bad_tokens_is_told_to_wait(bad, two_a_minute):
    statuses = [asked(bad["unknown"])[0] for _ in range(3)]
    answers = [asked(token) for token in bad.values()]

    assert statuses == [401, 401, 429]
    assert answers[0] == answers[1] == answers[2]
    assert ("Retry-After", "17") in answers[0][2]


def test_a_good_token_is_never_told_to_wait(bad, two_a_minute, acme, client_for, send):
    for _ in range(5):
        asked(bad["unknown"])

    status, _ = send("POST", "/api/v1/cdrs", record("a"), client_for(acme))

    assert status == 202
    assert set(two_a_minute) == {"refused:127.0.0.1"}


def test_another_address_has_a_limit_of_its_own(bad, two_a_minute):
    client = Client(headers={"authorization": "Bearer x"})
    statuses = [
        client.get("/api/v1/webhooks", REMOTE_ADDR=address).status_code
        for address in ["203.0.113.1"] * 3 + ["203.0.113.2"]
    ]

    assert statuses == [401, 401, 429, 401]


def test_without_the_broker_there_is_no_limit(bad, settings, monkeypatch):
    settings.CDRHOOK_REFUSED_TOKENS_PER_MINUTE = 1
    monkeypatch.setattr(broker, "is_away", lambda: True)

    assert [asked(bad["unknown"])[0] for _ in range(3)] == [401] * 3


@pytest.mark.usefixtures("broker")
def test_the_broker_counts(bad, settings):
    settings.CDRHOOK_REFUSED_TOKENS_PER_MINUTE = 1
    broker.client().flushdb()

    statuses = [asked(bad["unknown"])[0] for _ in range(5)]

    # Between two of them a minute may begin.
    assert statuses.count(429) >= 3
