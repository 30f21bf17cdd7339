"""What is foreign and what is unknown get the same bytes, on every path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from dispatcher.models import Delivery, Replay, StoredCdr
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]

UNKNOWN = "019384b3-1111-7000-8000-000000000000"
# (method, path with {}, which of globex' things it names)
ROUTES = [
    ("GET", "/api/v1/cdrs/{}", "uid"),
    ("GET", "/rest-api/cdr/{}", "cdr"),
    ("GET", "/api/v1/webhooks/{}", "webhook"),
    ("PATCH", "/api/v1/webhooks/{}", "webhook"),
    ("DELETE", "/api/v1/webhooks/{}", "webhook"),
    ("POST", "/api/v1/webhooks/{}/test", "webhook"),
    ("POST", "/api/v1/webhooks/{}/probe", "webhook"),
    ("POST", "/api/v1/webhooks/{}/replay", "webhook"),
    ("POST", "/api/v1/webhooks/{}/replay-outage", "webhook"),
    ("POST", "/api/v1/webhooks/{}/backfill", "webhook"),
    ("GET", "/api/v1/webhooks/{}/replays", "webhook"),
    ("GET", "/api/v1/replays/{}", "replay"),
    ("POST", "/api/v1/replays/{}/pause", "replay"),
    ("POST", "/api/v1/replays/{}/resume", "replay"),
    ("POST", "/api/v1/replays/{}/cancel", "replay"),
    ("POST", "/api/v1/webhooks/{}/secret/rotate", "webhook"),
    ("GET", "/api/v1/deliveries/{}", "delivery"),
    ("POST", "/api/v1/deliveries/{}/redeliver", "delivery"),
    ("POST", "/api/v1/deliveries/{}/cancel", "delivery"),
    ("POST", "/ingest/freeswitch/{}", "tenant"),
    ("GET", "/api/v1/webhooks?tenant={}", "tenant"),
    ("GET", "/api/v1/deliveries?tenant={}", "tenant"),
    ("POST", "/api/v1/cdrs?tenant={}", "tenant"),
]
BODIES = {
    "/replay-outage": {},
    "/replay": {"since": "2026-11-20T10:00:00Z"},
    "/backfill": {"hours": 1},
    "/cdrs?": record("z"),
}


@pytest.fixture
def things(globex: Any, webhook_of: Any, client_for: Any, send: Any) -> dict[str, str]:
    """A thing of each kind that belongs to globex."""
    # Nobody listens there: a test call ends at once.
    webhook = webhook_of(globex, url="https://127.0.0.1:9/")
    send("POST", "/api/v1/cdrs", record("theirs"), client_for(globex))
    delivery = Delivery.objects.get()
    now = timezone.now()
    replay = Replay.objects.create(
        webhook=webhook, since=now, until=now, created_at=now, next_step_at=now
    )
    return {
        "replay": str(replay.pk),
        "uid": "theirs",
        "cdr": str(StoredCdr.objects.get().pk),
        "webhook": str(webhook.pk),
        "delivery": str(delivery.pk),
        "tenant": "globex",
    }


def body_for(path: str) -> Any:
    """A body with which nothing but the thing itself can be at fault."""
    return next((body for part, body in BODIES.items() if part in path), {})


def asked(client: Any, method: str, path: str) -> Any:
    """Everything that a caller can see of an answer."""
    response = client.generic(
        method, path, _json(body_for(path)), content_type="application/json"
    )
    return response.status_code, response.content, sorted(response.headers.items())


def _json(body: Any) -> str:
    return json.dumps(body)


@pytest.mark.parametrize(("method", "path", "kind"), ROUTES)
def test_foreign_and_unknown_are_told_apart_by_nothing(
    things, outsider, client_for, method, path, kind
):
    client = client_for(outsider)

    foreign = asked(client, method, path.format(things[kind]))
    unknown = asked(client, method, path.format(UNKNOWN))

    assert foreign == unknown
    assert foreign[0] == 404


@pytest.mark.parametrize(("method", "path", "kind"), ROUTES)
def test_a_partner_reaches_nothing_of_a_tenant_that_is_not_its_own(
    things, initech, partner, client_for, method, path, kind
):
    client = client_for(partner)
    join = "&" if "?" in path else "?"
    extra = "" if kind == "tenant" else f"{join}tenant=initech"

    foreign = asked(client, method, path.format(things[kind]) + extra)
    unknown = asked(client, method, path.format(UNKNOWN) + extra)

    assert foreign == unknown
    assert foreign[0] == 404


@pytest.mark.parametrize(("method", "path", "kind"), ROUTES)
def test_the_owner_is_not_told_that_there_is_nothing(
    things, globex, client_for, method, path, kind
):
    status, _, _ = asked(client_for(globex), method, path.format(things[kind]))

    assert status != 404


@pytest.mark.parametrize(
    "key", ["x", "..", "%00", UNKNOWN.upper(), "{" + UNKNOWN + "}", UNKNOWN + "x"]
)
@pytest.mark.parametrize(
    "path", ["/api/v1/webhooks/{}", "/api/v1/deliveries/{}", "/rest-api/cdr/{}"]
)
def test_what_is_no_id_is_unknown_too(api, path, key):
    response = api.get(path.format(key))

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_lists_hold_nothing_of_others(things, outsider, client_for, send):
    client = client_for(outsider)

    assert send("GET", "/api/v1/webhooks", None, client)[1] == []
    assert send("GET", "/api/v1/deliveries", None, client)[1]["items"] == []
    path = f"/api/v1/deliveries?webhook={things['webhook']}"
    assert send("GET", path, None, client)[1]["items"] == []


def test_a_refused_change_changed_nothing(things, outsider, client_for):
    client, before = client_for(outsider), timezone.now()

    for method, path, kind in ROUTES:
        asked(client, method, path.format(things[kind]))

    delivery = Delivery.objects.get()
    assert delivery.state == "pending"
    assert delivery.created_at < before
    assert delivery.webhook.deleted_at is None
