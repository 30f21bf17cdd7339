"""What FreeSWITCH could not post while we were away, in its err-log-dir."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest

from dispatcher.models import CdrRevision, QuarantinedRecord, Source, StoredCdr
from dispatcher.pipeline import spool
from dispatcher.pipeline.ingest import Origin, ingest

pytestmark = [pytest.mark.db, pytest.mark.django_db]

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
JSON = (FOLDER / "real_mod_format_cdr_appljson_answered_aleg.body").read_bytes()
BUSY = (FOLDER / "real_mod_format_cdr_appljson_busy.body").read_bytes()
XML = unquote_to_bytes(
    (FOLDER / "real_mod_xml_cdr_form_urlencoded.body").read_bytes()
).removeprefix(b"cdr=")
BROKEN = (
    FOLDER / "real_mod_json_cdr_form_DEFAULT_encode_values_true_BROKEN.body"
).read_bytes()
# Long after what the tests write.
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


@pytest.fixture
def source(acme, tmp_path):
    return Source.objects.create(
        tenant=acme,
        name="pbx1",
        pbx="freeswitch",
        region="GB",
        folder=str(tmp_path),
        file_format="freeswitch-xml",
    )


def look(source: Source) -> spool.Looked:
    return spool.look(Source.objects.get(pk=source.pk), now=LATER)


def test_what_had_been_posted_all_the_same_is_no_new_call(source, now, tmp_path):
    ingest(source.tenant, JSON, Origin("freeswitch", source), now=now)
    # As mod_xml_cdr leaves it where encode is on: no line end, no cdr=.
    (tmp_path / "a_104ac211.cdr.xml").write_text(quote(XML))
    (tmp_path / "4807a794.cdr.json").write_bytes(BUSY + b"\n")

    look(source)
    look(source)

    assert StoredCdr.objects.count() == 2
    assert not CdrRevision.objects.exists()


def test_what_cannot_be_read_is_in_quarantine_with_what_to_set(source, tmp_path):
    (tmp_path / "a.cdr.json").write_bytes(BROKEN.removeprefix(b"cdr=") + b"\n")

    look(source)

    kept = QuarantinedRecord.objects.get(from_source=source)
    assert "encode-values=false" in kept.reason
