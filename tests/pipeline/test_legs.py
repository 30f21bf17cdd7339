"""Legs are kept until they are one call: one delivery a call, and none is lost."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import Read
from dispatcher.models import (
    CallLeg,
    CdrRevision,
    Delivery,
    Source,
    StoredCdr,
    Tally,
)
from dispatcher.pipeline import legs
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.forget import forget
from dispatcher.pipeline.ingest import Ingested, Origin, store
from dispatcher.pipeline.outbound import utc_now
from dispatcher.pipeline.tally import hour_at
from tests.normalise.test_joining import A, B, a_leg, b_leg, busy
from tests.pipeline.conftest import call

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def source(acme):
    """A PBX whose legs are joined, after 30 s at the latest."""
    return Source.objects.create(
        tenant=acme, name="pbx", pbx="freeswitch", legs="per_call"
    )


@pytest.fixture
def hand_over(acme, source, now):
    """hand_over(*cdrs, at=now) -> what became of them."""

    def take(*cdrs: Any, at: dt.datetime = now) -> Ingested:
        reads = [Read(cdr, cdr.uid.encode()) for cdr in cdrs]
        return store(acme, reads, Origin("freeswitch", source), now=at)

    return take


def join_at(moment):
    """What the beat does then; the webhooks that it would wake."""
    return [key for wake in legs.join_due(clock=lambda: moment) for key in wake]


def adds_up(tenant, now):
    """Whether the tenant's calls do, and its records.

    Ids are made by the real clock, and with them the hour of a call.
    """
    hours = {hour_at(moment) for moment in (now, now + 90 * SECOND, utc_now())}
    told = [balance(tenant, hour, hour + 1).totals for hour in hours]
    records = sum((Counter(one.records) for one in told), Counter())
    return all(one.balanced for one in told), records


def cdr_of(row):
    return cdr_json.load(row.record)


def test_the_leg_that_was_missing_has_the_call_taken_in_at_once(
    acme, hand_over, webhook_of
):
    webhook = webhook_of(acme)

    first = hand_over(b_leg())
    assert not StoredCdr.objects.exists()
    second = hand_over(a_leg())

    made = StoredCdr.objects.get()
    assert (first.accepted, second.accepted) == (1, 1)
    assert (dict(first.wake), list(second.wake)) == ({}, [webhook.pk])
    assert made.uid == A
    assert (cdr_of(made).extra or {})["legs"] == [A, B]
    assert made.raw.body == A.encode()
    assert Delivery.objects.count() == 1
    assert set(CallLeg.objects.values_list("cdr", "due_at")) == {(made.pk, None)}


def test_both_legs_in_one_request_are_one_call(acme, hand_over, webhook_of, now):
    webhook_of(acme)

    taken = hand_over(a_leg(), b_leg())

    assert (taken.accepted, taken.duplicates) == (2, 0)
    assert Delivery.objects.count() == 1
    balanced, records = adds_up(acme, now)
    assert balanced
    assert (records["received"], records["accepted"], records["joined"]) == (2, 1, 1)


def test_a_leg_that_waits_in_vain_becomes_a_call_that_says_so(
    acme, hand_over, webhook_of, now
):
    webhook = webhook_of(acme)
    hand_over(a_leg())

    assert join_at(now + 29 * SECOND) == []
    assert balance(acme, hour_at(now), hour_at(now) + 1).legs_waiting == 1
    assert not StoredCdr.objects.exists()
    assert join_at(now + 30 * SECOND) == [webhook.pk]

    assert (cdr_of(StoredCdr.objects.get()).extra or {})["legs_missing"] is True
    assert join_at(now + 31 * SECOND) == []
    assert Delivery.objects.count() == 1


def test_each_leg_has_the_next_waited_for_but_not_for_ever(hand_over, now):
    hand_over(busy("x-0"))
    for n in range(1, 8):
        hand_over(busy(f"x-{n}"), at=now + n * 25 * SECOND)
        join_at(now + n * 25 * SECOND)

    assert list(StoredCdr.objects.values_list("uid", flat=True)) == [A]
    # The first five waits are over at 150 s: the leg of that second is the last.
    assert (cdr_of(StoredCdr.objects.get()).extra or {})["legs"] == [
        f"x-{n}" for n in range(7)
    ]
    assert CdrRevision.objects.count() == 1


def test_a_leg_that_comes_late_is_a_revision_and_never_a_second_call(
    acme, hand_over, webhook_of, now
):
    webhook_of(acme, url="https://once.example/")
    webhook_of(acme, url="https://again.example/", on_update=True)
    hand_over(a_leg())
    join_at(now + 30 * SECOND)

    hand_over(b_leg(), at=now + 60 * SECOND)

    revision = CdrRevision.objects.get()
    assert StoredCdr.objects.count() == 1
    assert (cdr_json.load(revision.record).extra or {})["legs"] == [A, B]
    assert Delivery.objects.count() == 3
    balanced, records = adds_up(acme, now)
    assert balanced
    assert (records["received"], records["accepted"], records["revised"]) == (2, 1, 1)


def test_the_same_leg_again_is_a_duplicate_before_and_after(acme, hand_over, now):
    hand_over(a_leg())
    waiting = hand_over(a_leg())
    hand_over(b_leg())
    later = hand_over(a_leg(), b_leg())

    assert (waiting.accepted, waiting.duplicates) == (0, 1)
    assert (later.accepted, later.duplicates) == (0, 2)
    assert not CdrRevision.objects.exists()
    assert adds_up(acme, now)[0]


def test_other_content_replaces_a_leg_that_waits(acme, hand_over, now):
    hand_over(a_leg())
    hand_over(a_leg(hangup_cause="USER_BUSY"))
    hand_over(b_leg())

    assert cdr_of(StoredCdr.objects.get()).hangup_cause == "USER_BUSY"
    assert not CdrRevision.objects.exists()
    balanced, records = adds_up(acme, now)
    assert balanced
    assert (records["received"], records["accepted"], records["joined"]) == (3, 1, 2)


def test_other_content_of_a_joined_leg_revises_the_call(acme, hand_over, now):
    hand_over(a_leg(), b_leg())

    hand_over(b_leg(recordings=()))

    assert CdrRevision.objects.count() == 1
    assert adds_up(acme, now)[0]


def test_a_leg_that_has_nothing_in_common_with_others_is_a_call_at_once(hand_over):
    taken = hand_over(call("x", call_id=None))

    assert taken.accepted == 1
    assert StoredCdr.objects.get().uid == "x"
    assert not CallLeg.objects.exists()


def test_by_default_each_leg_is_a_call(acme, hand_over, source, webhook_of):
    webhook_of(acme)
    source.legs = Source.PER_LEG

    hand_over(a_leg(), b_leg())

    assert Delivery.objects.count() == 2
    assert not CallLeg.objects.exists()


def test_nobody_sees_a_leg_of_another_source(acme, globex, hand_over, source, now):
    other = Source.objects.create(
        tenant=globex, name="pbx", pbx="freeswitch", legs="per_call"
    )
    hand_over(a_leg())

    store(globex, [Read(b_leg())], Origin("freeswitch", other), now=now)

    assert not StoredCdr.objects.exists()
    join_at(now + 30 * SECOND)
    assert sorted(StoredCdr.objects.values_list("tenant__external_id", "uid")) == [
        ("acme", A),
        ("globex", A),
    ]


def test_what_cannot_be_stored_leaves_no_leg_behind(acme, source, now):
    def fail(_: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store(acme, [Read(a_leg())], Origin("freeswitch", source), now=now, beside=fail)

    assert not CallLeg.objects.exists()
    assert not Tally.objects.exists()


def test_legs_of_a_deleted_call_are_known_and_make_no_call(acme, hand_over, now):
    hand_over(a_leg(), b_leg())
    forget(acme, [(StoredCdr.objects.get().pk, A)], now)

    again = hand_over(a_leg(), b_leg())
    late = hand_over(busy())
    join_at(now + 60 * SECOND)

    assert (again.accepted, again.duplicates, late.accepted) == (0, 2, 1)
    assert not StoredCdr.objects.exists()
    assert not CallLeg.objects.exists()
    assert hand_over(busy()).duplicates == 1
    assert adds_up(acme, now)[0]


def test_what_is_no_id_of_a_call_does_not_join_everything(hand_over, monkeypatch):
    monkeypatch.setattr(legs, "MOST_LEGS", 2)
    hand_over(busy("x-1"), busy("x-2"))

    taken = hand_over(busy("x-3"), busy("x-1"))

    assert (taken.accepted, taken.duplicates) == (1, 1)
    assert StoredCdr.objects.get().uid == "x-3"


def test_a_call_that_cannot_be_joined_holds_up_no_other(
    acme, hand_over, now, monkeypatch
):
    hand_over(a_leg(), b_leg("y-2", call_id="y"))
    join = legs.join

    def fail_for_a(source: Source, calls: Any, at: dt.datetime) -> Any:
        if A in calls:
            raise StorageUnavailable("it is too large")
        return join(source, calls, at)

    monkeypatch.setattr(legs, "join", fail_for_a)
    monkeypatch.setattr(legs, "committed", lambda write: write())
    join_at(now + 30 * SECOND)

    assert StoredCdr.objects.get().uid == "y"
    assert CallLeg.objects.get(uid=A).due_at == now + 30 * SECOND + legs.PUT_OFF


def test_a_call_that_cannot_be_taken_in_does_not_keep_its_legs_from_being_stored(
    acme, hand_over, now, monkeypatch
):
    def refuse(*_: Any) -> Any:
        raise IntegrityError("a record breaks a rule of its table")

    monkeypatch.setattr(legs, "take_in", refuse)
    taken = hand_over(a_leg(), b_leg())
    monkeypatch.undo()

    assert (taken.accepted, CallLeg.objects.count()) == (2, 2)
    join_at(now + 30 * SECOND)
    assert StoredCdr.objects.count() == 1
    assert adds_up(acme, now)[0]


def test_a_wait_that_a_clock_put_far_ahead_is_over(hand_over, now):
    hand_over(a_leg())

    join_at(now - dt.timedelta(days=1))

    assert StoredCdr.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_legs_that_come_in_the_same_moment_are_one_call(
    acme, source, now, hand_over, webhook_of
):
    webhook_of(acme)

    for n in range(10):
        a, b = f"a-{n}", f"b-{n}"
        pair = (
            replace(a_leg(freeswitch={"bridge_uuid": b}), uid=a, call_id=a),
            replace(
                b_leg(extra={"freeswitch": {"originating_leg_uuid": a}}),
                uid=b,
                call_id=a,
            ),
        )
        _together(*[_handing_over(hand_over, leg) for leg in pair])

    assert StoredCdr.objects.count() == Delivery.objects.count() == 10
    assert not CdrRevision.objects.exists()
    assert not CallLeg.objects.filter(due_at__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_find_the_same_calls_due_take_each_in_once(
    acme, hand_over, now, webhook_of
):
    webhook_of(acme)
    for n in range(10):
        hand_over(replace(a_leg(extra=None), uid=f"a-{n}", call_id=f"x-{n}"))

    _together(*[_joining(now + 60 * SECOND)] * 2)

    assert StoredCdr.objects.count() == Delivery.objects.count() == 10
    assert not CallLeg.objects.filter(due_at__isnull=False).exists()
    assert adds_up(acme, now)[0]


def _handing_over(hand_over, leg):
    return lambda: hand_over(leg)


def _joining(moment):
    return lambda: join_at(moment)


def _together(*works):
    """Does them at once, each with a connection of its own."""
    barrier = threading.Barrier(len(works))
    failed = []

    def run(work: Any) -> None:
        try:
            barrier.wait(10)
            work()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
