"""What a PBX hands over is made sense of before it is stored; our own form is not."""

from __future__ import annotations

import json

import pytest

from dispatcher.adapters.base import Read
from dispatcher.models import Source, StoredCdr
from dispatcher.pipeline.ingest import Origin, store
from dispatcher.values import Caller, Line
from tests.pipeline.conftest import call

pytestmark = pytest.mark.db

TOLD = call(
    "a",
    caller=Caller(number="101"),
    dialed=Line(number="020 3170 3746"),
    direction=None,
)


@pytest.fixture
def source(acme):
    """A PBX in Great Britain."""
    return Source.objects.create(tenant=acme, name="pbx", pbx="freeswitch", region="GB")


def stored():
    """The record of the one call there is."""
    return json.loads(StoredCdr.objects.get().record)


def test_what_a_source_hands_over_is_stored_as_it_is_understood(acme, source, now):
    store(acme, [Read(TOLD, b"raw")], Origin("freeswitch", source), now=now)

    row = StoredCdr.objects.get()
    assert (row.dialed_number, row.direction) == ("+442031703746", "outbound")
    assert stored()["extra"]["as_sent"] == {
        "dialed.number": "020 3170 3746",
        "direction": None,
    }
    assert row.raw.body == b"raw"


def test_a_rule_that_is_stored_tells_the_direction_and_a_broken_one_nothing(
    acme, source, now
):
    rule = {"field": "cliNum", "op": "eq", "value": "101", "direction": "both"}
    source.directions = [{"field": "cliNum"}, rule]

    store(acme, [Read(TOLD)], Origin("freeswitch", source), now=now)

    assert StoredCdr.objects.get().direction == "both"


def test_the_same_again_is_a_duplicate(acme, source, now):
    origin = Origin("freeswitch", source)
    store(acme, [Read(TOLD)], origin, now=now)

    again = store(acme, [Read(TOLD)], origin, now=now)

    assert (again.accepted, again.duplicates) == (0, 1)


def test_what_comes_in_our_own_form_is_stored_as_it_is(acme, source, take):
    take(acme, TOLD)

    assert stored()["dialed"] == {"number": "020 3170 3746"}
    assert "extra" not in stored()
