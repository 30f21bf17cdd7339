"""The safety net: what wake-ups and timers forgot is found within seconds."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models.delivery import LEASE
from dispatcher.pipeline.sweep import (
    cancel_orphans,
    fail_forgotten_tests,
    overdue_webhooks,
)
from dispatcher.pipeline.test_call import prepare_test_call
from tests.pipeline.conftest import call, claim_all, finish

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
