"""A webhook that answers again gets its backlog gently, in order, and to the end."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Webhook
from dispatcher.pipeline import recovery
from dispatcher.pipeline.sweep import overdue_webhooks
from tests.pipeline.conftest import call, claim_all, claim_now, finish
from tests.pipeline.outage import later

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def recovering(webhook_of, tenant, now, since=0.0, **settings):
    return webhook_of(
        tenant, health="RECOVERING", recovered_at=later(now, -since), **settings
    )


def end_at(minute: int) -> dict[str, dt.datetime]:
    return {"ended_at": dt.datetime(2026, 11, 20, 9, minute, tzinfo=dt.UTC)}


def test_at_first_one_run_is_under_way(acme, webhook_of, take, now):
    webhook = recovering(webhook_of, acme, now, max_in_flight=10)
    take(acme, *(call(f"c-{n}") for n in range(10)))

    assert len(claim_now(webhook, now).runs) == 1
    assert claim_all(webhook, later(now, 1)) == []


@pytest.mark.parametrize(("seconds", "runs"), [(4, 1), (5, 2), (10, 3), (300, 4)])
def test_every_five_seconds_one_more_is(webhook_of, acme, now, seconds, runs):
    webhook = recovering(webhook_of, acme, now, seconds, max_in_flight=4)

    assert recovery.runs_at_a_time(webhook, now) == runs


def test_the_backlog_goes_out_in_order_of_call_end_and_new_calls_share_it(
    acme, webhook_of, take, now
):
    webhook = recovering(webhook_of, acme, now)
    take(acme, call("third", **end_at(30)), call("first", **end_at(10)))
    take(acme, call("second", **end_at(20)))

    sent, at = [], now
    while items := claim_all(webhook, at):
        sent += [item.outgoing.request.body.decode() for item in items]
        for item in items:
            finish(item, 200, at)
        at = later(at, 1)

    found = [
        uid for body in sent for uid in ("first", "second", "third") if uid in body
    ]
    assert found == ["first", "second", "third"]


def test_fifty_a_second_are_claimed_a_tenth_of_a_second_s_worth_at_a_time(
    acme, webhook_of, take, now
):
    webhook = recovering(webhook_of, acme, now, 60, quick_answers=20, answer_ms=1)
    take(acme, *(call(f"c-{n}") for n in range(60)))

    claimed = claim_now(webhook, now)

    assert sum(len(run) for run in claimed.runs) == 5
    assert claimed.wait_until == later(now, 0.1)
    assert claim_all(webhook, later(now, 0.05)) == []


@pytest.mark.parametrize(
    ("minutes", "own", "rate"),
    [(0, None, 50), (10, None, 50), (11, None, 100), (12, None, 200), (0, 7, 7)],
)
def test_the_rate_doubles_each_minute_after_ten_and_never_exceeds_its_own(
    acme, webhook_of, now, minutes, own, rate
):
    webhook = recovering(webhook_of, acme, now, minutes * 60, max_per_second=own)

    assert recovery.per_second(webhook, now) == rate


def test_one_that_is_ok_has_its_own_rate(acme, webhook_of, now):
    assert recovery.per_second(webhook_of(acme), now) is None


def test_a_clock_set_back_by_an_hour_does_not_hold_it_up(acme, webhook_of, now):
    webhook = recovering(webhook_of, acme, now, -3600, max_in_flight=4)

    assert recovery.runs_at_a_time(webhook, now) == 4
    assert recovery.per_second(webhook, now) == 50


def test_where_calls_never_cease_it_is_over_when_none_has_waited(
    acme, webhook_of, take, now
):
    webhook = recovering(webhook_of, acme, now, 31)
    take(acme, call("just-now"))

    claim_all(webhook, now)

    assert Webhook.objects.get().health == "OK"


def test_a_backlog_keeps_it_recovering(acme, webhook_of, take, now):
    webhook = recovering(webhook_of, acme, now, 31)
    take(acme, call("a-while-ago"))

    claim_all(webhook, later(now, 6))

    assert Webhook.objects.get().health == "RECOVERING"


def test_the_sweep_looks_at_one_that_has_nothing_left_to_send(acme, webhook_of, now):
    webhook = recovering(webhook_of, acme, now)

    assert overdue_webhooks(now) == [(webhook.pk, "fast")]
    claim_now(webhook, now)
    assert overdue_webhooks(now) == []
