"""What was counted as records came in, and what has become of them, add up."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q
from django.utils import timezone

from dispatcher.adapters import cdr_json
from dispatcher.models import (
    Delivery,
    OwedCdr,
    Partner,
    StoredCdr,
    Tally,
    Tenant,
    Webhook,
    WebhookFilter,
)
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.balance import note_gone
from dispatcher.pipeline.bundle import bundle
from dispatcher.pipeline.ingest import Origin, ingest
from dispatcher.pipeline.owe import Call, Owing, owe, write_owed
from dispatcher.pipeline.purge import purge_deliveries
from dispatcher.pipeline.route import route_of
from dispatcher.pipeline.subscribe import delete_webhook
from tests.pipeline.conftest import call
from tests.pipeline.ledger import at, spoil, told, totals

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def now():
    """Hours are those of ids, which are made by the real clock."""
    return timezone.now()


def _state(delivery_state):
    """Has the one pending delivery end so."""
    Delivery.objects.filter(state="pending").update(
        state=delivery_state, next_attempt_at=None, ended_at=timezone.now()
    )


def test_a_record_is_received_and_accepted_or_revised_or_a_duplicate(acme, take):
    take(acme, call("c-1"), call("c-1"), call("c-2"))
    take(acme, call("c-1", duration=61), call("c-2"))

    found = totals(acme)

    names = ("received", "accepted", "revised", "duplicates")
    assert [found[name] for name in names] == [5, 2, 1, 2]
    assert found["revisions"] == 1


def test_what_is_refused_is_counted(acme, take, now):
    accept(acme, [call("c-1")], source="api", now=now, rejected=2)
    accept(acme, [], source="api", now=now, rejected=3)

    found = totals(acme)

    assert (found["received"], found["accepted"], found["rejected"]) == (6, 1, 5)


def test_what_is_quarantined_is_counted_each_time_it_comes(acme, now):
    for _ in range(2):
        ingest(acme, b"no record", Origin("freeswitch"), now=now)

    found = totals(acme)

    assert (found["received"], found["quarantined"]) == (2, 2)


def test_a_matching_call_is_pending_until_it_is_sent(acme, webhook_of, take):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    assert at(webhook) == {"considered": 1, "matched": 1, "pending": 1}


@pytest.mark.parametrize("state", ["delivered", "failed", "cancelled"])
def test_what_has_ended_is_counted_by_its_state(acme, webhook_of, take, state):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    _state(state)

    assert at(webhook) == {"considered": 1, "matched": 1, state: 1}


@pytest.mark.parametrize(
    "rest", [{"health": "DOWN"}, {"active": False, "when_disabled": "hold"}]
)
def test_what_waits_for_its_webhook_is_held(acme, webhook_of, take, rest):
    webhook = webhook_of(acme, **rest)
    take(acme, call("c-1"))

    assert at(webhook) == {"considered": 1, "matched": 1, "held": 1}


def test_what_an_inactive_webhook_drops_is_dropped(acme, webhook_of, take):
    webhook = webhook_of(acme, active=False)
    take(acme, call("c-1"), call("c-2"))

    assert at(webhook) == {"considered": 2, "dropped": 2}
    assert Webhook.objects.get().dropped == 2


def test_the_first_filter_that_does_not_hold_is_named(acme, webhook_of, take):
    webhook = webhook_of(acme)
    for field, value in (("dir", "outbound"), ("dur", "100")):
        WebhookFilter.objects.create(webhook=webhook, field=field, op="eq", value=value)

    take(acme, call("c-1"), call("c-2", direction="outbound"), call("c-3"))

    assert at(webhook) == {
        "considered": 3,
        "filtered": [
            {"filter": "dir:eq:outbound", "count": 2},
            {"filter": "dur:eq:100", "count": 1},
        ],
    }


def test_a_revision_counts_in_the_hour_of_its_call(acme, webhook_of, take):
    wants, does_not = webhook_of(acme, on_update=True), webhook_of(acme)
    take(acme, call("c-1"))
    take(acme, call("c-1", duration=61))

    assert at(wants) == {"considered": 2, "matched": 2, "pending": 2}
    assert at(does_not) == {
        "considered": 2, "matched": 1, "not_updated": 1, "pending": 1,
    }  # fmt: skip


def test_a_webhook_that_was_made_later_was_not_asked(acme, webhook_of, take):
    take(acme, call("c-1"))
    webhook = webhook_of(acme)
    take(acme, call("c-2"))

    assert at(webhook) == {
        "considered": 1, "not_considered": 1, "matched": 1, "pending": 1,
    }  # fmt: skip


def test_calls_that_a_webhook_is_given_later_count_in_their_hour(
    acme, webhook_of, take, now
):
    take(acme, call("c-1"), call("c-2", direction="outbound"))
    webhook = webhook_of(acme)
    WebhookFilter.objects.create(webhook=webhook, field="dir", op="eq", value="inbound")

    owing = Owing(acme.pk, now)
    for row in StoredCdr.objects.all():
        given = Call(row.pk, row.call_end, cdr_json.load(row.record))
        owe(owing, [route_of(webhook.pk)], given)
    write_owed(owing)

    assert at(webhook) == {
        "considered": 2,
        "matched": 1,
        "pending": 1,
        "filtered": [{"filter": "dir:eq:inbound", "count": 1}],
    }


def test_a_deleted_webhook_keeps_counting(acme, webhook_of, take, now):
    sends, bundles = webhook_of(acme), webhook_of(acme, style="batch")
    take(acme, call("c-1"))

    for webhook in (sends, bundles):
        delete_webhook(webhook, now=now)

    for webhook in (sends, bundles):
        assert at(webhook) == {"considered": 1, "matched": 1, "cancelled": 1}


def test_calls_of_a_batch_wait_and_then_have_the_state_of_its_delivery(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, style="batch", batch_size=2)
    take(acme, call("c-1"), call("c-2"), call("c-3"))
    assert at(webhook)["waiting"] == 3

    bundle(webhook, now)
    _state("delivered")

    assert at(webhook) == {
        "considered": 3, "matched": 3, "delivered": 2, "waiting": 1,
    }  # fmt: skip


def test_what_is_not_in_the_billing_feed_is_told_apart(take):
    partner = Partner.objects.create(name="Operator")
    tenant = Tenant.objects.create(external_id="t", name="T", partner=partner)
    feed = Webhook.objects.create(
        partner=partner, url="https://r.example", style="feed", resource="billing"
    )
    take(tenant, call("c-1"), call("c-2", sold_by_partner=True))

    assert at(feed, tenant) == {
        "considered": 2, "matched": 1, "not_billed": 1, "waiting": 1,
    }  # fmt: skip


def test_what_came_too_late_for_its_window_is_late(take):
    partner = Partner.objects.create(name="Operator")
    tenant = Tenant.objects.create(external_id="t", name="T", partner=partner)
    feed = Webhook.objects.create(
        partner=partner, url="https://r.example", style="feed", late_records="api_only"
    )
    take(tenant, call("c-1"))

    OwedCdr.objects.update(left_out=OwedCdr.LATE)

    assert at(feed, tenant) == {"considered": 1, "matched": 1, "late": 1}


def test_a_webhook_that_is_not_for_the_reader_is_not_told_of(take):
    partner = Partner.objects.create(name="Operator")
    tenant = Tenant.objects.create(external_id="t", name="T", partner=partner)
    own = Webhook.objects.create(tenant=tenant, url="https://own.example")
    Webhook.objects.create(partner=partner, url="https://partner.example")
    take(tenant, call("c-1"))
    OwedCdr.objects.exclude(webhook=own).delete()

    found = told(tenant, seen=Q(tenant=tenant))["totals"]

    assert [webhook["webhook"] for webhook in found["webhooks"]] == [str(own.pk)]
    assert found["balanced"] is True


def test_purged_deliveries_are_counted_as_what_they_were(acme, webhook_of, take):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    _state("failed")
    later = timezone.now() + dt.timedelta(days=1)

    assert [*purge_deliveries(later, pause=lambda _: None)][-1].deliveries == 1

    assert at(webhook) == {"considered": 1, "matched": 1, "failed": 1}


def test_calls_that_are_deleted_are_gone_with_what_became_of_them(
    acme, webhook_of, take
):
    webhook = webhook_of(acme, on_update=True)
    take(acme, call("c-1"), call("c-2"))
    _state("delivered")
    take(acme, call("c-1", duration=61))

    gone = list(StoredCdr.objects.filter(uid="c-1").values_list("pk", flat=True))
    note_gone(acme, gone)
    Delivery.objects.filter(carried__cdr__in=gone).delete()
    StoredCdr.objects.filter(pk__in=gone).delete()

    assert totals(acme)["gone"] == {"calls": 1, "revisions": 1}
    assert at(webhook) == {
        "considered": 3,
        "matched": 3,
        "delivered": 1,
        "gone": {"delivered": 1, "cancelled": 1},
    }


# Where it does not add up ---------------------------------------------------------------


def test_a_call_that_vanished_is_a_difference(acme, webhook_of, take):
    webhook = webhook_of(acme)
    take(acme, call("c-1"), call("c-2"))
    StoredCdr.objects.filter(uid="c-1").delete()

    found = told(acme)["totals"]

    assert found["balanced"] is False
    assert found["difference"] == [
        {"what": "accepted", "webhook": None, "counted": 2, "found": 1},
        {"what": "matched", "webhook": str(webhook.pk), "counted": 2, "found": 1},
    ]


@pytest.mark.parametrize("what", ["received", "accepted", "revisions"])
def test_a_count_too_many_is_a_difference(acme, take, what):
    take(acme, call("c-1"))
    spoil(acme, **{what: 1})

    found = {each["what"] for each in told(acme)["totals"]["difference"]}

    assert what in found


def test_calls_that_an_older_version_took_in_are_not_judged(acme, take):
    take(acme, call("c-1"))
    Tally.objects.all().delete()
    Tenant.objects.update(created_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    acme.refresh_from_db()
    MigrationRecorder(connection).migration_qs.update(applied=timezone.now())

    [hour] = told(acme)["hours"]

    assert hour["balanced"] is None
