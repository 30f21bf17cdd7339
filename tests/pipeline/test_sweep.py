"""The safety net: what wake-ups and timers forgot is found within seconds."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Attempt, Lease, Webhook
from dispatcher.models.delivery import LEASE
from dispatcher.pipeline import resend
from dispatcher.pipeline.purge import purge_deliveries
from dispatcher.pipeline.sweep import (
    cancel_orphans,
    fail_forgotten_tests,
    overdue_webhooks,
    take_over_forgotten,
)
from dispatcher.pipeline.test_call import prepare_test_call
from tests.pipeline.conftest import call, claim_all, finish, only_delivery

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def later(now, seconds):
    return now + dt.timedelta(seconds=seconds)


def test_a_webhook_is_swept_when_a_delivery_is_overdue_by_more_than_a_second(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    assert overdue_webhooks(later(now, 0.5)) == []
    assert overdue_webhooks(later(now, 1.5)) == [(webhook.pk, "fast")]


def test_a_delivery_that_is_being_sent_is_left_alone(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claim_all(webhook, now)

    assert overdue_webhooks(later(now, 29)) == []


def test_a_delivery_whose_sender_died_is_found_when_its_lease_has_run_out(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claim_all(webhook, now)

    assert overdue_webhooks(later(now, 32)) == [(webhook.pk, "fast")]


def test_a_retry_that_nobody_remembers_is_found(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    finish(item, 500, now)

    assert overdue_webhooks(later(now, 2.5)) == []
    assert overdue_webhooks(later(now, 3.5)) == [(webhook.pk, "fast")]


def test_what_is_done_is_not_swept(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    finish(item, 200, now)

    assert overdue_webhooks(later(now, 3600)) == []


def test_what_was_accepted_while_its_webhook_was_deleted_is_cancelled(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    webhook.deleted_at = now
    webhook.save()

    assert cancel_orphans(later(now, 2)) == 1
    assert webhook.deliveries.get().state == "cancelled"


def test_a_test_call_whose_process_died_fails_and_is_not_sent_by_a_worker(
    acme, webhook_of, now
):
    webhook = webhook_of(acme)
    prepare_test_call(webhook, now)
    after = now + LEASE + dt.timedelta(seconds=5)

    assert overdue_webhooks(after) == []
    assert claim_all(webhook, after) == []
    assert fail_forgotten_tests(after) == 1
    assert webhook.deliveries.get().state == "failed"


@pytest.mark.parametrize("state", ["off", "deleted", "nothing pending"])
def test_what_a_dead_process_held_is_taken_over_where_nobody_claims(
    acme, webhook_of, take, now, state
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    resend.cancel(item.delivery_id, now)
    if state != "nothing pending":
        gone = {"deleted_at": now} if state == "deleted" else {}
        Webhook.objects.update(active=False, **gone)

    assert take_over_forgotten(later(now, 60)) == 0
    assert take_over_forgotten(later(now, 91)) == 1

    assert not Lease.objects.exists()
    attempt = Attempt.objects.get()
    assert (attempt.error_class, attempt.number) == ("interrupted", 1)
    (purged,) = purge_deliveries(later(dt.datetime.now(dt.UTC), 1))
    assert purged.deliveries == 1


def test_what_is_under_way_is_not_taken_over(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)

    assert take_over_forgotten(later(now, 29)) == 0

    finish(item, 200, now)
    assert only_delivery().state == "delivered"
