"""A number is erased wherever a tenant's calls left it, and what is not its own stays."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from django.core import serializers
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from structlog.testing import capture_logs

from dispatcher import models
from dispatcher.models import (
    Attempt,
    AuditEntry,
    CallSummary,
    Delivery,
    KnownUid,
    Lease,
    OwedCdr,
    Partner,
    QuarantinedRecord,
    StoredCdr,
    Tenant,
)
from dispatcher.pipeline import erase as erasing
from dispatcher.pipeline import resend
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.erase import BadCursorError, BusyError, Erased, erase
from dispatcher.pipeline.ingest import Origin, ingest
from dispatcher.privacy.search import BadNumberError
from dispatcher.values import Caller, Contact, Dialer, Leg, Legs, Line, Recording
from tests.pipeline.conftest import call, claim_all, finish, only_delivery

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NUMBER = "+442031703746"
HOLDS = {"caller": Caller(number=NUMBER)}


def erased(tenant: Tenant, number: str = NUMBER, **options: Any) -> Erased:
    """What is gone at the end, without any rest."""
    steps = list(erase(tenant, number, rest=0, pause=lambda _: None, **options))
    assert steps[-1].cursor == ""
    return steps[-1].erased


def left() -> str:
    """Every row of ours that there is, as text; bytes as text, too."""
    rows = [
        row for name in models.__all__ for row in getattr(models, name).objects.all()
    ]
    bodies = [
        bytes(value)
        for row in rows
        for field in row._meta.fields
        if isinstance(value := getattr(row, field.attname), bytes | memoryview)
    ]
    return f"{serializers.serialize('json', rows)}{bodies}"


@pytest.fixture
def send(take, now):
    """send(webhook, *cdrs, status=200): calls are taken in and sent."""

    def make(webhook, *cdrs, status=200):
        take(webhook.tenant, *cdrs)
        for item in claim_all(webhook, now):
            finish(item, status, now)

    return make


@pytest.mark.parametrize(
    "asked", [NUMBER, "442031703746", "0044 20 3170 3746", "+44 (0)20 3170-3746"]
)
def test_every_call_with_the_number_goes_and_its_delivery_stays_without_it(
    acme, webhook_of, send, asked
):
    send(webhook_of(acme), call("c-1", **HOLDS), call("c-2"))
    Attempt.objects.update(
        response_body=NUMBER.encode(), response_headers=[["x", NUMBER]], error=NUMBER
    )

    gone = erased(acme, asked)

    assert gone == Erased(calls=1, deliveries=1, attempts=1)
    assert StoredCdr.objects.get().uid == "c-2"
    row = Delivery.objects.get(last_error_class="erased")
    assert (row.state, row.attempt_count, row.request_body) == ("delivered", 1, None)
    assert bytes(row.attempts.get().response_body) == b""
    assert row.attempts.get().status_code == 200


@pytest.mark.parametrize(
    "values",
    [
        {"caller": Caller(number="442031703746")},
        {"caller": Caller(number="0044 (20) 3170-3746")},
        {"caller": Caller(name="Zoe 442031703746")},
        {"dialed": Line(number="sip:+442031703746@pbx;user=phone")},
        {"legs": Legs(last_answered=Leg(agent=Line(number=NUMBER)))},
        {"dialer": Dialer(phone_number="442031703746")},
        {"dialer": Dialer(client_id=442031703746)},
        {"contacts": (Contact(phones=(None, "+44 20 3170 3746")),)},
        {"tags": {"from": ["call 00442031703746 back"]}},
        {"extra": {"sip": {"redirecting": "<sip:442031703746@10.0.0.1>"}}},
        {"caller": Caller(number="٤٤٢٠٣١٧٠٣٧٤٦")},
    ],
)
def test_it_is_found_wherever_a_record_may_hold_it(acme, take, values):
    take(acme, call("c-1", **values))

    assert erased(acme) == Erased(calls=1)
    assert not StoredCdr.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"caller": Caller(number="+4420317037461")},
        {"caller": Caller(number="+1442031703746")},
        {"caller": Caller(number="02031703746")},
        {"tags": {"id": "x4420317037460"}},
    ],
)
def test_other_numbers_are_left_alone(acme, take, values):
    take(acme, call("c-1", **values))

    assert erased(acme) == Erased()
    assert StoredCdr.objects.exists()


def test_a_date_is_no_number(acme, take):
    take(acme, call("c-1", extra={"day": "2026-11-20"}))

    assert erased(acme, "20261120") == Erased()


def test_of_another_tenant_nothing_goes(acme, globex, take):
    take(globex, call("c-1", **HOLDS))

    assert erased(acme) == Erased()
    assert StoredCdr.objects.get().tenant == globex


def test_nothing_of_the_number_is_left_anywhere(acme, webhook_of, send, take, now):
    webhook = webhook_of(acme, on_update=True, retries=3)
    webhook_of(acme, style="batch")
    send(webhook, call("c-1", **HOLDS), status=500)
    take(acme, call("c-2"))
    take(acme, call("c-2", dialed=Line(number=NUMBER)))
    take(acme, call("uid-442031703746"))
    CallSummary.objects.create(
        tenant=acme,
        cdr=StoredCdr.objects.get(uid="c-2"),
        state="ready",
        transcription="I am on 0044 20 3170 3746",
        created_at=now,
        ended_at=now,
    )

    gone = erased(acme)

    assert (gone.calls, gone.revisions, gone.summaries) == (3, 1, 1)
    assert "3746" not in left().replace("3170-3746", "3746")


def test_who_erased_how_much_is_noted_and_not_which_number(acme, take):
    take(acme, call("c-1", **HOLDS))

    erased(acme, dry_run=True)
    erased(acme)

    ended, begun = AuditEntry.objects.order_by("-id")[:2]
    assert (begun.action, ended.action) == ("erasure begun", "erasure ended")
    assert (ended.tenant, ended.changes) == (acme, {"calls": [None, 1]})
    assert AuditEntry.objects.count() == 2


def test_what_would_go_is_counted_without_changing_anything(
    acme, webhook_of, send, recordings
):
    recordings.save("acme/r-1.wav", ContentFile(b"x"))
    send(webhook_of(acme), call("c-1", recordings=(Recording(id="r-1"),), **HOLDS))
    before = left()

    would = erased(acme, dry_run=True)

    assert (left(), recordings.exists("acme/r-1.wav")) == (before, True)
    assert would == erased(acme)
    assert would == Erased(calls=1, deliveries=1, attempts=1, recordings=1)
    assert not recordings.exists("acme/r-1.wav")


@pytest.fixture
def recordings(settings, tmp_path):
    """The storage of recordings, in a folder of its own."""
    settings.STORAGES = {
        **settings.STORAGES,
        "recordings": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return storages["recordings"]


def test_what_is_still_to_be_sent_of_it_is_cancelled(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1", **HOLDS))

    erased(acme)

    row = only_delivery()
    assert (row.state, row.last_error_class) == ("cancelled", "erased")
    assert claim_all(webhook, now) == []
    assert resend.redeliver(row.pk, now) is None


def test_a_batch_that_is_to_be_tried_again_goes_out_without_the_call(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, style="batch", batch_size=3)
    take(acme, call("c-1"), call("c-2", **HOLDS), call("c-3"))
    (item,) = claim_all(webhook, now)
    finish(item, 500, now)

    assert erased(acme).calls == 1

    (again,) = claim_all(webhook, now + dt.timedelta(seconds=10))
    sent = json.loads(again.outgoing.request.body)["cdrs"]
    assert again.delivery_id == item.delivery_id
    assert [one["uniqueid"] for one in sent] == ["c-1", "c-3"]


def test_a_batch_that_has_ended_is_made_without_the_call_when_it_is_sent_again(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, style="batch", batch_size=2)
    take(acme, call("c-1"), call("c-2", **HOLDS))
    finish(claim_all(webhook, now)[0], 200, now)

    erased(acme)

    row = only_delivery()
    assert (row.state, row.last_error_class, row.request_body) == (
        "delivered",
        "",
        None,
    )
    assert "erased" in row.last_error
    resend.redeliver(row.pk, now)
    (again,) = claim_all(webhook, now)
    sent = json.loads(again.outgoing.request.body)["cdrs"]
    assert [one["uniqueid"] for one in sent] == ["c-1"]


def test_a_batch_that_is_not_closed_yet_is_closed_without_it(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, style="batch", batch_size=2)
    take(acme, call("c-1", **HOLDS))

    erased(acme)

    take(acme, call("c-2"), call("c-3"))
    (item,) = claim_all(webhook, now)
    assert b"c-1" not in item.outgoing.request.body
    assert OwedCdr.objects.count() == 2


def test_a_window_of_a_feed_keeps_its_number_without_the_call(
    acme, webhook_of, take, now
):
    partner = Partner.objects.create(name="Reseller")
    acme.partner = partner
    acme.save()
    begun = now - dt.timedelta(hours=2)
    feed = webhook_of(None, partner=partner, style="feed", fed_until=begun, retries=3)
    take(acme, call("c-1", **HOLDS))
    (item,) = claim_all(feed, now)
    finish(item, 500, now)

    erased(acme)

    (again,) = claim_all(feed, now + dt.timedelta(seconds=10))
    assert json.loads(again.outgoing.request.body) == {"items": []}
    assert again.outgoing.request.headers["cdrhook-sequence"] == "1"


def test_what_is_being_sent_is_waited_for(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1", **HOLDS))
    (item,) = claim_all(webhook, dt.datetime.now(dt.UTC))
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if seconds:
            finish(item, 200, now)

    steps = list(erase(acme, NUMBER, rest=0, pause=pause))

    assert erasing.BUSY_PAUSE_SECONDS in waited
    assert steps[-1].erased.calls == 1
    assert only_delivery().state == "delivered"
    assert only_delivery().request_body is None


def test_what_is_under_way_for_longer_than_can_be_is_told(acme, webhook_of, take):
    take(acme, call("c-1", **HOLDS))
    claim_all(webhook_of(acme), dt.datetime.now(dt.UTC))
    webhook = webhook_of(acme)
    take(acme, call("c-2", **HOLDS))
    claim_all(webhook, dt.datetime.now(dt.UTC))

    with pytest.raises(BusyError):
        list(erase(acme, NUMBER, pause=lambda _: None))

    assert StoredCdr.objects.filter(uid="c-2").exists()


def test_what_a_process_held_that_died_goes_too(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1", **HOLDS))
    claim_all(webhook, now)  # long ago, by the real clock
    assert bytes(Lease.objects.get().requests) != b""

    erased(acme)

    assert not Lease.objects.exists()
    assert only_delivery().request_body is None
    assert only_delivery().attempts.get().error_class == "interrupted"


@pytest.mark.parametrize(
    "body",
    [
        b'{"from": "+44 20 3170 3746", broken',
        b"cdr=%7B%22from%22%3A%22%2B442031703746%22",
        b"\xff\xfe 442031703746",
    ],
)
def test_quarantined_bodies_go(acme, globex, now, body):
    for tenant, digest in ((acme, "a"), (globex, "b")):
        QuarantinedRecord.objects.create(
            tenant=tenant,
            source="x",
            reason="r",
            body=body,
            digest=digest,
            first_seen_at=now,
            last_seen_at=now,
        )

    assert erased(acme) == Erased(quarantined=1)
    assert QuarantinedRecord.objects.get().tenant == globex


def test_a_pbx_that_repeats_the_call_brings_nothing_back_and_new_calls_are_taken(
    acme, take
):
    take(acme, call("c-1", **HOLDS))
    erased(acme)

    again = take(acme, call("c-1", **HOLDS), call("c-2", **HOLDS))

    assert (again.accepted, again.duplicates) == (1, 1)
    assert StoredCdr.objects.get().uid == "c-2"
    assert KnownUid.objects.count() == 1


def test_it_can_be_ended_after_any_step_and_gone_on_with(acme, take, monkeypatch):
    monkeypatch.setattr(erasing, "STEP", 1)
    take(acme, *(call(f"c-{number}", **HOLDS) for number in range(3)))

    _legs, first = islice(erase(acme, NUMBER, rest=0), 2)
    taken = take(acme, call("later", **HOLDS))
    rest = erased(acme, cursor=first.cursor)

    assert (first.erased.calls, rest.calls, taken.accepted) == (1, 2, 1)
    assert StoredCdr.objects.get().uid == "later"


@pytest.mark.parametrize(
    "number", ["", "302", "alice", "+44203170374612345", "sip:a@b"]
)
def test_what_is_no_number_is_refused(acme, number):
    with pytest.raises(BadNumberError):
        erased(acme, number)


@pytest.mark.parametrize("cursor", ["x", "calls:1:2", "nothing:a:b", "done:x:y"])
def test_a_cursor_of_somebody_elses_is_refused(acme, cursor):
    with pytest.raises(BadCursorError):
        erased(acme, cursor=cursor)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
def test_it_goes_on_while_calls_come_in_and_are_sent(acme, webhook_of, take):
    webhook = webhook_of(acme)

    def work() -> int:
        try:
            sent = 0
            for number in range(40):
                take(acme, call(f"c-{number}", **HOLDS), call(f"d-{number}"))
                now = dt.datetime.now(dt.UTC)
                for item in claim_all(webhook, now):
                    finish(item, 200, now)
                    sent += 1
            return sent
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        working = other.submit(work)
        while not working.done():
            list(erase(acme, NUMBER, rest=0))
        sent = working.result(60)
    list(erase(acme, NUMBER, rest=0))

    assert not StoredCdr.objects.filter(uid__startswith="c-").exists()
    assert StoredCdr.objects.filter(uid__startswith="d-").count() == 40
    states = Delivery.objects.exclude(last_error_class="erased")
    assert set(states.values_list("state", flat=True)) == {"delivered"}
    assert 40 <= sent <= 80


def test_no_number_is_logged_from_when_a_call_comes_until_it_is_erased(
    acme, webhook_of, now
):
    webhook = webhook_of(acme, retries=0)
    with capture_logs() as logs:
        accept(acme, [call("c-1", **HOLDS)], source="test", now=now)
        origin = Origin("freeswitch", query=f"from={NUMBER}")
        ingest(acme, NUMBER.encode(), origin, now=now)
        for item in claim_all(webhook, now):
            finish(item, 500, now)
        gone = erased(acme)

    assert gone == Erased(calls=1, deliveries=1, attempts=1, quarantined=1)
    assert {"cdr.accepted", "cdr.quarantined", "number.erased"} <= {
        entry["event"] for entry in logs
    }
    assert "2031703746" not in repr(logs)
