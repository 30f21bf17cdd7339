"""Claims of several webhooks in one transaction."""

from __future__ import annotations

import pytest

from dispatcher.models import Delivery, Lease
from dispatcher.pipeline import claim as claim_module
from dispatcher.pipeline.claim import claim_together
from tests.pipeline.conftest import ROOM, call, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def three(acme, webhook_of, take):
    """Three webhooks that are owed a call each."""
    webhooks = [webhook_of(acme, url=f"https://{n}.example/") for n in range(3)]
    take(acme, call("c-1"))
    return webhooks


def ids(webhooks):
    return [webhook.pk for webhook in webhooks]


def test_each_gets_its_own_deliveries_with_its_own_keys(three, now):
    first, second, third = three
    second.headers.create(name="x-api-key", value="second's")
    third.custom_data.create(key="of", value="third")

    claims = claim_together(ids(three), now=now, capacity=ROOM).claims

    by_webhook = {one.webhook_id: one.runs[0][0].outgoing for one in claims}
    assert {key: out.url for key, out in by_webhook.items()} == {
        webhook.pk: webhook.url for webhook in three
    }
    assert by_webhook[first.pk].headers == {}
    assert by_webhook[second.pk].headers == {"x-api-key": "second's"}
    assert b"third" in by_webhook[third.pk].request.body
    assert b"third" not in by_webhook[second.pk].request.body
    assert Lease.objects.count() == 3


def test_each_is_recorded_by_itself(three, now):
    claims = claim_together(ids(three), now=now, capacity=ROOM).claims
    one, other, _ = (claim.runs[0][0] for claim in claims)

    finish(one, 200, now)
    finish(other, 500, now)

    states = dict(Delivery.objects.values_list("webhook_id", "state"))
    assert states[one.webhook_id] == "delivered"
    assert states[other.webhook_id] == "pending"
    assert Lease.objects.count() == 1


def test_room_is_given_out_once(three, now):
    claims = claim_together(ids(three), now=now, capacity={"fast": 2}).claims

    assert sorted((len(one.runs), one.no_room) for one in claims) == [
        (0, True),
        (1, False),
        (1, False),
    ]


def test_some_room_is_kept_for_webhooks_that_are_known_to_be_fast(three, now):
    known = three[2]
    type(known).objects.filter(pk=known.pk).update(quick_answers=20)

    claims = claim_together(
        ids(three), now=now, capacity={"fast": 2}, reserve={"fast": 1}
    ).claims

    assert {one.webhook_id: one.no_room for one in claims} == {
        three[0].pk: False,
        three[1].pk: True,
        known.pk: False,
    }


def test_a_claim_ends_when_it_is_long_and_says_who_is_left(three, now, monkeypatch):
    monkeypatch.setattr(claim_module, "MOST_TOGETHER", 2)

    together = claim_together(ids(three), now=now, capacity=ROOM)

    assert len(together.claims) == 2
    assert together.later == (three[2].pk,)


def test_one_that_bundles_is_left_to_a_claim_of_its_own(acme, webhook_of, take, now):
    single = webhook_of(acme)
    bundling = webhook_of(acme, style="batch", batch_size=1)
    take(acme, call("c-1"))

    together = claim_together([bundling.pk, single.pk], now=now, capacity=ROOM)

    assert together.alone == (bundling.pk,)
    assert [one.webhook_id for one in together.claims] == [single.pk]
    (alone,) = claim_together([bundling.pk], now=now, capacity=ROOM).claims
    assert len(alone.runs) == 1


def test_one_whose_secrets_cannot_be_read_does_not_hold_up_the_others(
    acme, webhook_of, take, now, settings
):
    unreadable = webhook_of(acme, secret="whsec_c2VjcmV0")
    readable = webhook_of(acme)
    take(acme, call("c-1"))
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    claims = claim_together([unreadable.pk, readable.pk], now=now, capacity=ROOM).claims

    assert {one.webhook_id: len(one.runs) for one in claims} == {
        unreadable.pk: 0,
        readable.pk: 1,
    }
