"""Leases: one row a run, which keeps what is about to be sent."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest

from dispatcher.models import Delivery, Lease
from dispatcher.models.delivery import LEASE
from dispatcher.pipeline.leases import pack, unpack
from dispatcher.pipeline.record import hand_back
from dispatcher.values import RenderedRequest
from tests.pipeline.conftest import call, claim_all, claim_now, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_what_is_packed_comes_back_to_the_byte():
    requests = {
        uuid4(): RenderedRequest(
            method="POST",
            content_type="application/json",
            body=bytes(range(256)) * 3,
            headers={"cdrhook-count": "1"},
        ),
        uuid4(): RenderedRequest(method="GET", content_type="", body=b""),
        uuid4(): RenderedRequest(method="PUT", content_type="x", body=b"\n\n"),
    }

    assert unpack(pack(requests)) == requests
    assert unpack(pack({})) == {}


def test_nothing_of_a_claimed_delivery_is_written_until_there_is_a_result(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    (item,) = claim_all(webhook, now)

    row = Delivery.objects.get()
    assert (row.request_method, row.request_body) == ("", None)
    finish(item, 500, now)
    row.refresh_from_db()
    assert bytes(row.request_body or b"") == item.outgoing.request.body


def test_a_lease_shrinks_with_what_is_recorded_and_vanishes_with_the_last(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=2)
    take(acme, *(call(f"c-{n}") for n in range(3)))
    first, second, third = claim_all(webhook, now)

    finish(second, 200, now)

    assert set(Lease.objects.get().deliveries) == {
        str(first.delivery_id),
        str(third.delivery_id),
    }
    finish(first, 200, now)
    finish(third, 500, now)
    assert not Lease.objects.exists()


def test_what_is_handed_back_can_be_claimed_at_once(acme, webhook_of, take, now):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=2)
    take(acme, *(call(f"c-{n}") for n in range(3)))
    first, *rest = claim_all(webhook, now)

    hand_back(rest)

    (run,) = claim_now(webhook, now).runs
    assert [item.delivery_id for item in run] == [item.delivery_id for item in rest]
    assert first.delivery_id not in {item.delivery_id for item in run}


def test_a_retry_is_taken_while_the_rest_of_its_run_is_under_way(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=2)
    take(acme, *(call(f"c-{n}") for n in range(2)))
    first, _ = claim_all(webhook, now)
    finish(first, 500, now)

    again = claim_all(webhook, now + dt.timedelta(seconds=3))

    assert [item.delivery_id for item in again] == [first.delivery_id]


def test_a_batch_keeps_its_request_in_its_row(acme, webhook_of, take, now):
    webhook = webhook_of(acme, style="batch", batch_size=1)
    take(acme, call("c-1"))

    (item,) = claim_all(webhook, now)

    body = bytes(Delivery.objects.get().request_body or b"")
    assert body == item.outgoing.request.body
    assert bytes(Lease.objects.get().requests) == b""


def test_whoever_takes_over_keeps_the_request_for_good(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    (dead,) = claim_all(webhook, now)

    claim_all(webhook, now + LEASE + dt.timedelta(seconds=1))

    body = bytes(Delivery.objects.get().request_body or b"")
    assert body == dead.outgoing.request.body
