"""Messages that bring calls: the task `dispatcher.enqueue`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from celery.exceptions import Reject
from django.db import OperationalError

from dispatcher import tasks
from dispatcher.models import QuarantinedRecord, StoredCdr
from dispatcher.pipeline import hand_over, ingest
from dispatcher.pipeline.accept import StorageUnavailable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SAMPLES = Path(__file__).parent.parent / "samples" / "freeswitch"


@pytest.fixture(autouse=True)
def rested(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long tries waited, without waiting; nobody is woken up."""
    waits: list[float] = []
    monkeypatch.setattr(tasks, "_rest", waits.append)
    monkeypatch.setattr(tasks, "wake_up", lambda _: None)
    return waits


def call(uid: str) -> dict[str, str]:
    return {"uid": uid, "started_at": "2026-11-20T09:00:00+00:00"}


def test_calls_of_a_message_are_taken(acme):
    tasks.enqueue(cdrs=[call("a"), call("b"), call("a")], tenant="acme")
    assert set(StoredCdr.objects.values_list("uid", flat=True)) == {"a", "b"}


def test_what_a_pbx_sent_is_taken_as_it_came(acme):
    body = (SAMPLES / "real_mod_json_cdr_plain_application_json.body").read_bytes()
    tasks.enqueue(pbx="freeswitch", body=base64.b64encode(body).decode(), tenant="acme")
    assert StoredCdr.objects.get().raw.body == body


def test_a_bad_call_is_kept_in_quarantine_and_the_others_are_taken(acme):
    tasks.enqueue(cdrs=[call("a"), {"uid": "b"}], tenant="acme")

    kept = QuarantinedRecord.objects.get()
    assert json.loads(bytes(kept.body)) == {"uid": "b"}
    assert kept.reason == "The call is not as it should be: started_at: required"
    assert StoredCdr.objects.count() == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"cdrs": []}, "cdrs must be a list of calls"),
        ({"cdrs": {"uid": "a"}}, "cdrs must be a list of calls"),
        ({}, "cdrs must be a list of calls"),
        ({"pbx": "abacus", "body": ""}, "pbx names no adapter"),
        ({"pbx": "freeswitch", "body": "?"}, "body is not base64"),
        ({"pbx": "freeswitch"}, "body is not base64"),
        ({"body": "e30="}, "pbx names no adapter"),
    ],
)
def test_a_message_that_is_not_as_it_should_be_is_kept(acme, message, reason):
    tasks.enqueue(**message, tenant="acme")
    kept = QuarantinedRecord.objects.get()
    assert kept.reason == reason
    assert message.items() <= json.loads(bytes(kept.body)).items()


@pytest.mark.parametrize("tenant", ["nobody", "", None, 5, "a\0b", "x" * 100])
def test_calls_of_an_unknown_tenant_are_logged_without_content(acme, tenant, caplog):
    caplog.set_level("ERROR")
    tasks.enqueue(cdrs=[call("secret-uid")] * 3, tenant=tenant)
    assert "message.of_unknown_tenant" in caplog.text
    assert "'records': 3" in caplog.text
    assert "secret-uid" not in caplog.text
    assert not QuarantinedRecord.objects.exists()


@pytest.mark.parametrize("error", [StorageUnavailable, OperationalError])
def test_a_message_that_the_database_does_not_take_goes_back_to_the_broker(
    acme, monkeypatch, rested, error
):
    def refuse(*_: object, **__: object) -> object:
        raise error("away")

    monkeypatch.setattr(hand_over, "from_message", refuse)
    with pytest.raises(Reject) as raised:
        tasks.enqueue(cdrs=[call("a")], tenant="acme")

    assert raised.value.args == ("the database does not take it", True)
    assert rested == [1, 2, 4, 8, 16, 16]


def test_it_is_taken_as_soon_as_the_database_is_back(acme, monkeypatch, rested):
    store = ingest.store

    def refuse_twice(*args: object, **named: object) -> object:
        if len(rested) < 2:
            raise StorageUnavailable("away")
        return store(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(hand_over, "store", refuse_twice)
    tasks.enqueue(cdrs=[call("a")], tenant="acme")

    assert rested == [1, 2]
    assert StoredCdr.objects.count() == 1


def test_a_worker_that_is_to_stop_gives_the_message_back_at_once(
    acme, monkeypatch, rested
):
    monkeypatch.setattr(
        hand_over, "from_message", lambda *_, **__: (_ for _ in ()).throw(OSError)
    )
    monkeypatch.setattr(
        hand_over,
        "keep_whole",
        lambda *_, **__: (_ for _ in ()).throw(StorageUnavailable("away")),
    )
    monkeypatch.setattr(tasks._stopping, "is_set", lambda: True)
    with pytest.raises(Reject):
        tasks.enqueue(cdrs=[call("a")], tenant="acme")
    assert rested == [1]


def test_a_fault_of_ours_loses_no_message(acme, monkeypatch):
    def fail(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(hand_over, "_from_list", fail)
    tasks.enqueue(cdrs=[call("a")], tenant="acme")

    kept = QuarantinedRecord.objects.get()
    assert kept.reason == "cdrhook failed to read the message: ZeroDivisionError"
    assert json.loads(bytes(kept.body))["cdrs"] == [call("a")]


def test_the_broker_keeps_a_message_until_it_has_been_taken():
    assert tasks.enqueue.acks_late
    assert tasks.enqueue.reject_on_worker_lost
