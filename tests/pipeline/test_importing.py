"""Several handfuls of a file are stored at a time, as if it were one after the other."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from dispatcher.adapters.base import PLAIN
from dispatcher.models import StoredCdr
from dispatcher.pipeline import chunks, importing
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Reading
from dispatcher.pipeline.importing import Imported, import_stream
from dispatcher.pipeline.ingest import Ingested, Origin
from tests.pipeline.file_formats import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.adapters.base import Read, Undecodable
    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten records each, on both databases."""
    monkeypatch.setattr(chunks, "MOST_RECORDS_ELSEWHERE", 10)
    monkeypatch.setitem(chunks.MOST_RECORDS, "sqlite", 10)


def reading(tenant: Tenant) -> Reading:
    return Reading(tenant, Lines(), PLAIN, Origin("test"))


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


def test_what_is_being_stored_when_it_is_closed_is_counted(acme):
    done = Imported()
    lines = b"".join(b"%d\n" % n for n in range(100))
    storing = import_stream(io.BytesIO(lines), reading(acme), done, clock=timezone.now)

    next(storing)
    storing.close()

    assert done.accepted == StoredCdr.objects.count() < 100


def test_records_of_one_uid_are_stored_in_the_order_of_the_file(acme, monkeypatch):
    lines = b"".join(b"%d\n" % (n % 10) for n in range(40))
    running = threading.Semaphore(1)

    def alone(
        _: Tenant, items: Sequence[Read | Undecodable], *_more: object, **_named: object
    ) -> Ingested:
        assert running.acquire(blocking=False), "two of the same uids at a time"
        threading.Event().wait(0.01)
        running.release()
        return Ingested(len(items), 0, 0)

    monkeypatch.setattr(importing, "store", alone)
    done = Imported()
    for _ in import_stream(io.BytesIO(lines), reading(acme), done, clock=timezone.now):
        assert done.accepted % 10 == 0

    assert done.accepted == 40


def test_what_cannot_be_stored_ends_it_without_trying_for_ever(acme, monkeypatch):
    def unavailable(*_: object, **_named: object) -> Ingested:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(importing, "store", unavailable)
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
