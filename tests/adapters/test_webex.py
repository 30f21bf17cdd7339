"""What a Detailed Call History record becomes, and what a feed makes of it again."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.webex import Webex
from dispatcher.payloads import webex_record
from dispatcher.values import CarriedCdr

FOLDER = Path(__file__).parents[1] / "samples" / "webex"


@pytest.fixture
def record() -> dict[str, Any]:
    document = json.loads((FOLDER / "documented_items.json").read_text())
    return dict(document["items"][0])


def decode(record: object) -> Any:
    """The one record: a Cdr, or an Undecodable."""
    [item] = Webex().decode(json.dumps(record).encode())
    return item.cdr if isinstance(item, Read) else item


def test_names_count_in_any_case(record):
    shouted = decode({name.upper(): value for name, value in record.items()})

    plain = decode(record)

    assert shouted.uid == plain.uid == record["Report ID"]
    assert shouted.legs == plain.legs
    assert shouted.started_at == plain.started_at


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:38:11.700Z",
        "2026-11-20 09:38:11.700",
        "2026-11-20T10:38:11.7+01:00",
        "2026-11-20t09:38:11.700z",
    ],
)
def test_times_are_utc_in_each_of_their_forms(record, text):
    cdr = decode({**record, "Release time": text})

    assert cdr.ended_at == dt.datetime(2026, 11, 20, 9, 38, 11, 700_000, tzinfo=dt.UTC)


@pytest.mark.parametrize("blank", ["", "NA", " ", None], ids=repr)
def test_a_blank_is_unknown(record, blank):
    cdr = decode({**record, "Answer time": blank, "Duration": blank, "User": blank})

    assert (cdr.answered_at, cdr.duration) == (None, None)
    assert cdr.legs.answered.user.name is None


@pytest.mark.parametrize("seconds", [23, "23", 23.0], ids=repr)
def test_numbers_may_be_texts(record, seconds):
    assert decode({**record, "Ring duration": seconds}).ring_duration == 23


@pytest.mark.parametrize(
    ("answered", "outcome", "reason", "disposition"),
    [
        ("true", "Success", "Normal", "answered"),
        (True, "Success", "Normal", "answered"),
        ("false", "Success", "UserBusy", "busy"),
        ("false", "Success", "NoAnswer", "no_answer"),
        ("false", "Success", "Normal", "no_answer"),
        ("false", "Refusal", "SIP487", "cancelled"),
        ("false", "Refusal", "CallRejected", "failed"),
        ("false", "Failure", "", "failed"),
        ("false", "", "", None),
        ("", "Success", "Normal", None),
        ("", "", "UserBusy", "busy"),
    ],
)
def test_its_words_tell_how_a_leg_ended(record, answered, outcome, reason, disposition):
    told = {
        "Answered": answered,
        "Call outcome": outcome,
        "Call outcome reason": reason,
    }

    cdr = decode({**record, **told, "Answer indicator": ""})

    assert cdr.disposition == disposition


def test_an_answer_after_a_redirection_is_one(record):
    told = {"Answered": "", "Answer indicator": "Yes-PostRedirection"}

    assert decode({**record, **told}).disposition == "answered"


@pytest.mark.parametrize(
    ("way", "kind", "direction", "call_type"),
    [
        ("ORIGINATING", "SIP_NATIONAL", "outbound", "external"),
        ("TERMINATING", "SIP_INBOUND", "inbound", "external"),
        ("TERMINATING", "SIP_ENTERPRISE", "internal", "internal"),
        ("ORIGINATING", "SIP_MEETING", "outbound", None),
        ("", "UNKNOWN", None, None),
    ],
)
def test_its_words_tell_the_direction(record, way, kind, direction, call_type):
    cdr = decode({**record, "Direction": way, "Call type": kind})

    assert (cdr.direction, cdr.call_type) == (direction, call_type)


def test_talk_time_that_contradicts_the_duration_is_unknown(record):
    assert decode(record).talk_duration == 32
    assert decode({**record, "Duration": 5}).talk_duration is None


def test_each_record_of_a_list_keeps_its_own_bytes(record):
    first, second = (json.dumps({**record, "Report ID": uid}) for uid in "ab")

    items = Webex().decode(f'{{"items": [{first} ,{second}], "x": 1}}'.encode())

    assert [item.raw for item in items if isinstance(item, Read)] == [
        first.encode(),
        second.encode(),
    ]


def test_a_feed_shows_the_record_as_it_came(record):
    carried = CarriedCdr(id=UUID(int=1), cdr=decode(record), tenant_external_id="acme")

    shown = webex_record.item(carried)

    own = {**record, "Org UUID": "acme"}
    own["Call transfer Time"] = own.pop("Call transfer time")
    own["PSTN Vendor Name"] = own.pop("PSTN vendor name")
    assert own.items() <= shown.items()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"Report ID": ""}, "Report ID"),
        ({"Start time": "NA"}, "Start time"),
        ({"Start time": "yesterday"}, "Start time"),
        ({"Start time": "2026-02-30T00:00:00Z"}, "Start time"),
        ({"Release time": 5}, "Release time"),
        ({"Duration": "5 s"}, "Duration"),
        ({"Called number": "1" * 501}, "Called number"),
    ],
)
def test_a_value_that_cannot_be_is_named_as_webex_names_it(record, change, field):
    item = decode({**record, **change})

    assert isinstance(item, Undecodable)
    assert item.errors[0].field == field
