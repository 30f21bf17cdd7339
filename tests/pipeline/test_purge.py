"""Deliveries that ended long ago are deleted, and nothing else is changed by it."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from dispatcher.models import Attempt, Delivery, Lease, OwedCdr, Partner, StoredCdr
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import purge, resend
from dispatcher.pipeline.purge import Purged, purge_deliveries
from dispatcher.pipeline.test_call import prepare_test_call
from tests.pipeline.conftest import call, claim_all, finish, only_delivery

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def soon() -> dt.datetime:
    """After everything that was made here, whose ids bear the real time."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)


def purged(before: dt.datetime, **options: Any) -> Purged:
    """What is gone at the end, without any rest."""
    steps = list(purge_deliveries(before, rest=0, **options))
    return steps[-1] if steps else Purged()


@pytest.fixture
def send(take, now):
    """send(webhook, uid, status=200): takes a call of its tenant in and sends it."""

    def make(webhook, uid, status=200):
        take(webhook.tenant, call(uid))
        for item in claim_all(webhook, now):
            finish(item, status, now)

    return make


def test_what_has_ended_is_deleted_with_its_attempts(acme, webhook_of, send, now):
    webhook = webhook_of(acme, retries=0)
    send(webhook, "c-1")
    send(webhook, "c-2", status=500)

    assert purged(soon()) == Purged(deliveries=2, attempts=2)

    assert not Delivery.objects.exists()
    assert not Attempt.objects.exists()


def test_what_is_pending_stays_however_old_it_is(acme, webhook_of, take, send, now):
    webhook = webhook_of(acme)
    send(webhook, "c-1", status=500)
    take(acme, call("c-2"))
    claim_all(webhook, now)

    assert purged(soon()) == Purged()

    assert Delivery.objects.filter(state="pending").count() == 2
    assert Attempt.objects.count() == 1


def test_what_ended_later_stays(acme, webhook_of, send, now):
    send(webhook_of(acme), "c-1")
    Delivery.objects.update(ended_at=soon() + dt.timedelta(hours=1))

    assert purged(soon()) == Purged()

    assert only_delivery().attempts.count() == 1


def test_what_was_made_later_stays(acme, webhook_of, send, now):
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    send(webhook_of(acme), "c-1")

    assert purged(before) == Purged()

    assert Delivery.objects.count() == 1


def test_a_delivery_that_a_worker_still_holds_stays(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    resend.cancel(item.delivery_id, now)

    assert purged(soon()) == Purged()

    finish(item, 200, now)
    assert only_delivery().state == "delivered"


def test_test_calls_are_deleted_too(acme, webhook_of, now):
    prepare_test_call(webhook_of(acme), now)
    Delivery.objects.update(state="failed", next_attempt_at=None, ended_at=now)
    Lease.objects.all().delete()

    assert purged(soon()) == Purged(deliveries=1)


@pytest.mark.parametrize(
    ("status", "cancelled", "left_out"),
    [
        (200, False, "was_delivered"),
        (500, False, "was_failed"),
        (None, True, "was_cancelled"),
    ],
)
def test_what_was_owed_stays_and_says_what_became_of_it(
    acme, webhook_of, take, now, status, cancelled, left_out
):
    webhook = webhook_of(acme, retries=0)
    take(acme, call("c-1"))
    if cancelled:
        resend.cancel(only_delivery().pk, now)
    else:
        finish(claim_all(webhook, now)[0], status, now)

    purged(soon())

    owed = OwedCdr.objects.get()
    assert (owed.delivery_id, owed.left_out) == (None, left_out)
    assert "purged" in owed.why_not_carried


def test_a_call_whose_delivery_is_purged_is_a_duplicate_and_not_sent_again(
    acme, webhook_of, take, send, now
):
    send(webhook_of(acme), "c-1")

    purged(soon())

    again = take(acme, call("c-1"))
    assert (again.accepted, again.duplicates, again.wake) == (0, 1, {})
    assert StoredCdr.objects.count() == 1
    assert not Delivery.objects.exists()


def test_a_purged_batch_is_not_bundled_again(acme, webhook_of, take, now):
    webhook = webhook_of(acme, style="batch", batch_size=2)
    take(acme, call("c-1"), call("c-2"))
    (item,) = claim_all(webhook, now)
    finish(item, 200, now)

    assert purged(soon()) == Purged(deliveries=1, attempts=1)

    assert claim_all(webhook, now + dt.timedelta(days=1)) == []
    assert OwedCdr.objects.filter(left_out="was_delivered").count() == 2


def test_one_tenants_are_purged_alone(acme, globex, webhook_of, send, now):
    send(webhook_of(acme), "c-1")
    send(webhook_of(globex), "c-1")

    assert purged(soon(), tenant=acme) == Purged(deliveries=1, attempts=1)

    assert only_delivery().tenant == globex


def test_a_partners_bundles_are_purged_with_everybodys_alone(acme, webhook_of, now):
    partner = Partner.objects.create(name="Reseller")
    feed = webhook_of(None, partner=partner, style="feed")
    Delivery.objects.create(
        webhook=feed, state="delivered", created_at=now, call_end=now, ended_at=now
    )

    assert purged(soon(), tenant=acme) == Purged()
    assert purged(soon()) == Purged(deliveries=1)


def test_it_goes_on_in_steps_past_what_must_stay(acme, webhook_of, now, monkeypatch):
    monkeypatch.setattr(purge, "STEP", 2)
    webhook = webhook_of(acme)
    waits = {"state": "pending", "next_attempt_at": now}
    ended = {"state": "delivered", "ended_at": now}
    Delivery.objects.bulk_create(
        Delivery(
            id=uuid7(),
            webhook=webhook,
            tenant=acme,
            created_at=now,
            call_end=now,
            **values,
        )
        for values in (waits, waits, waits, ended, ended)
    )

    steps = list(purge_deliveries(soon(), rest=0))

    assert [step.deliveries for step in steps] == [0, 1, 2]
    assert Delivery.objects.filter(state="pending").count() == 3


def test_it_rests_in_proportion_to_its_work(acme, webhook_of, send, now, monkeypatch):
    monkeypatch.setattr(purge, "STEP", 1)
    send(webhook_of(acme), "c-1")
    rests: list[float] = []

    for _ in purge_deliveries(soon(), rest=1_000_000, pause=rests.append):
        pass

    assert rests == [purge.LONGEST_REST_SECONDS]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite locks no rows")
def test_what_somebody_sends_again_at_this_moment_is_left_alone(
    acme, webhook_of, send, now
):
    send(webhook_of(acme), "c-1")

    def purge_elsewhere() -> Purged:
        try:
            return purged(soon())
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as other:
        resend.redeliver(only_delivery().pk, now)
        assert other.submit(purge_elsewhere).result(10) == Purged()

    assert only_delivery().state == "pending"
    assert OwedCdr.objects.get().delivery_id == only_delivery().pk
