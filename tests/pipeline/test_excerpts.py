"""A record made from an excerpt (a row of Master.csv) of a call that may be known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dispatcher.adapters.formats import FORMATS
from dispatcher.models import CdrRevision, OwedCdr, StoredCdr
from dispatcher.pipeline.ingest import Origin, ingest, store

if TYPE_CHECKING:
    from dispatcher.adapters.base import Read, Undecodable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
BUSY = (FOLDER / "real_mod_format_cdr_appljson_busy.body").read_bytes()
ORIGIN = Origin("freeswitch")


def rows() -> list[Read | Undecodable]:
    csv = FORMATS["freeswitch-csv"]
    master = (FOLDER / "real_mod_cdr_csv_Master.csv").read_bytes()
    return csv.read(csv.cut(master, is_end=True)[0])


def test_a_row_of_a_leg_that_was_posted_is_a_duplicate_and_sent_to_nobody(
    acme, webhook_of, now
):
    webhook_of(acme, on_update=True)
    ingest(acme, BUSY, ORIGIN, now=now)

    taken = store(acme, rows(), ORIGIN, now=now)

    assert (taken.accepted, taken.duplicates) == (7, 1)
    assert not CdrRevision.objects.exists()
    assert OwedCdr.objects.count() == 8


def test_a_file_that_is_read_again_gives_no_new_call(acme, webhook_of, now):
    webhook_of(acme, on_update=True)
    store(acme, rows(), ORIGIN, now=now)

    again = store(acme, rows(), ORIGIN, now=now)

    assert (again.accepted, again.duplicates, again.wake) == (0, 8, {})


def test_a_leg_that_is_posted_after_its_row_is_a_revision_that_tells_more(
    acme, webhook_of, now
):
    webhook_of(acme)
    store(acme, rows(), ORIGIN, now=now)

    taken = ingest(acme, BUSY, ORIGIN, now=now)

    assert (taken.accepted, taken.duplicates, taken.wake) == (1, 0, {})
    assert CdrRevision.objects.get().number == 1
    assert StoredCdr.objects.count() == 8


def test_a_backlog_of_what_was_posted_already_gives_no_new_call(acme, webhook_of, now):
    webhook_of(acme, on_update=True)
    ingest(acme, BUSY, ORIGIN, now=now)

    taken = store(
        acme, FORMATS["freeswitch-json"].read([BUSY + b"\n"]), ORIGIN, now=now
    )

    assert (taken.accepted, taken.duplicates) == (0, 1)
    assert OwedCdr.objects.count() == 1
