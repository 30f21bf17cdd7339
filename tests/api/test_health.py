"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from dispatcher import tasks
from dispatcher.models import Delivery
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WELL = {"database": True, "broker": True, "workers": True, "beat": True}


@pytest.mark.parametrize(
    ("missing", "healthy", "ready"),
    [
        (None, 200, 200),
        ("database", 503, 503),
        ("broker", 200, 503),
        ("workers", 200, 503),
        ("beat", 200, 503),
    ],
)
def test_alive_is_taking_calls_in_and_ready_is_sending_them_too(
    monkeypatch, missing, healthy, ready
):
    alive = WELL | ({missing: False} if missing else {})
    monkeypatch.setattr(tasks, "alive", lambda: alive)

    for path, status in (("/healthz", healthy), ("/readyz", ready)):
        response = Client().get(path)
        assert (response.status_code, response.json()) == (status, alive)


@pytest.fixture
def _well(monkeypatch):
    monkeypatch.setattr(tasks, "alive", lambda: WELL)


@pytest.mark.usefixtures("_well")
def test_metrics_count_what_is_not_delivered(acme, webhook_of, send):
    webhook = webhook_of(acme)
    send("POST", "/api/v1/cdrs", {"cdrs": [record(uid) for uid in "abc"]})
    failed = Delivery.objects.order_by("pk")[0]
    Delivery.objects.filter(pk=failed.pk).update(
        state="failed", next_attempt_at=None, ended_at=timezone.now()
    )

    def lines() -> list[str]:
        return Client().get("/metrics").content.decode().splitlines()

    assert 'cdrhook_deliveries{state="failed"} 1' in lines()
    assert 'cdrhook_deliveries{state="pending"} 2' in lines()
    assert 'cdrhook_up{part="broker"} 1' in lines()
    assert 'cdrhook_webhooks{health="OK"} 1' in lines()
    assert "cdrhook_quarantined_records 0" in lines()
    webhook.health = "DOWN"
    webhook.save()
    assert 'cdrhook_deliveries{state="held"} 2' in lines()
    assert 'cdrhook_deliveries{state="pending"} 0' in lines()


@pytest.mark.usefixtures("_well")
@pytest.mark.parametrize(
    ("token", "headers", "address", "status"),
    [
        ("", {}, "127.0.0.1", 200),
        ("", {}, "::1", 200),
        ("", {}, "192.0.2.1", 401),
        ("", {"x-forwarded-for": "192.0.2.1"}, "127.0.0.1", 401),
        ("", {"authorization": "Bearer "}, "192.0.2.1", 401),
        ("secret", {}, "127.0.0.1", 401),
        ("secret", {"authorization": "Bearer wrong"}, "192.0.2.1", 401),
        ("secret", {"authorization": "Bearer secret"}, "192.0.2.1", 200),
    ],
)
def test_metrics_are_for_the_token_or_else_for_this_machine(
    db, settings, token, headers, address, status
):
    settings.METRICS_TOKEN = token

    response = Client().get("/metrics", headers=headers, REMOTE_ADDR=address)

    assert response.status_code == status
