"""The page on which a source's mapping is edited and tried."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse

from dispatcher.adapters.mapping import judge
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.admin import mapping_form as forms
from dispatcher.models import AuditEntry, QuarantinedRecord, Source, StoredCdr, Tenant
from tests.admin.roles import World, client_in, make_world

pytestmark = pytest.mark.django_db

ROWS = [
    ("uid", "node | id", "-", "", ""),
    ("started_at", "begin", "", "strftime", "%d.%m.%Y %H:%M:%S\nzone = Europe/London"),
    ("disposition", "result", "", "words", "OK = answered\n0 =\n* = failed"),
    ("caller.number", "src", "", "number", ""),
    ("direction", "", "", "constant", "inbound"),
    ("", "", "", "", ""),
]
SAVED = {
    "fields": {
        "uid": {"from": ["node", "id"], "join": "-"},
        "started_at": {
            "from": "begin",
            "as": "strftime",
            "format": "%d.%m.%Y %H:%M:%S",
            "zone": "Europe/London",
        },
        "disposition": {
            "from": "result",
            "as": "words",
            "words": {"OK": "answered"},
            "unknown": ["0"],
            "default": "failed",
        },
        "caller.number": {"from": "src", "as": "number"},
        "direction": {"value": "inbound"},
    }
}
SAMPLE = {
    "node": "a",
    "id": 7,
    "begin": "23.07.2026 14:05:09",
    "result": "OK",
    "src": "sip:100@pbx",
    "queue": "sales",
}


def posted(step: str, rows: Any = ROWS, **more: Any) -> dict[str, Any]:
    names = ("ours", "theirs", "join", "how", "details")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return {"step": step, "body": "auto", **columns, **more}


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def source(world: World) -> Source:
    acme = world.of(Tenant, "acme")
    return Source.objects.create(tenant=acme, name="hall", pbx="generic")


def address(source: Source) -> str:
    return reverse("admin:dispatcher_source_mapping", args=[source.pk])


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_a_mapping_is_saved_shown_again_and_noted(world, source):
    client = client_in("tenant administrator", world)

    client.post(address(source), posted("save"))

    source.refresh_from_db()
    assert source.mapping == SAVED
    page = text_of(client.get(address(source)))
    assert 'value="node | id"' in page
    entry = AuditEntry.objects.get(object_id=str(source.pk), action="changed")
    assert [*entry.changes] == ["mapping"]


def test_what_is_wrong_is_told_beside_its_row_and_nothing_is_saved(world, source):
    client = client_in("tenant administrator", world)
    rows = [*ROWS, ("caller.nam", "x", "", "", ""), ("ended_at", "t", "", "flag", "")]

    page = text_of(client.post(address(source), posted("save", rows)))

    source.refresh_from_db()
    assert source.mapping == {}
    assert "is no field of a call" in page
    assert "as: must be one of 'iso'" in page
    assert 'value="caller.nam"' in page


def test_a_preview_says_field_by_field_what_would_be_made(world, source):
    client = client_in("tenant administrator", world)

    page = text_of(
        client.post(address(source), posted("preview", sample=json.dumps(SAMPLE)))
    )

    assert "a-7" in page
    assert "2026-07-23T13:05:09Z" in page
    assert "sip:100@pbx" in page
    assert "extra.generic.queue" in page


def test_a_preview_says_why_a_record_would_be_quarantined(world, source):
    client = client_in("tenant administrator", world)
    sample = json.dumps([{**SAMPLE, "begin": "noon"}, SAMPLE])

    page = text_of(client.post(address(source), posted("preview", sample=sample)))

    assert "must be a time written as %d.%m.%Y %H:%M:%S (started_at)" in page
    assert "2 records" in page


@pytest.mark.parametrize(
    "sample", ["", "{", "\0", "x" * 200_000, "a;b\r\nc", '["\\ud800"]']
)
def test_whatever_is_pasted_a_preview_answers(world, source, sample):
    client = client_in("tenant administrator", world)

    response = client.post(address(source), posted("preview", sample=sample))

    assert response.status_code == 200
    assert "quarantine" in text_of(response) or "Paste at most" in text_of(response)


def test_a_preview_stores_nothing(world, source):
    client = client_in("tenant administrator", world)
    before = [StoredCdr.objects.count(), QuarantinedRecord.objects.count()]

    client.post(address(source), posted("preview", sample=json.dumps([SAMPLE, 5])))

    source.refresh_from_db()
    assert source.mapping == {}
    assert [StoredCdr.objects.count(), QuarantinedRecord.objects.count()] == before


def test_a_preset_fills_the_table_and_saves_nothing(world, source):
    client = client_in("tenant administrator", world)

    page = text_of(client.post(address(source), {"step": "start", "preset": "cucm"}))

    source.refresh_from_db()
    assert source.mapping == {}
    assert "globalCallID_callId" in page


def test_a_source_of_a_preset_shows_it(world, source):
    Source.objects.filter(pk=source.pk).update(pbx="3cx")
    client = client_in("tenant viewer", world)

    assert "time-answered" in text_of(client.get(address(source)))


def test_a_viewer_sees_it_and_changes_nothing(world, source):
    client = client_in("tenant viewer", world)

    page = text_of(client.get(address(source)))
    refused = client.post(address(source), posted("save"))

    source.refresh_from_db()
    assert "Save the mapping" not in page
    assert (refused.status_code, source.mapping) == (403, {})


def test_another_tenants_is_as_one_that_there_is_not(world, source):
    outsider = world.of(Tenant, "outsider")
    Source.objects.filter(pk=source.pk).update(tenant=outsider)
    client = client_in("tenant administrator", world)

    response = client.post(address(source), posted("save"))

    source.refresh_from_db()
    assert response["Location"] == reverse("admin:dispatcher_source_changelist")
    assert source.mapping == {}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_goes_through_the_form_unharmed(name):
    whole = PRESETS[name].mapping
    rows, settings = forms.rows_of(whole), forms.settings_of(whole)
    data = QueryDict(mutable=True)
    for row in rows:
        for part in ("ours", "theirs", "join", "how", "details"):
            data.appendlist(part, getattr(row, part))
    for key, value in settings.items():
        if value is not False:
            data[key] = str(value)

    mapping = forms.mapping_of(data, forms.form_rows(data))

    assert judge(mapping) == []
    assert mapping["fields"] == json.loads(json.dumps(whole["fields"]))
    assert mapping.get("only") == whole.get("only")
    for key, value in whole.get("csv", {}).items():
        assert mapping["csv"][key] == value
