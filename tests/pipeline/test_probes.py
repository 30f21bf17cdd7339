"""Webhooks that are DOWN are tried: which, how often, with what, and at whose cost."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import probes
from dispatcher.pipeline.claim import PROBES, claim
from dispatcher.pipeline.resend import redeliver
from dispatcher.pipeline.subscribe import update_webhook
from dispatcher.pipeline.sweep import overdue_webhooks
from tests.pipeline.conftest import (
    ROOM,
    call,
    claim_all,
    claim_now,
    finish,
    only_delivery,
)
from tests.pipeline.outage import down_webhook, later

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def end_at(minute: int) -> dict[str, dt.datetime]:
    return {"ended_at": dt.datetime(2026, 11, 20, 9, minute, tzinfo=dt.UTC)}


def fresh(webhook):
    return Webhook.objects.get(pk=webhook.pk)


# What is sent -----------------------------------------------------------------------------


def test_the_oldest_pending_delivery_is_the_probe_and_the_only_request(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("late", **end_at(40)), call("early", **end_at(10)))

    (item,) = claim_all(webhook, now)

    assert b'"early"' in item.outgoing.request.body
    assert item.probe
    assert fresh(webhook).probed_at == now
    assert claim_all(webhook, now) == []


def test_a_failed_probe_spends_no_try_and_leaves_the_delivery_held(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 500, now)

    row, attempt = only_delivery(), Attempt.objects.get()
    assert (row.state, row.tries, row.attempt_count) == ("pending", 0, 1)
    assert (row.last_error, row.next_attempt_at) == ("answered 500", now)
    assert (attempt.number, attempt.probe) == (1, True)


def test_a_probe_that_arrives_delivers_and_is_marked(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 200, now)

    assert only_delivery().state == "delivered"
    assert Attempt.objects.get().probe


def test_a_retry_that_waits_is_probed_all_the_same(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))
    Delivery.objects.update(next_attempt_at=later(now, 15))

    assert len(claim_all(webhook, now)) == 1


def test_what_is_answered_and_never_taken_is_not_every_probe(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("poison", **end_at(10)), call("other", **end_at(40)))
    tried = []
    for minute in range(8):
        Webhook.objects.update(probed_at=None)
        at = later(now, 60 * minute)
        (item,) = claim_all(webhook, at)
        tried.append(b'"poison"' in item.outgoing.request.body)
        finish(item, 500, at)

    assert tried[:3] == [True, True, True]
    assert sorted(tried[3:7]) == [False, False, True, True]


def test_an_ordered_webhook_is_probed_with_its_oldest_only(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, ordered=True)
    take(acme, call("first", **end_at(10)), call("second", **end_at(40)))
    first = Delivery.objects.earliest("call_end").pk
    for minute in range(6):
        Webhook.objects.update(probed_at=None)
        (item,) = claim_all(webhook, later(now, 60 * minute))
        finish(item, 500, later(now, 60 * minute))
        assert item.delivery_id == first


def test_what_is_redelivered_meanwhile_is_held_and_spends_nothing(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))
    Delivery.objects.update(state="failed", next_attempt_at=None, ended_at=now)

    redeliver(only_delivery().pk, now)
    finish(claim_all(webhook, now)[0], 500, now)

    assert (only_delivery().state, only_delivery().tries) == ("pending", 0)


def test_while_an_attempt_is_under_way_that_is_the_probe(acme, webhook_of, take, now):
    webhook = webhook_of(acme, max_in_flight=1)
    take(acme, call("c-1"), call("c-2"))
    claim_all(webhook, now)
    Webhook.objects.update(health="DOWN", probed_at=None)

    assert claim_all(webhook, now) == []
    assert fresh(webhook).probed_at == now


# How often --------------------------------------------------------------------------------


def test_it_is_probed_once_a_minute(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    assert probes.grant(later(now, 59)) == []
    assert claim_all(webhook, later(now, 59)) == []
    assert probes.grant(later(now, 60)) == [webhook.pk]
    assert len(claim_all(webhook, later(now, 60))) == 1


def test_a_claim_of_one_that_is_down_says_no_time_to_look_again(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    claimed = claim_now(webhook, now)

    assert (claimed.runs, claimed.wait_until, claimed.no_room) == ((), None, False)


@pytest.mark.parametrize("change", [{}, {"style": "batch"}])
def test_a_call_for_one_that_is_down_wakes_nobody_up(
    acme, webhook_of, take, now, change
):
    down_webhook(webhook_of, acme, now, **change)

    assert take(acme, call("c-1")).wake == {}


def test_what_is_held_is_not_overdue(acme, webhook_of, take, now):
    down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    assert overdue_webhooks(later(now, 30)) == []


def test_without_anything_pending_there_is_no_probe(acme, webhook_of, now):
    down_webhook(webhook_of, acme, now)

    assert probes.grant(later(now, 600)) == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_stepped_by_an_hour_neither_stops_probes_nor_lets_them_burst(
    acme, webhook_of, take, now, hours
):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))
    stepped = later(now, 3600 * hours)

    assert probes.grant(stepped) == [webhook.pk]
    finish(claim_all(webhook, stepped)[0], 500, stepped)
    assert probes.grant(later(stepped, 30)) == []
    assert probes.grant(later(stepped, 60)) == [webhook.pk]


def test_a_webhook_that_is_off_is_not_probed(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, when_disabled="hold")
    take(acme, call("c-1"))
    Webhook.objects.update(active=False)

    assert probes.grant(later(now, 600)) == []
    assert not probes.probe_now(webhook)


# Very many --------------------------------------------------------------------------------


@pytest.fixture
def two_thousand(acme, now):
    """Dead webhooks, each with a pending delivery; the last was probed longest ago."""
    webhooks = Webhook.objects.bulk_create(
        Webhook(
            tenant=acme,
            url="https://dead.example/",
            health="DOWN",
            lane="slow",
            down_since=later(now, -9000),
            probed_at=later(now, -100 - number),
        )
        for number in range(2000)
    )
    Delivery.objects.bulk_create(
        Delivery(
            id=uuid7(),
            webhook=webhook,
            tenant=acme,
            created_at=now,
            next_attempt_at=now,
            call_end=now,
        )
        for webhook in webhooks
    )
    return webhooks


def test_of_two_thousand_dead_webhooks_a_round_probes_twenty_longest_unprobed_first(
    two_thousand, now
):
    first = probes.grant(now)

    assert len(first) == probes.A_ROUND == 20
    assert set(first) == {webhook.pk for webhook in two_thousand[-20:]}
    # Whoever has not been claimed counts: no worker, no pile of probes.
    assert set(probes.grant(later(now, 2))) == set(first)


def test_the_next_round_goes_on_behind_those_that_were_probed(two_thousand, now):
    first = probes.grant(now)
    Webhook.objects.filter(pk__in=first).update(probed_at=now)

    second = probes.grant(later(now, 2))

    assert set(second) == {webhook.pk for webhook in two_thousand[-40:-20]}


def test_after_an_hour_forward_a_round_is_no_larger(two_thousand, now):
    Webhook.objects.update(probed_at=now)

    assert len(probes.grant(later(now, 3600))) == 20


def test_dead_webhooks_are_not_looked_at_by_the_sweep_for_overdue_ones(
    two_thousand, now, django_assert_max_num_queries
):
    with django_assert_max_num_queries(10):
        assert overdue_webhooks(later(now, 100)) == []


def test_a_probe_waits_where_probes_have_no_room_and_live_ones_do(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))

    crowded = claim(webhook.pk, now=now, capacity={**ROOM, PROBES: 0})

    assert crowded is not None
    assert (crowded.runs, crowded.no_room) == ((), False)
    assert fresh(webhook).probed_at is None


def test_a_probe_is_passed_on_where_the_slow_lane_is_served_elsewhere(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now)
    take(acme, call("c-1"))

    elsewhere = claim(webhook.pk, now=now, capacity={"fast": 10, PROBES: 5})

    assert elsewhere is not None
    assert (elsewhere.lane, elsewhere.no_room) == ("slow", True)


def test_answers_in_time_do_not_bring_a_dead_webhook_into_the_fast_lane(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, quick_answers=19)
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 500, now)

    assert (fresh(webhook).lane, fresh(webhook).quick_answers) == ("slow", 0)


# At once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://elsewhere.example/"},
        {"secret": "another"},
        {"basic_username": "cdrhook", "basic_password": "another"},
        {"headers": (("x-api-key", "another"),)},
    ],
)
def test_what_may_have_mended_it_has_it_probed_at_once(
    acme, webhook_of, take, now, changes
):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    update_webhook(webhook, changes, now=now)

    assert [item.probe for item in claim_all(webhook, later(now, 1))] == [True]
    assert fresh(webhook).lane == "slow"


def test_what_cannot_have_mended_it_does_not(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    update_webhook(webhook, {"retries": 3}, now=now)

    assert claim_all(webhook, later(now, 1)) == []


def test_switched_on_again_it_is_still_down_and_probed_at_once(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))
    update_webhook(webhook, {"active": False}, now=now)

    update_webhook(fresh(webhook), {"active": True}, now=now)

    assert fresh(webhook).health == "DOWN"
    assert [item.probe for item in claim_all(webhook, now)] == [True]


def test_set_to_try_every_call_it_sends_what_it_held(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"), call("c-2"))

    update_webhook(webhook, {"when_down": "try"}, now=now)

    assert [item.probe for item in claim_all(webhook, now)] == [False, False]


def test_probe_now_does_so(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, probed_at=now)
    take(acme, call("c-1"))

    assert probes.probe_now(webhook)
    assert len(claim_all(webhook, now)) == 1


@pytest.mark.parametrize("change", [{"health": "OK"}, {"when_down": "try"}])
def test_probe_now_says_where_there_is_nothing_to_probe(acme, webhook_of, now, change):
    assert not probes.probe_now(down_webhook(webhook_of, acme, now, **change))


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"probed_at": None}, 0),
        ({"health": "OK"}, None),
        ({"when_down": "try"}, None),
        ({"active": False}, None),
    ],
)
def test_the_next_probe_is_told(acme, webhook_of, now, change, seconds):
    webhook = down_webhook(webhook_of, acme, now, **change)

    expected = None if seconds is None else later(now, seconds)

    assert probes.next_probe_at(webhook, now) == expected


def test_the_next_probe_is_a_minute_after_the_last(acme, webhook_of, now):
    webhook = down_webhook(webhook_of, acme, now, probed_at=later(now, -20))

    assert probes.next_probe_at(webhook, now) == later(now, 40)
