"""Callers, webhooks and calls for the tests of the HTTP interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher import tasks
from dispatcher.models import Partner, Tenant, Webhook
from dispatcher.payloads import envelope
from dispatcher.payloads.base import Style
from dispatcher.pipeline import draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.test import Client


def record(uid: str, **values: Any) -> dict[str, Any]:
    """A CDR as POST /api/v1/cdrs takes it."""
    return {
        "uid": uid,
        "started_at": "2026-11-20T09:37:35+00:00",
        "direction": "inbound",
        "disposition": "answered",
        "caller": {"number": "+442031703746"},
        "rating": {"cost": "0.0350"},
        **values,
    }


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The webhooks that were woken up; no broker is asked."""
    ids: list[UUID] = []
    monkeypatch.setattr(tasks, "wake_up", ids.extend)
    return ids


@pytest.fixture
def feed_style(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges webhooks by what PAYLOADS allows a feed, whichever styles there are."""
    feed = Style(
        name="feed",
        owners=("partner", "tenant"),
        methods=("POST",),
        formats=("json",),
        filters=False,
        custom_data=False,
        max_cdrs=5000,
        render=envelope.render,
    )
    monkeypatch.setattr(draft, "style", lambda _name: feed)


@pytest.fixture
def api(acme: Tenant, client_for: Callable[..., Client]) -> Client:
    """A client of acme with every scope."""
    return client_for(acme)


@pytest.fixture
def partner(db: None) -> Partner:
    """A partner without tenants."""
    return Partner.objects.create(name="Operator")


@pytest.fixture
def initech(partner: Partner) -> Tenant:
    """A tenant of the partner."""
    return Tenant.objects.create(external_id="initech", name="Initech", partner=partner)


@pytest.fixture
def operator(partner: Partner, client_for: Callable[..., Client]) -> Client:
    """A client of the partner that may read, and nothing else."""
    return client_for(partner, "read")


@pytest.fixture
def webhook_of(db: None) -> Callable[..., Webhook]:
    """webhook_of(tenant or partner, **settings)."""

    def make(owner: Tenant | Partner, **settings: Any) -> Webhook:
        whose = "partner" if isinstance(owner, Partner) else "tenant"
        return Webhook.objects.create(
            **{whose: owner, "url": "https://receiver.example/cdr", **settings}
        )

    return make


@pytest.fixture
def send(api: Client) -> Callable[..., Any]:
    """send(method, path, body=None, client=api) -> (status, decoded JSON or None)."""

    def make(method: str, path: str, body: Any = None, client: Any = api) -> Any:
        response = client.generic(
            method,
            path,
            b"" if body is None else _bytes(body),
            content_type="application/json",
        )
        return response.status_code, response.json() if response.content else None

    return make


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
