"""What a claim takes, in which order, and what it freezes."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from dispatcher.models import Attempt, Delivery, Lease
from dispatcher.models.delivery import LEASE
from dispatcher.pipeline import freeze as freeze_module
from dispatcher.pipeline.claim import claim
from tests.pipeline.conftest import (
    ROOM,
    call,
    claim_all,
    claim_now,
    finish,
    only_delivery,
)

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def end_at(minute: int) -> dict[str, dt.datetime]:
    return {"ended_at": dt.datetime(2026, 11, 20, 9, minute, tzinfo=dt.UTC)}


def test_a_claimed_delivery_is_leased_for_a_while(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    (item,) = claim_all(webhook, now)

    lease = Lease.objects.get()
    assert (lease.token, lease.until) == (item.token, now + LEASE)
    assert lease.deliveries == [str(item.delivery_id)]


def test_two_claims_never_take_the_same_delivery(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claim_all(webhook, now)

    assert claim_all(webhook, now) == []


def test_a_webhook_not_known_to_be_fast_is_claimed_one_delivery_a_run(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, max_in_flight=3)
    take(acme, *(call(f"c-{n}") for n in range(10)))

    claimed = claim_now(webhook, now)

    assert [len(run) for run in claimed.runs] == [1, 1, 1]


def test_a_fast_webhook_is_claimed_in_a_run_of_50(acme, webhook_of, take, now):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=2)
    take(acme, *(call(f"c-{n}") for n in range(60)))

    claimed = claim_now(webhook, now)

    assert [len(run) for run in claimed.runs] == [50]


def test_no_more_than_50_are_ever_claimed_and_unrecorded(acme, webhook_of, take, now):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=20, max_in_flight=100)
    take(acme, *(call(f"c-{n}") for n in range(120)))

    first = claim_all(webhook, now)
    second = claim_all(webhook, now)

    assert (len(first), second) == (50, [])


def test_max_in_flight_counts_the_runs_of_every_process(acme, webhook_of, take, now):
    webhook = webhook_of(acme, max_in_flight=2)
    take(acme, *(call(f"c-{n}") for n in range(5)))
    first, _ = claim_all(webhook, now)

    assert claim_all(webhook, now) == []
    finish(first, 200, now)
    assert len(claim_all(webhook, now)) == 1


def test_a_webhook_with_all_its_requests_under_way_is_not_looked_at_by_the_clock(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, max_in_flight=1)
    take(acme, call("c-1"), call("c-2"))
    claim_all(webhook, now)

    assert claim_now(webhook, now).wait_until is None


def test_due_deliveries_go_out_in_order_of_call_end(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("late", **end_at(40)), call("early", **end_at(10)))

    claimed = claim_all(webhook, now)

    bodies = [json.loads(item.outgoing.request.body) for item in claimed]
    assert [body["cdr"]["id"] for body in bodies] == ["early", "late"]


def test_a_delivery_waiting_for_its_retry_does_not_block_the_next(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, max_in_flight=1)
    take(acme, call("first", **end_at(10)), call("second", **end_at(11)))
    (first,) = claim_all(webhook, now)
    finish(first, 500, now)

    (second,) = claim_all(webhook, now)

    assert second.delivery_id != first.delivery_id


def test_an_ordered_webhook_waits_for_the_retry_of_the_first(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, ordered=True)
    take(acme, call("first", **end_at(10)), call("second", **end_at(11)))
    (first,) = claim_all(webhook, now)
    finish(first, 500, now)

    assert claim_all(webhook, now) == []
    (again,) = claim_all(webhook, now + dt.timedelta(seconds=3))
    assert again.delivery_id == first.delivery_id


def test_the_request_is_frozen_at_the_first_attempt(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (first,) = claim_all(webhook, now)
    finish(first, 500, now)
    webhook.custom_data.create(key="hook", value="new")
    webhook.method, webhook.url = "PUT", "https://elsewhere.example/"
    webhook.save()

    (second,) = claim_all(webhook, now + dt.timedelta(seconds=3))

    assert second.outgoing.request == first.outgoing.request
    assert second.outgoing.url == "https://elsewhere.example/"


def test_a_pace_of_one_a_second_claims_one_and_says_when_to_look_again(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, max_per_second=1, max_in_flight=1)
    take(acme, call("c-1"), call("c-2"))

    claimed = claim_now(webhook, now)
    again = claim_now(webhook, now + dt.timedelta(milliseconds=500))

    assert len(claimed.runs) == 1
    assert (again.runs, again.wait_until) == ((), now + dt.timedelta(seconds=1))


def test_a_pace_of_many_a_second_starts_a_tenth_of_them_together(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, max_per_second=20, max_in_flight=50)
    take(acme, *(call(f"c-{n}") for n in range(10)))

    claimed = claim_now(webhook, now)

    assert len(claimed.runs) == 2
    assert claimed.wait_until == now + dt.timedelta(milliseconds=100)


def test_a_pace_survives_a_clock_that_was_set_back(acme, webhook_of, take, now):
    webhook = webhook_of(acme, max_per_second=1, max_in_flight=2)
    take(acme, call("c-1"), call("c-2"))
    claim_now(webhook, now)

    assert len(claim_all(webhook, now - dt.timedelta(hours=2))) == 1


def test_a_lease_that_ran_out_is_taken_over_and_noted_as_interrupted(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, retries=0)
    take(acme, call("c-1"))
    (dead,) = claim_all(webhook, now)

    (next_one,) = claim_all(webhook, now + LEASE + dt.timedelta(seconds=1))
    finish(next_one, 200, now + LEASE + dt.timedelta(seconds=1))

    assert next_one.delivery_id == dead.delivery_id
    assert list(Attempt.objects.values_list("number", "error_class")) == [
        (1, "interrupted"),
        (2, ""),
    ]
    assert only_delivery().state == "delivered"


def test_whoever_takes_over_sends_the_bytes_that_may_have_been_sent(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"), call("c-2"))
    dead = claim_all(webhook, now)
    webhook.custom_data.create(key="later", value="than the first try")

    again = claim_all(webhook, now + LEASE + dt.timedelta(seconds=1))

    assert {item.delivery_id: item.outgoing.request for item in again} == {
        item.delivery_id: item.outgoing.request for item in dead
    }


def test_whoever_lost_the_lease_changes_nothing(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (slow,) = claim_all(webhook, now)
    claim_all(webhook, now + LEASE + dt.timedelta(seconds=1))

    finish(slow, 500, now + LEASE + dt.timedelta(seconds=2))

    assert Lease.objects.get().token != slow.token
    assert not Attempt.objects.filter(error_class="status").exists()


def test_a_clock_that_was_set_back_does_not_strand_a_delivery(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claim_all(webhook, now)

    an_hour_earlier = now - dt.timedelta(hours=1)

    assert len(claim_all(webhook, an_hour_earlier)) == 1


def test_a_webhook_whose_secrets_cannot_be_read_says_so_on_its_deliveries(
    acme, webhook_of, take, now, settings
):
    webhook = webhook_of(acme, secret="whsec_c2VjcmV0")
    take(acme, call("c-1"))
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    assert claim_all(webhook, now) == []

    row = only_delivery()
    assert row.state == "pending"
    assert "FIELD_ENCRYPTION_KEYS" in row.last_error


def test_a_claimer_that_read_its_clock_a_while_ago_takes_nothing_over(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    claim_all(webhook, now)

    assert claim_all(webhook, now - dt.timedelta(seconds=10)) == []


def test_nothing_is_claimed_of_a_webhook_that_is_off(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    type(webhook).objects.filter(pk=webhook.pk).update(active=False)

    assert claim(webhook.pk, now=now, capacity=ROOM) is None


def test_a_lane_that_is_served_elsewhere_is_said_so(acme, webhook_of, take, now):
    webhook = webhook_of(acme, lane="slow")
    take(acme, call("c-1"))

    claimed = claim(webhook.pk, now=now, capacity={"fast": 10})
    assert claimed is not None

    assert (claimed.lane, claimed.no_room, claimed.runs) == ("slow", True, ())


def test_what_cannot_be_rendered_fails_alone_with_its_reason(
    acme, webhook_of, take, now, monkeypatch
):
    webhook = webhook_of(acme)
    take(acme, call("bad"), call("good"))
    render = freeze_module.rendered

    def picky(webhook, row, carried, *rest):
        if carried[0].cdr.uid == "bad":
            raise ValueError("no such thing")
        return render(webhook, row, carried, *rest)

    monkeypatch.setattr(freeze_module, "rendered", picky)

    (item,) = claim_all(webhook, now)

    failed = Delivery.objects.get(state="failed")
    assert "no such thing" in failed.last_error
    assert item.delivery_id != failed.pk
