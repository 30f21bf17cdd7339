"""Several handfuls of a file are stored at a time, as if it were one after the other."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from dispatcher.adapters.base import PLAIN, Read
from dispatcher.adapters.formats import FORMATS
from dispatcher.models import StoredCdr
from dispatcher.pipeline import chunks, importing, ingest, side_by_side
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Reading
from dispatcher.pipeline.importing import Imported, import_stream
from dispatcher.pipeline.ingest import Ingested, Origin
from tests.pipeline.conftest import call
from tests.pipeline.file_formats import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.adapters.base import Undecodable
    from dispatcher.models import Tenant

KAMAILIO_HEAD = b"id,start_time,end_time,duration,caller_id,callee_id,call_id\n"
pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten records each, on both databases."""
    monkeypatch.setattr(chunks, "MOST_RECORDS_ELSEWHERE", 10)
    monkeypatch.setitem(chunks.MOST_RECORDS, "sqlite", 10)


class Durations(Lines):
    """A line is the uid of a call, and its duration."""

    def read(self, records: Sequence[bytes], **_: Any) -> list[Read | Undecodable]:
        """Of lines that are all well."""
        told = [record.decode().split() for record in records]
        return [Read(call(uid, duration=int(duration))) for uid, duration in told]


def reading(tenant: Tenant, form: Lines | None = None) -> Reading:
    return Reading(tenant, form or Lines(), PLAIN, Origin("test"))


def test_every_record_is_stored_and_counted(acme):
    lines = b"".join(b"%d\n" % (n % 150) for n in range(200)) + b"!\n"
    done = Imported()

    told = sum(
        1
        for _ in import_stream(
            io.BytesIO(lines), reading(acme), done, clock=timezone.now
        )
    )

    assert (done.accepted, done.duplicates, done.rejected) == (150, 50, 1)
    assert (StoredCdr.objects.count(), told) == (150, 21)


@pytest.mark.parametrize("head", [b"", KAMAILIO_HEAD])
def test_a_file_with_or_without_a_header_gives_each_call_once(acme, head):
    rows = b"".join(
        b"%d,2461367.50784144,2461367.50787616,2,a,b,c-%d\n" % (n, n)
        for n in range(1, 36)
    )
    of = reading(acme)._replace(file_format=FORMATS["kamailio"])
    done = Imported()
    for _ in import_stream(io.BytesIO(head + rows), of, done, clock=timezone.now):
        pass

    assert (done.accepted, done.duplicates, done.rejected) == (35, 0, 0)


def test_what_is_being_stored_when_it_is_closed_is_counted(acme):
    done = Imported()
    lines = b"".join(b"%d\n" % n for n in range(100))
    storing = import_stream(io.BytesIO(lines), reading(acme), done, clock=timezone.now)

    next(storing)
    storing.close()

    assert done.accepted == StoredCdr.objects.count() < 100


def test_records_of_one_uid_are_stored_in_the_order_of_the_file(acme, monkeypatch):
    lines = b"".join(b"%d\n" % (n % 10) for n in range(40))
    running = multiprocessing.get_context("fork").Lock()

    def alone(
        _: Tenant, items: Sequence[Read | Undecodable], *_more: object, **_named: object
    ) -> Ingested:
        assert running.acquire(block=False), "two of the same uids at a time"
        threading.Event().wait(0.01)
        running.release()
        return Ingested(len(items), 0, 0)

    for module in (importing, side_by_side):
        monkeypatch.setattr(module, "store", alone)
    done = Imported()
    for _ in import_stream(io.BytesIO(lines), reading(acme), done, clock=timezone.now):
        assert done.accepted % 10 == 0

    assert done.accepted == 40


def test_what_cannot_be_stored_ends_it_without_trying_for_ever(acme, monkeypatch):
    def unavailable(*_: object, **_named: object) -> Ingested:
        raise StorageUnavailable("gone")

    for module in (importing, side_by_side):
        monkeypatch.setattr(module, "store", unavailable)
    done = Imported()
    lines = b"".join(b"%d\n" % n for n in range(100))
    storing = import_stream(
        io.BytesIO(lines),
        reading(acme),
        done,
        clock=timezone.now,
        pause=lambda _seconds: None,
    )

    with pytest.raises(StorageUnavailable):
        next(storing)
    assert done == Imported()


@pytest.fixture
def by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has other processes store all of it, but on SQLite."""
    monkeypatch.setattr(importing, "FEW", 0)
    monkeypatch.setattr(importing, "processors", lambda: 3)


@pytest.mark.usefixtures("by_others")
def test_what_cannot_be_stored_for_a_while_is_stored_later(acme, monkeypatch, tmp_path):
    kept_store = ingest.store

    def unsteady(*arguments: Any, **named: Any) -> Ingested:
        with (tmp_path / "tries").open("a") as tries:
            tries.write("x")
            if tries.tell() <= 4:
                raise StorageUnavailable("gone")
        return kept_store(*arguments, **named)

    for module in (importing, side_by_side):
        monkeypatch.setattr(module, "store", unsteady)
    waits: list[float] = []
    done = Imported()
    lines = b"".join(b"%d\n" % n for n in range(100))

    for _ in import_stream(
        io.BytesIO(lines),
        reading(acme),
        done,
        clock=timezone.now,
        pause=waits.append,
    ):
        pass

    assert (done.accepted, len(waits)) == (100, 4)
    assert StoredCdr.objects.count() == 100


@pytest.mark.usefixtures("by_others")
def test_the_first_record_of_a_uid_is_the_call_and_the_next_a_revision(acme):
    # Far enough apart for different processes to have them.
    lines = b"".join(b"%d %d\n" % (n % 25, n) for n in range(200))
    of = reading(acme, Durations())
    for _ in import_stream(io.BytesIO(lines), of, Imported(), clock=timezone.now):
        pass

    told = {
        row.uid: [row.record, *row.revisions.values_list("record", flat=True)]
        for row in StoredCdr.objects.all()
    }
    durations = {
        uid: [json.loads(record)["duration"] for record in records]
        for uid, records in told.items()
    }
    assert durations == {f"{n}": list(range(n, 200, 25)) for n in range(25)}


@pytest.mark.usefixtures("by_others")
def test_what_goes_wrong_in_another_process_is_raised_here(acme, monkeypatch):
    def broken(*_: object, **_named: object) -> Ingested:
        raise ZeroDivisionError("a bug")

    for module in (importing, side_by_side):
        monkeypatch.setattr(module, "store", broken)

    with pytest.raises(ZeroDivisionError, match="a bug"):
        next(
            import_stream(
                io.BytesIO(b"1\n"), reading(acme), Imported(), clock=timezone.now
            )
        )


@pytest.mark.usefixtures("by_others")
def test_a_process_that_is_killed_is_told_and_nothing_of_it_is_half_stored(
    acme, monkeypatch
):
    if connection.vendor == "sqlite":
        pytest.skip("on SQLite no other process stores")

    def killed(*_: object, **_named: object) -> Ingested:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    monkeypatch.setattr(side_by_side, "store", killed)
    with pytest.raises(StorageUnavailable, match="has ended"):
        next(
            import_stream(
                io.BytesIO(b"1\n"), reading(acme), Imported(), clock=timezone.now
            )
        )
    assert not StoredCdr.objects.exists()
