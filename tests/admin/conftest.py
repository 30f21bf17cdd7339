"""Calls, webhooks, deliveries and an administrator for the tests of the admin."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dispatcher import tasks
from dispatcher.adapters import cdr_json
from dispatcher.models import Attempt, Delivery, OwedCdr, StoredCdr, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dispatcher.models import Tenant

EVIL = '<script>alert("evil")</script>'
ESCAPED = "&lt;script&gt;alert(&quot;evil&quot;)&lt;/script&gt;"


@pytest.fixture
def admin_user(db: None) -> User:
    """An administrator; without a password, whose hash would take longer than a test."""
    return User.objects.create(username="admin", is_staff=True, is_superuser=True)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The webhooks that were woken up; no broker is asked."""
    ids: list[UUID] = []
    monkeypatch.setattr(tasks, "wake_up", ids.extend)
    return ids


@pytest.fixture
def webhook(acme: Tenant) -> Webhook:
    """An envelope webhook of acme's, signed, two hours old."""
    hook = Webhook.objects.create(
        tenant=acme, url="https://receiver.example/calls", secret="whsec_former"
    )
    made = timezone.now() - dt.timedelta(hours=2)
    Webhook.objects.filter(pk=hook.pk).update(created_at=made)
    hook.refresh_from_db()
    return hook


@pytest.fixture
def stored() -> Callable[..., StoredCdr]:
    """stored(tenant, uid, **values of the record) -> the call as it was accepted."""

    def make(tenant: Tenant, uid: str, **values: Any) -> StoredCdr:
        now = timezone.now()
        record = {
            "uid": uid,
            "started_at": now.isoformat(),
            "caller": {"number": "+441632960001"},
            "dialed": {"number": "+441632960002"},
            "rating": {"cost": "0.0350"},
            **values,
        }
        cdr = cdr_json.load(json.dumps(record))
        return StoredCdr.objects.create(
            tenant=tenant,
            uid=uid,
            source="api",
            record=json.dumps(record),
            content_hash=uid,
            started_at=now,
            call_end=now,
            caller_number=cdr.caller.number or "",
            dialed_number=cdr.dialed.number or "",
            accepted_at=now,
        )

    return make


@pytest.fixture
def delivery_of(stored: Callable[..., StoredCdr]) -> Callable[..., Delivery]:
    """delivery_of(webhook, uid, state, **columns) -> a delivery that carries a call."""

    def make(
        hook: Webhook, uid: str, state: str = "pending", **columns: Any
    ) -> Delivery:
        now, pending = timezone.now(), state == "pending"
        cdr = StoredCdr.objects.filter(uid=uid).first() or stored(hook.tenant, uid)
        delivery = Delivery.objects.create(
            webhook=hook,
            tenant=hook.tenant,
            state=state,
            created_at=now,
            call_end=now,
            next_attempt_at=now if pending else None,
            ended_at=None if pending else now,
            **columns,
        )
        OwedCdr.objects.create(webhook=hook, cdr=cdr, delivery=delivery)
        return delivery

    return make


@pytest.fixture
def failed(webhook: Webhook, delivery_of: Callable[..., Delivery]) -> Delivery:
    """A delivery that failed after one attempt, whose receiver answered evil."""
    delivery = delivery_of(
        webhook,
        "call-1",
        "failed",
        attempt_count=1,
        tries=1,
        last_status_code=503,
        last_error_class="status",
        last_error="answered 503; only 200 and 201 confirm receipt",
        request_method="POST",
        request_content_type="application/json",
        request_body=json.dumps({"cdr": {"cliName": EVIL}}).encode(),
    )
    now = timezone.now()
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        started_at=now,
        ended_at=now,
        duration_ms=47,
        resolve_ms=2,
        connect_ms=11,
        tls_ms=19,
        send_ms=1,
        wait_ms=14,
        status_code=503,
        error_class="status",
        error="answered 503; only 200 and 201 confirm receipt",
        url=webhook.url,
        address="203.0.113.7",
        response_headers=[["server", EVIL]],
        response_body=EVIL.encode() + b"\xff",
    )
    return delivery
