"""Calls handed over from Python: `dispatcher.enqueue`."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal

import pytest
from django.db import OperationalError, transaction

import dispatcher
from dispatcher import tasks
from dispatcher.from_python import InTransactionError
from dispatcher.models import OwedCdr, StoredCdr, Tally, Webhook
from dispatcher.pipeline import accept, hand_over
from dispatcher.pipeline.accept import OutcomeUnknown, StorageUnavailable
from dispatcher.values import Caller, Cdr, Rating

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Webhooks that were woken up, a list a time."""
    all_woken: list[object] = []
    monkeypatch.setattr(tasks, "wake_up", lambda wake: all_woken.append(list(wake)))
    return all_woken


def call(uid: str, **values: object) -> dict[str, object]:
    return {"uid": uid, "started_at": "2026-11-20T09:00:00+00:00", **values}


def test_the_package_is_imported_without_django():
    code = "import dispatcher, sys; print(dispatcher.enqueue, 'django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")


def test_a_dict_in_the_form_of_the_api_is_taken(acme):
    taken = dispatcher.enqueue(call("a"), tenant="acme")
    assert (taken.accepted, taken.duplicates, taken.rejected) == (1, 0, ())
    assert StoredCdr.objects.get(tenant=acme).source == "python"


def test_a_cdr_is_stored_as_the_api_would_store_it(acme):
    cdr = Cdr(
        uid="a",
        started_at=START,
        caller=Caller(number="+442031703746"),
        rating=Rating(cost=Decimal("0.0350")),
        tags={"Support": True},
    )
    same = call(
        "a",
        caller={"number": "+442031703746"},
        rating={"cost": "0.0350"},
        tags={"Support": True},
    )

    taken = dispatcher.enqueue([cdr, same], tenant=acme)

    assert (taken.accepted, taken.duplicates) == (1, 1)


def test_any_number_is_taken_a_thousand_a_transaction(acme, woken):
    taken = dispatcher.enqueue((call(f"c-{n}") for n in range(2100)), tenant=acme)
    assert (taken.accepted, taken.duplicates, taken.rejected) == (2100, 0, ())
    assert StoredCdr.objects.count() == 2100
    assert len(woken) == 3


def test_those_that_are_refused_are_named_by_their_index_and_counted(acme):
    naive = Cdr(uid="b", started_at=START.replace(tzinfo=None))
    many = [call(f"c-{n}") for n in range(1000)]
    taken = dispatcher.enqueue([*many, naive, call("e"), "no call"], tenant=acme)  # type: ignore[list-item]

    assert taken.accepted == 1001
    (naive_index, naive_errors), (index, errors) = taken.rejected
    assert (naive_index, naive_errors[0].field) == (1000, "started_at")
    assert (index, errors[0].message) == (1002, "must be an object")
    assert sum(row.counts.get("rejected", 0) for row in Tally.objects.all()) == 2


@pytest.mark.parametrize("nothing", ["a call", b"{}", 5, None])
def test_what_is_no_collection_of_calls_is_a_mistake_of_the_caller(acme, nothing):
    with pytest.raises(TypeError, match="calls are Cdr or dict"):
        dispatcher.enqueue(nothing, tenant=acme)


def test_webhooks_are_woken_after_the_commit(acme, woken, monkeypatch):
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    seen: list[tuple[object, int]] = []
    monkeypatch.setattr(
        tasks, "wake_up", lambda wake: seen.append((*wake, OwedCdr.objects.count()))
    )
    dispatcher.enqueue(call("a"), tenant=acme)
    assert seen == [(webhook.pk, 1)]


def test_an_unknown_tenant_is_said_so(db):
    with pytest.raises(LookupError, match="no tenant 'nobody'"):
        dispatcher.enqueue(call("a"), tenant="nobody")


@pytest.mark.parametrize("name", ["a\0", "\ud800"], ids=["NUL", "half a character"])
def test_a_name_that_no_database_can_be_asked_for_is_an_unknown_one(acme, name):
    with pytest.raises(LookupError):
        dispatcher.enqueue(call("a"), tenant=name)


def test_it_refuses_to_work_inside_a_transaction_of_its_caller(acme):
    with transaction.atomic(), pytest.raises(InTransactionError, match="on_commit"):
        dispatcher.enqueue(call("a"), tenant=acme)
    assert not StoredCdr.objects.exists()


def test_it_works_once_the_callers_transaction_is_committed(acme):
    with transaction.atomic():
        transaction.on_commit(lambda: dispatcher.enqueue(call("a"), tenant=acme))
    assert StoredCdr.objects.count() == 1


def test_what_was_committed_stays_when_the_database_goes_away_midway(acme, monkeypatch):
    taken_in = accept.take_in

    def fail_later(*args: object) -> object:
        if StoredCdr.objects.exists():
            raise OperationalError("the disk is full")
        return taken_in(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(accept, "take_in", fail_later)
    with pytest.raises(StorageUnavailable) as raised:
        dispatcher.enqueue([call(f"c-{n}") for n in range(1500)], tenant=acme)

    assert raised.value.__notes__ == ["1000 calls before these were seen to"]
    assert StoredCdr.objects.count() == 1000


def test_a_lost_answer_to_commit_is_told_apart(acme, monkeypatch):
    def lose(*_args: object, **_kwargs: object) -> object:
        raise OutcomeUnknown("the connection broke")

    monkeypatch.setattr(hand_over, "accept", lose)
    with pytest.raises(OutcomeUnknown):
        dispatcher.enqueue(call("a"), tenant=acme)
