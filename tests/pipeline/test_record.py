"""What becomes of a delivery when an attempt has ended."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import cast

import pytest

from dispatcher.models import Attempt, Delivery, Lease
from dispatcher.pipeline.record import (
    Ended,
    hand_back,
    move_to_lane,
    record,
    record_one_by_one,
)
from dispatcher.pipeline.resend import cancel, redeliver
from tests.pipeline.conftest import answer, call, claim_all, finish, only_delivery

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def sent_once(acme, webhook_of, take, now):
    """sent_once(status, **webhook settings) -> the delivery after one attempt."""

    def make(status: int, **settings):
        webhook = webhook_of(acme, **settings)
        take(acme, call("c-1"))
        (item,) = claim_all(webhook, now)
        finish(item, status, now)
        return webhook, only_delivery()

    return make


def test_200_delivers(sent_once):
    _, delivery = sent_once(200)

    assert (delivery.state, delivery.tries) == ("delivered", 1)
    assert not Lease.objects.exists()


def test_the_retry_is_due_two_seconds_after_the_failed_attempt_ended(sent_once):
    _, delivery = sent_once(500)

    ended = Attempt.objects.get().ended_at
    assert delivery.state == "pending"
    assert delivery.next_attempt_at == ended + dt.timedelta(seconds=2)


def test_without_retries_the_first_failure_is_the_end(sent_once):
    _, delivery = sent_once(500, retries=0)

    assert (delivery.state, delivery.last_error) == ("failed", "answered 500")


def test_after_the_last_retry_the_delivery_has_failed(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=2)
    take(acme, call("c-1"))
    at = now
    for _ in range(3):
        (item,) = claim_all(webhook, at)
        finish(item, 500, at)
        at += dt.timedelta(seconds=10)

    assert only_delivery().state == "failed"
    assert list(Attempt.objects.values_list("number", flat=True)) == [1, 2, 3]


def test_410_switches_a_webhook_off_that_asked_for_it(sent_once):
    webhook, delivery = sent_once(410, retries=5, disable_on_410=True)

    webhook.refresh_from_db()
    assert (delivery.state, webhook.active) == ("failed", False)


def test_410_is_a_failure_like_any_other_by_default(sent_once):
    webhook, delivery = sent_once(410)

    webhook.refresh_from_db()
    assert (delivery.state, webhook.active) == ("pending", True)


def test_an_answer_after_more_than_a_second_moves_the_webhook_to_the_slow_lane(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)

    finish(item, 200, now, took_ms=1500)

    webhook.refresh_from_db()
    assert (webhook.lane, webhook.quick_answers) == ("slow", 0)


def test_twenty_quick_answers_in_a_row_bring_it_back(acme, webhook_of, take, now):
    webhook = webhook_of(acme, lane="slow", max_in_flight=20)
    take(acme, *(call(f"c-{n}") for n in range(20)))
    items = claim_all(webhook, now)

    record([Ended(item, answer(200, now)) for item in items[:19]], now=now)
    webhook.refresh_from_db()
    assert webhook.lane == "slow"
    record([Ended(items[19], answer(200, now))], now=now)

    webhook.refresh_from_db()
    assert webhook.lane == "fast"


def test_an_answer_with_nul_in_its_headers_is_stored(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    odd = replace(
        answer(500, now), error="said \x00", response_headers=(("x-\x00", "\x00"),)
    )

    record([Ended(item, odd)], now=now)

    attempt = Attempt.objects.get()
    assert attempt.error == "said \ufffd"
    assert attempt.response_headers == [["x-\ufffd", "\ufffd"]]


def test_an_answer_that_cannot_be_stored_holds_up_no_other(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0)
    take(acme, call("c-1"), call("c-2"))
    bad, good = claim_all(webhook, now)
    unstorable = replace(answer(500, now), response_headers=(("x", cast("str", {1})),))

    record_one_by_one([Ended(bad, unstorable), Ended(good, answer(200, now))], now=now)

    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {bad.delivery_id: "failed", good.delivery_id: "delivered"}
    assert "could not be stored" in Delivery.objects.get(state="failed").last_error


def test_what_was_handed_back_can_be_claimed_at_once(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claimed = claim_all(webhook, now)

    hand_back(claimed)

    assert len(claim_all(webhook, now)) == 1
    assert not Attempt.objects.exists()


def test_a_failed_delivery_can_be_sent_again_with_tries_anew_and_numbers_going_on(
    sent_once, now
):
    webhook, delivery = sent_once(500, retries=0)

    assert redeliver(delivery.pk, now) == webhook.pk
    (item,) = claim_all(webhook, now)
    finish(item, 200, now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("delivered", 1)
    assert list(Attempt.objects.values_list("number", flat=True)) == [1, 2]


def test_a_pending_delivery_cannot_be_sent_again(sent_once, now):
    _, delivery = sent_once(500)

    assert redeliver(delivery.pk, now) is None


def test_a_cancelled_delivery_is_not_claimed(sent_once, now):
    webhook, delivery = sent_once(500)

    assert cancel(delivery.pk, now)
    assert claim_all(webhook, now + dt.timedelta(seconds=60)) == []


def test_a_delivered_delivery_cannot_be_cancelled(sent_once, now):
    _, delivery = sent_once(200)

    assert not cancel(delivery.pk, now)


@pytest.mark.parametrize(("status", "state"), [(500, "cancelled"), (200, "delivered")])
def test_an_attempt_under_way_when_its_delivery_is_cancelled_is_recorded(
    acme, webhook_of, take, now, status, state
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    cancel(item.delivery_id, now)

    finish(item, status, now)

    assert only_delivery().state == state
    assert Attempt.objects.get().status_code == status


def test_a_resend_during_a_cancelled_attempt_is_not_swallowed_by_its_failure(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0)
    take(acme, call("c-1"))
    (item,) = claim_all(webhook, now)
    cancel(item.delivery_id, now)
    redeliver(item.delivery_id, now + dt.timedelta(seconds=1))

    finish(item, 500, now + dt.timedelta(seconds=2))

    row = only_delivery()
    assert (row.state, row.tries, row.attempt_count) == ("pending", 0, 1)
    assert len(claim_all(webhook, now + dt.timedelta(seconds=3))) == 1


def test_quick_answers_given_before_a_hang_do_not_end_the_slow_lane(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=1)
    take(acme, *(call(f"c-{n}") for n in range(30)))
    items = claim_all(webhook, now)
    move_to_lane([webhook.pk], "slow")

    record([Ended(item, answer(200, now)) for item in items], now=now)

    webhook.refresh_from_db()
    assert webhook.lane == "slow"
