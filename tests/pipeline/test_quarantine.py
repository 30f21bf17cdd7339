"""What cannot be decoded is kept once, byte for byte, however often it comes."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dispatcher.adapters.base import Undecodable
from dispatcher.models import QuarantinedRecord
from dispatcher.pipeline.ingest import Origin, store

pytestmark = pytest.mark.db

ORIGIN = Origin("freeswitch", content_type="text/plain", sender="192.0.2.7")


def bad(body: bytes, reason: str = "is no JSON") -> Undecodable:
    return Undecodable(reason, body)


def test_a_record_is_kept_with_its_reason_and_how_it_came(acme, now):
    store(acme, [bad(b"\x00{\xff")], ORIGIN, now=now)

    kept = QuarantinedRecord.objects.get()
    assert (bytes(kept.body), kept.reason) == (b"\x00{\xff", "is no JSON")
    assert (kept.source, kept.content_type, kept.sender) == (
        *("freeswitch", "text/plain"),
        "192.0.2.7",
    )
    assert (kept.times_seen, kept.first_seen_at, kept.last_seen_at) == (1, now, now)


@pytest.mark.parametrize("half", ["\0", "\ud800"], ids=["NUL", "half a character"])
def test_a_reason_that_quotes_what_no_database_keeps_loses_no_bytes(acme, now, half):
    store(acme, [bad(b"{}", f"a{half}b: unknown field")], ORIGIN, now=now)

    kept = QuarantinedRecord.objects.get()
    assert bytes(kept.body) == b"{}"
    assert kept.reason.endswith("b: unknown field")


def test_what_is_repeated_is_counted_on_one_row(acme, now):
    later = now + dt.timedelta(minutes=1)
    store(acme, [bad(b"a"), bad(b"b"), bad(b"a")], ORIGIN, now=now)
    store(acme, [bad(b"a", "another reason"), bad(b"c")], ORIGIN, now=later)

    rows = QuarantinedRecord.objects.order_by("digest")
    kept = {bytes(row.body): row for row in rows}
    assert {body: row.times_seen for body, row in kept.items()} == {
        b"a": 3,
        b"b": 1,
        b"c": 1,
    }
    assert (kept[b"a"].first_seen_at, kept[b"a"].last_seen_at) == (now, later)
    assert (kept[b"a"].reason, kept[b"b"].last_seen_at) == ("is no JSON", now)


def test_the_same_bytes_of_two_tenants_or_pbxs_are_kept_apart(acme, globex, now):
    store(acme, [bad(b"a")], ORIGIN, now=now)
    store(acme, [bad(b"a")], Origin("generic"), now=now)
    store(globex, [bad(b"a")], ORIGIN, now=now)

    rows = QuarantinedRecord.objects.values_list("tenant", "source", "times_seen")
    assert set(rows) == {
        (acme.pk, "freeswitch", 1),
        (acme.pk, "generic", 1),
        (globex.pk, "freeswitch", 1),
    }


def test_many_take_few_statements(acme, now):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        store(acme, [bad(b"%d" % n) for n in range(600)], ORIGIN, now=now)

    assert QuarantinedRecord.objects.count() == 600
    assert len(asked) < 20
