"""Tenants' calls are deleted when their time is over, and nothing that is to be sent."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import OperationalError, connection, transaction
from django.db.models import Exists

from dispatcher.models import (
    Attempt,
    CallSummary,
    CdrRevision,
    Delivery,
    KnownUid,
    OwedCdr,
    Partner,
    QuarantinedRecord,
    StoredCdr,
    Tenant,
)
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import resend, retain
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.forget import among
from dispatcher.pipeline.known import FEW, forget_old
from dispatcher.pipeline.purge import LONGEST_REST_SECONDS
from dispatcher.pipeline.retain import Retained, hours_of
from dispatcher.pipeline.tally import hour_at
from tests.pipeline.conftest import call, claim_all, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LATER = dt.timedelta(hours=49)


def passed(at: dt.datetime | None = None) -> Retained:
    """What is gone after a pass, 49 hours from now if nothing else is said."""
    # Ids bear the real time.
    at = at or dt.datetime.now(dt.UTC) + LATER
    steps = list(retain.retain(lambda: at, rest=0))
    return steps[-1] if steps else Retained()


@pytest.fixture
def kept(acme: Tenant) -> Tenant:
    """acme keeps its calls for 48 hours."""
    acme.keep_cdrs_hours = 48
    acme.save()
    return acme


@pytest.fixture
def send(take, now):
    """send(webhook, uid, status=200, **values): a call is taken in and sent."""

    def make(webhook, uid, status=200, tenant=None, **values):
        take(tenant or webhook.tenant, call(uid, **values))
        for item in claim_all(webhook, now):
            finish(item, status, now)

    return make


def test_a_call_goes_with_all_that_is_kept_of_it(kept, webhook_of, take, send, now):
    send(webhook_of(kept, on_update=True), "c-1")
    take(kept, call("c-1", duration=7))
    resend.cancel(Delivery.objects.get(state="pending").pk, now)
    CallSummary.objects.create(
        tenant=kept,
        cdr=StoredCdr.objects.get(),
        state="ready",
        created_at=now,
        ended_at=now,
    )

    assert passed() == Retained(deliveries=2, calls=1)

    for model in (StoredCdr, CdrRevision, CallSummary, OwedCdr, Delivery, Attempt):
        assert not model.objects.exists()


def test_where_nothing_is_said_everything_is_kept(acme, webhook_of, send):
    send(webhook_of(acme), "c-1")

    assert passed() == Retained()
    assert StoredCdr.objects.count() == Delivery.objects.count() == 1


def test_the_setting_holds_where_the_tenant_does_not_say(acme, settings):
    settings.CDRHOOK_KEEP_CDRS_HOURS = 100

    assert hours_of(acme).cdrs == hours_of(acme).deliveries == 100
    acme.keep_cdrs_hours = 50
    assert hours_of(acme).cdrs == 50
    acme.keep_deliveries_hours = 60
    assert hours_of(acme).deliveries == 50


def test_what_is_younger_is_kept(kept, webhook_of, send):
    send(webhook_of(kept), "c-1")

    assert passed(dt.datetime.now(dt.UTC) + dt.timedelta(hours=47)) == Retained()


def test_deliveries_may_go_before_their_calls(acme, webhook_of, send):
    acme.keep_deliveries_hours = 1
    acme.save()
    send(webhook_of(acme), "c-1")

    assert passed() == Retained(deliveries=1)
    assert OwedCdr.objects.get().left_out == "was_delivered"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"active": False, "when_disabled": "hold"},
        {"health": "DOWN"},
        {"style": "batch"},
        {"style": "batch", "active": False, "when_disabled": "hold"},
    ],
)
def test_what_is_to_be_sent_is_kept_however_old(kept, webhook_of, take, settings):
    webhook_of(kept, **settings)
    take(kept, call("c-1"))

    assert passed() == Retained()
    assert StoredCdr.objects.count() == OwedCdr.objects.count() == 1


def test_a_call_that_changed_lately_or_is_sent_again_is_kept(
    kept, webhook_of, take, send, now
):
    webhook = webhook_of(kept)
    for uid in ("c-1", "c-2", "c-3"):
        send(webhook, uid)
    late = dt.datetime.now(dt.UTC) + LATER
    take(kept, call("c-1", duration=7))
    CdrRevision.objects.update(received_at=late)
    resend.redeliver(Delivery.objects.order_by("pk")[1].pk, now)

    assert passed().calls == 1
    uids = StoredCdr.objects.order_by("uid").values_list("uid", flat=True)
    assert list(uids) == ["c-1", "c-2"]


def test_a_call_whose_summary_is_being_made_is_kept(kept, take, now):
    take(kept, call("c-1"))
    CallSummary.objects.create(
        tenant=kept, cdr=StoredCdr.objects.get(), created_at=now, next_step_at=now
    )

    assert passed() == Retained()


def test_a_uid_stays_known_for_90_days_and_is_then_forgotten(
    kept, take, webhook_of, now
):
    webhook_of(kept)
    take(kept, call("c-1"))
    Delivery.objects.update(state="failed", next_attempt_at=None, ended_at=now)
    passed()

    again = take(kept, call("c-1", duration=7), call("c-2"), call("c-1"))

    assert (again.accepted, again.duplicates) == (1, 2)
    assert StoredCdr.objects.get().uid == "c-2"
    assert Delivery.objects.count() == 1
    forget_old(dt.datetime.now(dt.UTC) + LATER + dt.timedelta(days=91))
    assert take(kept, call("c-1")).accepted == 1


def test_a_uid_is_known_to_its_own_tenant_alone(kept, globex, take):
    take(kept, call("c-1"))
    passed()

    assert take(globex, call("c-1")).accepted == 1
    assert take(kept, call("c-1")).accepted == 0


def test_thousands_of_known_uids_are_known(kept, take):
    cdrs = [call(f"c-{number}") for number in range(1200)]
    take(kept, *cdrs)
    assert passed().calls == 1200

    again = take(kept, *cdrs, call("new"))

    assert (again.accepted, again.duplicates) == (1, 1200)
    assert StoredCdr.objects.get().uid == "new"


def test_of_a_uid_only_a_digest_is_kept(kept, take):
    take(kept, call("c-442031703746"))
    passed()

    assert b"442031703746" not in bytes(KnownUid.objects.get().digest)


def test_a_partners_bundle_is_emptied_with_its_first_call_and_goes_with_its_last(
    kept, globex, webhook_of, take, now
):
    partner = Partner.objects.create(name="Reseller")
    Tenant.objects.update(partner=partner)
    kept.refresh_from_db()
    globex.refresh_from_db()
    feed = webhook_of(None, partner=partner, style="feed", fed_until=now - LATER)
    take(kept, call("c-1"))
    take(globex, call("c-2"))
    for item in claim_all(feed, now):
        finish(item, 200, now)
    Attempt.objects.update(response_body=b"said")

    assert passed() == Retained(calls=1)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.request_body) == ("delivered", None)
    assert bytes(Attempt.objects.get().response_body) == b""
    assert OwedCdr.objects.get().cdr.uid == "c-2"
    globex.keep_cdrs_hours = 48
    globex.save()
    assert passed() == Retained(calls=1, deliveries=1)


def test_the_quarantine_goes_by_when_it_was_last_seen(acme, globex, now):
    acme.keep_quarantine_hours = 1
    acme.save()
    for tenant, digest, seen in (
        (acme, "a", now),
        (acme, "b", now + LATER),
        (globex, "c", now),
    ):
        QuarantinedRecord.objects.create(
            tenant=tenant,
            source="x",
            reason="r",
            body=b"",
            digest=digest,
            first_seen_at=now,
            last_seen_at=seen,
        )

    assert passed(now + dt.timedelta(hours=2)) == Retained(quarantined=1)
    digests = QuarantinedRecord.objects.order_by("digest").values_list(
        "digest", flat=True
    )
    assert list(digests) == ["b", "c"]


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


def test_recordings_go_by_when_they_were_written(acme, globex, recordings):
    acme.keep_recordings_hours = 1
    acme.save()
    for name in ("acme/r-1.wav", "acme/2026/r-2", "globex/r-3.wav"):
        recordings.save(name, ContentFile(b"x"))

    assert passed(dt.datetime.now(dt.UTC)) == Retained()
    assert passed() == Retained(recordings=2)
    assert recordings.exists("globex/r-3.wav")


def test_a_tenant_called_dot_has_no_folder_that_is_everybodys(acme, recordings):
    Tenant.objects.create(external_id=".", name="Dot", keep_recordings_hours=1)
    recordings.save("acme/r-1.wav", ContentFile(b"x"))

    assert passed() == Retained()


def test_it_works_in_steps_past_what_must_stay_and_rests(
    kept, webhook_of, take, send, monkeypatch
):
    monkeypatch.setattr(retain, "STEP", 2)
    take(kept, *(call(f"c-{number}") for number in range(5)))
    webhook_of(kept)
    take(kept, call("held"))
    rests: list[float] = []
    at = dt.datetime.now(dt.UTC) + LATER

    steps = list(retain.retain(lambda: at, rest=1_000_000, pause=rests.append))

    assert [step.calls for step in steps if step.calls][:3] == [2, 4, 5]
    assert len(rests) == len(steps)
    assert set(rests) <= {LONGEST_REST_SECONDS}
    assert StoredCdr.objects.get().uid == "held"


def elsewhere(work: Any) -> Any:
    """Runs it on another connection; its result."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return ThreadPoolExecutor(1).submit(run)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
@pytest.mark.parametrize("beside", [0, FEW])
def test_a_call_that_comes_again_while_its_record_is_deleted_is_a_duplicate(
    kept, take, beside
):
    take(kept, call("c-1"))
    at = dt.datetime.now(dt.UTC) + LATER
    others = [call(f"new-{n}") for n in range(beside)]

    with transaction.atomic():
        retain._call_step(kept, at, retain.START, at)
        repeated = elsewhere(lambda: take(kept, call("c-1", duration=7), *others))
        with pytest.raises(TimeoutError):
            repeated.result(0.3)

    again = repeated.result(10)
    assert (again.accepted, again.duplicates) == (beside, 1)
    assert StoredCdr.objects.count() == beside


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
def test_a_record_that_is_being_changed_is_passed_over(kept, take):
    take(kept, call("c-1"))

    with transaction.atomic():
        take(kept, call("c-1", duration=7))
        assert elsewhere(passed).result(10) == Retained()

    assert CdrRevision.objects.count() == 1


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="asks PostgreSQL's planner")
def test_a_step_reads_by_indexes(kept, globex, webhook_of, now):
    rows = 20_000
    StoredCdr.objects.bulk_create(
        StoredCdr(
            id=uuid7(),
            tenant=kept if number % 20 else globex,
            uid=f"c-{number}",
            source="x",
            record="{}",
            content_hash="",
            started_at=now,
            call_end=now,
            accepted_at=now,
        )
        for number in range(rows)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        made = StoredCdr.objects.filter(tenant=globex, pk__gt=retain.START).order_by(
            "pk"
        )
        keys = list(made.values_list("pk", flat=True)[: retain.STEP])
        free = StoredCdr.objects.filter(
            among("id", keys), ~Exists(retain._still_owed(now))
        )
        plans = [
            made.values_list("pk")[:200].explain(),
            free.values_list("pk").explain(),
        ]

    assert not any("Seq Scan on dispatcher_storedcdr" in plan for plan in plans)


def test_the_balance_adds_up_when_calls_are_gone(kept, webhook_of, take, send, now):
    send(webhook_of(kept, retries=0), "c-1", status=500)
    take(kept, call("c-2"))
    assert passed().calls == 1
    take(kept, call("c-1"))

    hour = hour_at(dt.datetime.now(dt.UTC))
    hours = [*range(hour_at(now), hour_at(now) + 2), *range(hour - 1, hour + 2)]
    told = balance(kept, min(hours), max(hours) + 1)

    assert told.totals.differences == []
    assert told.totals.gone["calls"] == 1
    assert told.totals.records["duplicates"] == 1


@pytest.mark.parametrize("error", [ValueError("a fault"), OperationalError("locked")])
def test_a_tenant_that_fails_holds_up_no_other(kept, globex, monkeypatch, error):
    Tenant.objects.update(keep_cdrs_hours=1)
    deliveries, first = retain._deliveries, min(kept.pk, globex.pk)
    seen = []

    def failing(tenant, before):
        seen.append(tenant)
        if tenant.pk == first:
            raise error
        yield from deliveries(tenant, before)

    monkeypatch.setattr(retain, "_deliveries", failing)
    passed()

    assert seen == list(Tenant.objects.order_by("pk"))
