"""What several at once, or much at once, must not break when webhooks change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import connection

from dispatcher.models import Delivery, Lease, Tenant, Webhook
from dispatcher.models.delivery import LEASE
from dispatcher.pipeline import subscribe
from dispatcher.pipeline.subscribe import (
    RefusedError,
    WebhookDraft,
    create_webhook,
    delete_webhook,
)

if TYPE_CHECKING:
    import datetime as dt

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

URL = "https://receiver.example/cdr"


def pending(webhook: Webhook, now: dt.datetime, **columns: object) -> Delivery:
    """A delivery that is still to be sent."""
    return Delivery.objects.create(
        webhook=webhook, created_at=now, call_end=now, next_attempt_at=now, **columns
    )


def test_two_at_once_do_not_take_the_same_last_place(
    acme: Tenant, now: dt.datetime
) -> None:
    Tenant.objects.update(max_webhooks=1)
    acme.refresh_from_db()

    def make(_: int) -> bool:
        try:
            create_webhook(WebhookDraft(tenant=acme, url=URL), now=now)
        except RefusedError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(4)))

    assert sorted(made) == [False, False, False, True]
    assert Webhook.objects.count() == 1


def test_a_long_backlog_is_cancelled_in_short_transactions(
    acme: Tenant, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribe, "_CHUNK", 2)
    webhook = Webhook.objects.create(tenant=acme, url=URL, secret="x")
    for _ in range(5):
        pending(webhook, now)

    cancelled = delete_webhook(webhook, now=now)

    webhook.refresh_from_db()
    assert cancelled == 5
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert (webhook.active, webhook.deleted_at, webhook.secret) == (False, now, "")


def test_what_is_being_sent_when_a_webhook_is_deleted_can_still_be_recorded(
    acme: Tenant, now: dt.datetime
) -> None:
    webhook = Webhook.objects.create(tenant=acme, url=URL)
    sending = pending(webhook, now)
    lease = Lease.objects.create(
        token=uuid4(), webhook=webhook, until=now + LEASE, deliveries=[str(sending.pk)]
    )

    delete_webhook(webhook, now=now)

    sending.refresh_from_db()
    assert sending.state == "cancelled"
    assert Lease.objects.get() == lease
