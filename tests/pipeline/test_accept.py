"""What accepting a CDR means: one row, what webhooks are owed, once."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, OperationalError

from dispatcher.models import CdrRevision, Delivery, OwedCdr, StoredCdr, WebhookFilter
from dispatcher.pipeline import accept as accept_module
from dispatcher.pipeline.accept import OutcomeUnknown, StorageUnavailable
from dispatcher.values import Line
from tests.pipeline.conftest import call

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_call_is_owed_to_every_webhook_without_filters(acme, webhook_of, take):
    first, second = webhook_of(acme), webhook_of(acme, style="flat")

    taken = take(acme, call("c-1"))

    assert (taken.accepted, taken.duplicates) == (1, 0)
    assert set(taken.wake) == {first.pk, second.pk}
    assert Delivery.objects.filter(state="pending").count() == 2


def test_the_same_content_again_is_a_duplicate_and_makes_no_delivery(
    acme, webhook_of, take
):
    webhook_of(acme)
    take(acme, call("c-1"))

    again = take(acme, call("c-1"))

    assert (again.accepted, again.duplicates, again.wake) == (0, 1, {})
    assert Delivery.objects.count() == 1


def test_twice_in_one_request_is_a_duplicate(acme, webhook_of, take):
    webhook_of(acme)

    taken = take(acme, call("c-1"), call("c-1"), call("c-2"))

    assert (taken.accepted, taken.duplicates) == (2, 1)
    assert Delivery.objects.count() == 2


def test_other_content_under_a_known_uid_is_kept_as_a_revision_and_not_sent(
    acme, webhook_of, take
):
    webhook_of(acme)
    take(acme, call("c-1"))

    changed = take(acme, call("c-1", duration=61))

    assert (changed.accepted, changed.duplicates) == (1, 0)
    assert CdrRevision.objects.get().number == 1
    assert '"duration"' not in StoredCdr.objects.get().record
    assert Delivery.objects.count() == 1


def test_a_revision_that_is_known_already_is_a_duplicate(acme, take):
    take(acme, call("c-1"), call("c-1", duration=61))

    again = take(acme, call("c-1", duration=61))

    assert (again.accepted, again.duplicates) == (0, 1)


def test_a_revision_is_sent_to_a_webhook_that_asks_for_updates(acme, webhook_of, take):
    webhook_of(acme, on_update=True)
    take(acme, call("c-1"))

    take(acme, call("c-1", duration=61))

    assert list(OwedCdr.objects.values_list("revision", flat=True)) == [0, 1]


def test_a_webhook_gets_only_calls_that_all_its_filters_let_through(
    acme, webhook_of, take
):
    webhook = webhook_of(acme)
    WebhookFilter.objects.create(
        webhook=webhook, field="dir", op="eq", value="outbound"
    )
    WebhookFilter.objects.create(
        webhook=webhook, field="ddiNum", op="startswith", value="+44"
    )

    take(
        acme,
        call("in"),
        call("out", direction="outbound"),
        call("abroad", direction="outbound", dialed=Line(number="+4930000000")),
    )

    assert OwedCdr.objects.get().cdr.uid == "out"


def test_a_change_to_a_filter_works_for_the_very_next_call(acme, webhook_of, take):
    webhook = webhook_of(acme)
    condition = WebhookFilter.objects.create(
        webhook=webhook, field="dir", op="eq", value="outbound"
    )
    take(acme, call("before"))
    condition.delete()

    take(acme, call("after"))

    assert OwedCdr.objects.get().cdr.uid == "after"


def test_an_inactive_webhook_drops_calls_and_counts_them(acme, webhook_of, take):
    webhook = webhook_of(acme, active=False)

    taken = take(acme, call("c-1"), call("c-2"))

    webhook.refresh_from_db()
    assert (Delivery.objects.count(), webhook.dropped, taken.wake) == (0, 2, {})


def test_an_inactive_webhook_that_holds_keeps_calls_waiting(acme, webhook_of, take):
    webhook_of(acme, active=False, when_disabled="hold")

    taken = take(acme, call("c-1"))

    assert (Delivery.objects.count(), taken.wake) == (1, {})


def test_a_call_of_one_tenant_is_not_owed_to_the_webhooks_of_another(
    acme, globex, webhook_of, take
):
    webhook_of(globex)

    take(acme, call("c-1"))

    assert not OwedCdr.objects.exists()


def test_the_same_uid_of_two_tenants_is_two_calls(acme, globex, take):
    take(acme, call("c-1"))

    assert take(globex, call("c-1")).accepted == 1


def test_nothing_is_half_written_when_the_database_fails_midway(
    acme, webhook_of, take, monkeypatch
):
    webhook_of(acme)

    def fail(*_, **__):
        raise DatabaseError("disk full")

    monkeypatch.setattr(accept_module, "write_owed", fail)

    with pytest.raises(StorageUnavailable):
        take(acme, call("c-1"))

    assert not StoredCdr.objects.exists()


@pytest.mark.parametrize(
    ("breaks", "tells"),
    [("before", StorageUnavailable), ("at commit", OutcomeUnknown)],
)
def test_an_answer_to_commit_that_was_lost_is_told_from_what_was_surely_not_stored(
    acme, take, monkeypatch, breaks, tells
):
    @contextmanager
    def breaking():
        if breaks == "before":
            raise OperationalError("server closed the connection")
        yield
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(
        accept_module, "connection", SimpleNamespace(vendor="postgresql")
    )
    monkeypatch.setattr(accept_module, "transaction", SimpleNamespace(atomic=breaking))

    with pytest.raises(StorageUnavailable) as raised:
        take(acme, call("c-1"))

    assert raised.type is tells


def test_a_record_that_breaks_a_rule_of_its_table_is_not_told_to_be_known(acme, take):
    with pytest.raises(StorageUnavailable):
        take(acme, call("c-1"), call("c-2", duration=-1))

    assert not StoredCdr.objects.exists()


def test_who_waits_too_long_for_the_one_writer_of_sqlite_is_told_so(
    acme, take, monkeypatch
):
    monkeypatch.setattr(accept_module, "connection", SimpleNamespace(vendor="sqlite"))
    monkeypatch.setattr(accept_module, "WRITER_SECONDS", 0.01)

    with accept_module._WRITER, pytest.raises(StorageUnavailable):
        take(acme, call("c-1"))

    assert take(acme, call("c-1")).accepted == 1


@pytest.mark.parametrize("hours", [-23.9, -16, 16, 23.9])
def test_times_of_any_offset_are_taken(acme, take, hours):
    there = dt.timezone(dt.timedelta(hours=hours))
    started = dt.datetime(2026, 11, 20, 9, 0, tzinfo=there)

    taken = take(acme, call("c-1", started_at=started, ended_at=started))

    assert taken.accepted == 1
    assert StoredCdr.objects.get().started_at == started
