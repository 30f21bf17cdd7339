"""Batches close by size and by age, and never take a call after they were made."""

from __future__ import annotations

import datetime as dt
import json
import threading
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections

from dispatcher.models import CallSummary, Delivery, OwedCdr, StoredCdr
from dispatcher.pipeline import bundle as bundle_module
from dispatcher.pipeline import claim as claim_module
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.subscribe import cancel_pending
from dispatcher.pipeline.sweep import overdue_webhooks
from dispatcher.values import Recording
from tests.pipeline.conftest import call, claim_all, claim_now, claim_on, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def batch(acme, webhook_of):
    """A webhook whose batches close at 3 calls or 60 s."""
    return webhook_of(acme, style="batch", batch_size=3)


def later(now, seconds):
    return now + dt.timedelta(seconds=seconds)


def calls(*numbers):
    """Calls that began a minute after each other, numbered."""
    start = dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC)
    return [call(f"c-{n}", started_at=start + dt.timedelta(minutes=n)) for n in numbers]


def uids(claimed):
    """The calls of each claimed delivery, as its body has them."""
    bodies = [json.loads(item.outgoing.request.body) for item in claimed]
    return [[entry["uniqueid"] for entry in body["cdrs"]] for body in bodies]


def test_calls_wait_until_their_batch_is_full_or_old(acme, batch, take, now):
    take(acme, *calls(1, 2))

    claimed = claim_now(batch, later(now, 59))

    assert claimed.runs == ()
    assert claimed.wait_until == later(now, 60)
    assert not Delivery.objects.exists()


def test_a_full_batch_goes_at_once(acme, batch, take, now):
    take(acme, *calls(1, 2, 3))

    assert uids(claim_all(batch, now)) == [["c-1", "c-2", "c-3"]]


def test_an_old_batch_goes_with_what_there_is(acme, batch, take, now):
    take(acme, *calls(1, 2))

    assert uids(claim_all(batch, later(now, 60))) == [["c-1", "c-2"]]


def test_a_batch_ages_from_its_first_call_on(acme, batch, take, now):
    take(acme, *calls(1))
    StoredCdr.objects.update(accepted_at=now)
    OwedCdr.objects.update(owed_at=now - dt.timedelta(seconds=60))
    take(acme, *calls(2))

    assert uids(claim_all(batch, now)) == [["c-1", "c-2"]]


def test_what_is_left_of_full_batches_begins_a_new_one(acme, batch, take, now):
    take(acme, *calls(1, 2, 3, 4))

    claimed = claim_now(batch, now)

    assert len(claimed.runs) == 1
    assert claimed.wait_until == later(now, 60)
    assert OwedCdr.objects.filter(delivery__isnull=True).count() == 1


def test_a_call_is_never_appended_to_a_batch_that_exists(acme, batch, take, now):
    take(acme, *calls(1, 2))
    (item,) = claim_all(batch, later(now, 60))
    finish(item, 500, later(now, 60))
    accept(acme, calls(3), source="test", now=later(now, 61))

    (again,) = claim_all(batch, later(now, 62.5))

    assert uids([again]) == [["c-1", "c-2"]]
    assert again.delivery_id == item.delivery_id


def test_a_batch_lists_its_calls_in_the_order_in_which_they_began(
    acme, batch, take, now
):
    take(acme, *calls(3, 1, 2))

    assert uids(claim_all(batch, now)) == [["c-1", "c-2", "c-3"]]


def test_times_are_in_the_tenants_zone(acme, batch, take, now):
    acme.time_zone = "America/New_York"
    acme.save()
    take(acme, *calls(1, 2, 3))

    (item,) = claim_all(batch, now)

    first = json.loads(item.outgoing.request.body)["cdrs"][0]
    assert first["start_time"] == "2026-11-20 03:01:00"


def test_a_recorded_call_has_a_link_to_its_recording(acme, batch, take, now, settings):
    settings.PUBLIC_URL = "https://cdrhook.example"
    take(acme, *calls(1, 2), call("c-3", recordings=(Recording(id="r-1"),)))

    (item,) = claim_all(batch, now)

    links = {
        entry["uniqueid"]: entry["recording_url"]
        for entry in json.loads(item.outgoing.request.body)["cdrs"]
    }
    assert (links["c-1"], links["c-2"]) == ("", "")
    assert urlsplit(links["c-3"]).path == "/api/cdr/call-recording/c-3"
    assert urlsplit(links["c-3"]).query.startswith("token=")


def test_an_inactive_webhook_bundles_nothing(acme, webhook_of, take, now):
    batch = webhook_of(acme, style="batch", batch_size=1, active=False)
    batch.when_disabled = "hold"
    batch.save()
    take(acme, *calls(1))

    assert overdue_webhooks(later(now, 300)) == []
    batch.active = True
    batch.save()
    assert uids(claim_all(batch, later(now, 300))) == [["c-1"]]


def test_an_old_batch_that_nobody_remembers_is_swept(acme, batch, take, now):
    take(acme, *calls(1))

    assert overdue_webhooks(later(now, 60.5)) == []
    assert overdue_webhooks(later(now, 61.5)) == [(batch.pk, "fast")]


def test_a_full_batch_that_nobody_remembers_is_swept(acme, batch, take, now):
    take(acme, *calls(1, 2, 3))

    assert overdue_webhooks(now) == [(batch.pk, "fast")]


def test_a_batch_begun_before_the_clock_was_set_back_does_not_wait_for_it(
    acme, batch, take, now
):
    take(acme, *calls(1))

    assert uids(claim_all(batch, now - dt.timedelta(hours=1))) == [["c-1"]]


def test_what_waits_for_its_batch_ends_with_its_webhook(acme, batch, take, now):
    take(acme, *calls(1))

    cancel_pending(batch, now)

    assert claim_all(batch, later(now, 61)) == []
    assert OwedCdr.objects.get().left_out == "deleted"


def test_summaries_go_in_batches_of_their_own(acme, batch, take, now):
    take(acme, *calls(1, 2, 3))
    for stored in StoredCdr.objects.all():
        CallSummary.objects.create(
            tenant=acme,
            cdr=stored,
            state="ready",
            transcription=f"said in {stored.uid}",
            summary="short",
            created_at=now,
            ended_at=now,
        )
        OwedCdr.objects.create(
            webhook=batch,
            cdr=stored,
            kind=OwedCdr.CALL_SUMMARY,
            owed_at=now,
            call_end=stored.call_end,
        )

    bodies = [json.loads(item.outgoing.request.body) for item in claim_all(batch, now)]

    assert sorted(body["type"] for body in bodies) == ["call_summary", "cdr"]
    (summaries,) = [body for body in bodies if body["type"] == "call_summary"]
    assert summaries["cdrs"][0] == {
        "uniqueid": "c-1",
        "transcription": "said in c-1",
        "summary": "short",
    }


def test_a_batch_whose_records_cannot_be_read_fails_by_itself(
    acme, webhook_of, take, now
):
    batch = webhook_of(acme, style="batch", batch_size=1)
    take(acme, *calls(1, 2))
    StoredCdr.objects.filter(uid="c-1").update(record='{"uid": "c-1"}')

    assert uids(claim_all(batch, now)) == [["c-2"]]
    failed = Delivery.objects.get(state="failed")
    assert "could not be made" in failed.last_error


def test_corrections_of_many_calls_go_in_one_batch(acme, webhook_of, now):
    batch = webhook_of(acme, style="batch", on_update=True, batch_size=2400)
    for duration in (60, 61):
        changed = [call(f"c-{n}", duration=duration) for n in range(1200)]
        accept(acme, changed, source="test", now=now)

    (item,) = claim_all(batch, now)

    sent = json.loads(item.outgoing.request.body)["cdrs"]
    assert [entry["duration"] for entry in sent if entry["uniqueid"] == "c-7"] == [
        "60",
        "61",
    ]


def test_one_transaction_makes_a_bounded_number_of_batches(
    acme, webhook_of, take, now, monkeypatch
):
    monkeypatch.setattr(bundle_module, "MAX_DELIVERIES", 3)
    batch = webhook_of(acme, style="batch", batch_size=1)
    take(acme, *calls(*range(8)))

    claimed = claim_now(batch, now)

    assert claimed.wait_until == now
    assert Delivery.objects.count() == 3


def test_a_batch_of_huge_records_closes_before_it_is_too_large(
    acme, webhook_of, now, monkeypatch
):
    monkeypatch.setattr(bundle_module, "MAX_CHARS", 25_000)
    batch = webhook_of(
        acme, style="batch", batch_size=3, on_update=True, max_in_flight=100
    )
    for blob in ("x" * 10_000, "y" * 20_000):
        huge = [call(f"c-{n}", extra={"blob": blob}) for n in range(3)]
        accept(acme, huge, source="test", now=now)

    claimed = claim_on(batch, later(now, 60))

    assert [len(found) for found in uids(claimed)] == [2, 1, 1, 1, 1]


def test_large_bodies_are_rendered_a_few_at_a_time(
    acme, webhook_of, take, now, monkeypatch
):
    monkeypatch.setattr(claim_module, "MOST_CDRS", 10)
    batch = webhook_of(acme, style="batch", batch_size=5, max_in_flight=100)
    take(acme, *calls(*range(40)))

    claimed = claim_now(batch, now)

    assert sum(map(len, claimed.runs)) == 2
    assert claimed.wait_until == now
    assert len(claim_on(batch, now)) == 6


@pytest.mark.django_db(transaction=True)
def test_two_drains_that_race_hold_each_call_once(acme, webhook_of, take, now):
    batch = webhook_of(acme, style="batch", batch_size=7, max_in_flight=100)
    take(acme, *calls(*range(500)))
    start = threading.Barrier(2)
    claimed = []

    def drain() -> None:
        start.wait()
        for _ in range(10):
            claimed.extend(claim_all(batch, later(now, 60)))
        connection.close()

    threads = [threading.Thread(target=drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connections.close_all()

    sent = [uid for batch_uids in uids(claimed) for uid in batch_uids]
    assert len(sent) == len(set(sent))
    assert OwedCdr.objects.filter(delivery__isnull=True).count() == 0
    assert Delivery.objects.count() == 72  # 71 of 7 calls, and one of the rest
