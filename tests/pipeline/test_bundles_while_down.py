"""While a webhook is DOWN its batches and windows go on being closed on time."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Delivery, Partner, Tenant, Webhook
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.sweep import overdue_webhooks
from tests.pipeline.conftest import call, claim_all, claim_now
from tests.pipeline.outage import down_webhook, later

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def batch(acme, webhook_of, now):
    """A webhook that is DOWN, and whose batches close at 3 calls or 60 s."""
    return down_webhook(
        webhook_of, acme, now, style="batch", batch_size=3, probed_at=now
    )


def test_an_old_batch_is_closed_into_a_delivery_that_is_held(acme, batch, take, now):
    take(acme, call("a"), call("b"))

    assert overdue_webhooks(later(now, 30)) == []
    assert overdue_webhooks(later(now, 61)) == [(batch.pk, "slow")]
    assert claim_all(batch, later(now, 61)) == []
    assert Delivery.objects.get().carried.count() == 2


def test_a_full_batch_is_closed_and_the_rest_begins_another(acme, batch, take, now):
    take(acme, *(call(f"c-{n}") for n in range(7)))

    assert overdue_webhooks(now) == [(batch.pk, "slow")]
    claim_now(batch, now)

    assert Delivery.objects.count() == 2
    assert overdue_webhooks(later(now, 2)) == []


def test_a_batch_that_has_been_closed_is_what_it_is_probed_with(acme, batch, take, now):
    take(acme, *(call(f"c-{n}") for n in range(3)))
    Webhook.objects.update(probed_at=None)

    (item,) = claim_all(batch, now)

    assert item.probe
    assert b'"c-2"' in item.outgoing.request.body


def test_windows_of_a_feed_are_closed(webhook_of, now):
    partner = Partner.objects.create(name="Operator")
    tenant = Tenant.objects.create(external_id="initech", name="I", partner=partner)
    began = now - dt.timedelta(minutes=20)
    feed = Webhook.objects.create(
        partner=partner,
        style="feed",
        url="https://feed.example/",
        health="DOWN",
        lane="slow",
        probed_at=now,
        fed_until=began,
    )
    for minute in (19, 14):
        ended = now - dt.timedelta(minutes=minute)
        accept(tenant, [call(f"c-{minute}", ended_at=ended)], source="x", now=ended)

    assert overdue_webhooks(now) == [(feed.pk, "slow")]
    assert claim_all(feed, now) == []

    assert list(Delivery.objects.values_list("sequence", flat=True)) == [2, 1]
    assert overdue_webhooks(now) == []
