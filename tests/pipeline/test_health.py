"""A webhook goes DOWN, RECOVERS and is OK again, as its answers say."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Attempt, Delivery, Notice, Webhook
from dispatcher.pipeline.record import Ended, record
from dispatcher.pipeline.test_call import prepare_test_call
from tests.pipeline.conftest import answer, call, claim_all, claim_now, finish
from tests.pipeline.outage import break_down, down_webhook, later

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def channels(settings):
    """Operators are told by e-mail and by webhook."""
    settings.CDRHOOK_OPERATIONS_EMAILS = ["operators@example.com"]
    settings.CDRHOOK_OPERATIONS_WEBHOOK = "https://operations.example/"


def told():
    return sorted(Notice.objects.values_list("kind", "channel"))


def fresh(webhook):
    return Webhook.objects.get(pk=webhook.pk)


# OK -> DOWN ---------------------------------------------------------------------------


def test_ten_failures_in_a_row_and_five_minutes_without_success_are_down(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -300))

    break_down(webhook, take, now)

    row = fresh(webhook)
    assert (row.health, row.failures_in_a_row, row.lane) == ("DOWN", 10, "slow")
    assert row.down_since == row.probed_at == now


def test_nine_failures_in_a_row_are_not(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))

    break_down(webhook, take, now, count=9)

    assert fresh(webhook).health == "OK"


def test_ten_failures_less_than_five_minutes_after_a_success_are_not(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -299))

    break_down(webhook, take, now)

    assert fresh(webhook).health == "OK"


def test_without_any_success_the_five_minutes_begin_when_the_webhook_is_made(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0)
    Webhook.objects.update(created_at=later(now, -299))

    break_down(webhook, take, now)
    assert fresh(webhook).health == "OK"
    break_down(webhook, take, later(now, 1), count=1)
    assert fresh(webhook).health == "DOWN"


def test_an_attempt_that_is_retried_is_no_failure_yet(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=1, last_success_at=later(now, -3600))

    break_down(webhook, take, now)

    assert fresh(webhook).failures_in_a_row == 0


def test_a_success_between_them_counts_anew(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))
    break_down(webhook, take, now, count=9)

    take(acme, call("good"))
    (item,) = claim_all(webhook, now)
    finish(item, 200, now)

    row = fresh(webhook)
    assert (row.health, row.failures_in_a_row, row.last_success_at) == ("OK", 0, now)


def test_failed_test_calls_do_not_count(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))
    break_down(webhook, take, now, count=9)

    record([Ended(prepare_test_call(webhook, now), answer(500, now))], now=now)

    assert fresh(webhook).health == "OK"


def test_of_those_under_way_the_eleventh_is_held_and_has_spent_nothing(
    acme, webhook_of, take, now
):
    webhook = webhook_of(
        acme, retries=0, max_in_flight=20, last_success_at=later(now, -3600)
    )
    take(acme, *(call(f"c-{n}") for n in range(12)))
    items = claim_all(webhook, now)

    record([Ended(item, answer(500, now)) for item in items], now=now)

    pending = Delivery.objects.filter(state="pending")
    assert list(pending.values_list("tries", "attempt_count")) == [(0, 1)] * 2
    assert Attempt.objects.filter(delivery__in=pending, probe=True).count() == 2


def test_operators_are_told_once_over_each_channel_and_why(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))

    break_down(webhook, take, now, count=12)

    assert told() == [("down", "email"), ("down", "webhook")]
    notice = Notice.objects.first()
    assert notice is not None
    assert notice.next_attempt_at == notice.happened_at == now
    assert notice.details["error"] == "answered 500"
    assert notice.details["failures"] == 10
    assert notice.details["status"] == 500


def test_nobody_is_told_where_nobody_is_to_be(acme, webhook_of, take, now, settings):
    settings.CDRHOOK_OPERATIONS_EMAILS, settings.CDRHOOK_OPERATIONS_WEBHOOK = [], ""
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))

    break_down(webhook, take, now)

    assert fresh(webhook).health == "DOWN"
    assert not Notice.objects.exists()


def test_the_outage_began_with_the_first_delivery_that_failed(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))
    break_down(webhook, take, later(now, -4000), count=1)
    take(acme, call("good"))
    finish(claim_all(webhook, later(now, -3000))[0], 200, later(now, -3000))
    break_down(webhook, take, later(now, -600), count=1)

    break_down(webhook, take, now, count=9)

    first = Attempt.objects.filter(started_at=later(now, -600)).get()
    assert fresh(webhook).failing_since == first.ended_at


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_stepped_by_an_hour_does_not_keep_a_webhook_from_going_down(
    acme, webhook_of, take, now, hours
):
    webhook = webhook_of(acme, retries=0, last_success_at=now)

    break_down(webhook, take, later(now, 3600 * hours))

    assert fresh(webhook).health == "DOWN"


# DOWN -> RECOVERING -> OK ---------------------------------------------------------------


def test_the_first_success_makes_it_recover_and_ends_nothing_yet(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"), call("c-2"))
    (probe,) = claim_all(webhook, now)

    finish(probe, 200, now)

    row = fresh(webhook)
    assert (row.health, row.recovered_at, row.failures_in_a_row) == (
        "RECOVERING",
        now,
        0,
    )
    assert told() == []


def test_it_is_ok_when_nothing_due_is_left_and_operators_are_told(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))
    finish(claim_all(webhook, now)[0], 200, now)

    claim_now(webhook, later(now, 1))

    row = fresh(webhook)
    assert (row.health, row.down_since, row.recovered_at) == ("OK", None, now)
    assert row.failing_since == webhook.failing_since
    assert told() == [("back", "email"), ("back", "webhook")]


def test_it_is_not_ok_while_the_last_of_the_backlog_is_under_way(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, health="RECOVERING", recovered_at=later(now, -20))
    take(acme, call("c-1"))
    claim_all(webhook, now)

    assert claim_all(webhook, later(now, 1)) == []
    assert fresh(webhook).health == "RECOVERING"


def test_three_failed_attempts_while_recovering_are_a_relapse_without_word(
    acme, webhook_of, take, now
):
    webhook = webhook_of(
        acme,
        retries=0,
        health="RECOVERING",
        down_since=later(now, -900),
        recovered_at=later(now, -20),
    )
    take(acme, *(call(f"c-{n}") for n in range(3)))
    items = claim_all(webhook, now)

    record([Ended(item, answer(500, now)) for item in items], now=now)

    row = fresh(webhook)
    assert (row.health, row.recovered_at, row.probed_at) == ("DOWN", None, now)
    assert row.down_since == later(now, -900)
    assert told() == []
    assert set(Delivery.objects.values_list("state", "tries")) == {("pending", 0)}


def test_a_delivery_that_is_never_taken_fails_in_the_end_while_others_arrive(
    acme, webhook_of, take, now
):
    webhook = webhook_of(
        acme, retries=0, health="RECOVERING", recovered_at=now, max_in_flight=2
    )
    take(acme, call("poison"))
    at = now
    for n in range(4):
        at = later(at, 10)
        take(acme, call(f"good-{n}"))
        for item in claim_all(webhook, at):
            finish(item, 500 if b"poison" in item.outgoing.request.body else 200, at)

    assert Delivery.objects.get(state="failed").tries == 1
    assert Delivery.objects.filter(state="delivered").count() == 4
    assert fresh(webhook).health == "RECOVERING"


def test_flapping_is_told_once_down_and_once_back(acme, webhook_of, take, now):
    webhook = webhook_of(acme, retries=0, last_success_at=later(now, -3600))
    break_down(webhook, take, now)
    take(acme, *(call(f"held-{n}") for n in range(5)))
    at = now
    for _ in range(3):  # a probe succeeds, and three attempts fail
        at = later(at, 60)
        Webhook.objects.update(probed_at=None)
        finish(claim_all(webhook, at)[0], 200, at)
        for _ in range(3):
            at = later(at, 10)
            finish(claim_all(webhook, at)[0], 500, at)

    assert told() == [("down", "email"), ("down", "webhook")]
    assert not Delivery.objects.filter(state="failed", ended_at__gt=later(now, 1))


# A test call that arrives ---------------------------------------------------------------


def test_a_test_call_that_arrives_has_a_pending_delivery_tried_at_once(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))
    assert claim_all(webhook, now) == []

    record([Ended(prepare_test_call(webhook, now), answer(200, now))], now=now)

    assert fresh(webhook).health == "DOWN"
    assert [item.probe for item in claim_all(webhook, now)] == [True]


def test_without_anything_pending_a_test_call_that_arrives_is_the_probe(
    acme, webhook_of, now
):
    webhook = down_webhook(webhook_of, acme, now, failures_in_a_row=10)

    record([Ended(prepare_test_call(webhook, now), answer(200, now))], now=now)

    row = fresh(webhook)
    assert (row.health, row.failures_in_a_row) == ("RECOVERING", 0)


# when_down: try -------------------------------------------------------------------------


def test_where_every_call_is_tried_health_is_told_and_nothing_waits(
    acme, webhook_of, take, now
):
    webhook = webhook_of(
        acme, retries=0, when_down="try", last_success_at=later(now, -3600)
    )
    break_down(webhook, take, now)
    take(acme, call("c-1"), call("c-2"))

    items = claim_all(webhook, now)

    assert fresh(webhook).health == "DOWN"
    assert [item.probe for item in items] == [False, False]
    finish(items[0], 500, now)
    assert Delivery.objects.filter(state="failed").count() == 11


def test_where_every_call_is_tried_a_success_makes_it_ok(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, when_down="try")
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 200, now)

    row = fresh(webhook)
    assert (row.health, row.down_since, row.recovered_at) == ("OK", None, now)
    assert told() == [("back", "email"), ("back", "webhook")]


def test_its_state_outlives_being_switched_off_and_on(acme, webhook_of, now):
    webhook = down_webhook(webhook_of, acme, now)

    Webhook.objects.update(active=False)
    Webhook.objects.update(active=True)

    assert fresh(webhook).health == "DOWN"


def test_410_while_down_switches_off_and_keeps_what_is_held(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, disable_on_410=True)
    Webhook.objects.update(updated_at=later(now, -100 * 3600))
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 410, now)

    row = fresh(webhook)
    assert (row.active, row.updated_at) == (False, now)
    assert Delivery.objects.get().state == "pending"


def test_what_arrives_late_of_attempts_under_way_makes_it_recover(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (slow,) = claim_all(webhook, now)
    Webhook.objects.update(health="DOWN", down_since=now)

    finish(slow, 200, now + dt.timedelta(seconds=5))

    assert fresh(webhook).health == "RECOVERING"
