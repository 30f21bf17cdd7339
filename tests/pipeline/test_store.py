"""Storing what was read of a source, together with how far it was read."""

from __future__ import annotations

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.models import QuarantinedRecord, Source, StoredCdr
from dispatcher.pipeline.ingest import Ingested, Origin, store
from tests.pipeline.conftest import call

pytestmark = pytest.mark.db

ITEMS: list[Read | Undecodable] = [
    Read(call("a"), b"raw"),
    Undecodable("not readable", b"?"),
]


class LeftBehind(Exception):  # noqa: N818  what a reader that lost its place raises
    """Somebody else has gone on."""


def test_how_far_a_source_was_read_is_committed_with_what_was_read(acme, now):
    source = Source.objects.create(tenant=acme, name="pbx", pbx="freeswitch")

    def note(stored: Ingested) -> None:
        cursor = {"id": 2, "accepted": stored.accepted, "bad": stored.quarantined}
        Source.objects.filter(pk=source.pk).update(cursor=cursor)

    store(acme, ITEMS, Origin("freeswitch", source), now=now, beside=note)

    source.refresh_from_db()
    assert source.cursor == {"id": 2, "accepted": 1, "bad": 1}
    assert StoredCdr.objects.get().raw.source_id == source.pk


def test_what_was_read_is_not_stored_where_somebody_else_has_gone_on(acme, now):
    def note(_: Ingested) -> None:
        raise LeftBehind

    with pytest.raises(LeftBehind):
        store(acme, ITEMS, Origin("freeswitch"), now=now, beside=note)

    assert not StoredCdr.objects.exists()
    assert not QuarantinedRecord.objects.exists()
