from __future__ import annotations

import json

import pytest

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_json import TooMany, parse_many
from dispatcher.values import Cdr

TYPICAL = {
    "call_id": "7d1f5f0e",
    "started_at": "2026-11-23T00:15:23.711265+00:00",
    "answered_at": "2026-11-23T00:15:25Z",
    "ended_at": "2026-11-23T00:15:29Z",
    "time_zone": "Europe/London",
    "duration": 5,
    "ring_duration": 2,
    "talk_duration": 3,
    "direction": "inbound",
    "call_type": "external",
    "disposition": "answered",
    "hangup_cause": "NORMAL_CLEARING",
    "hangup_cause_code": 16,
    "caller": {"number": "+442031703746", "name": "Alice"},
    "dialed": {"number": "+442039702436"},
    "pbx": {"id": "p1", "name": "PBX"},
    "legs": {"answered": {"user": {"number": "1001", "name": "Bob"}}},
    "recordings": [{"id": "r1"}],
    "rating": {"cost": "0.0350", "band": "UK"},
    "tags": {"Support": "yes"},
}


def body_of(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_single_record_comes_back_as_a_list_of_one(record):
    [cdr] = parse_many(body_of(record), limit=1000)

    assert isinstance(cdr, Cdr)
    assert cdr.uid == "call-1"


def test_good_records_are_taken_when_others_are_bad(record):
    cdrs = [record, {"uid": "no start"}, 5, {**record, "uid": "call-2"}]

    first, second, third, fourth = parse_many(body_of({"cdrs": cdrs}), limit=1000)

    assert isinstance(first, Cdr)
    assert isinstance(second, BadCdr)
    assert [error.field for error in second.errors] == ["uid", "started_at"]
    assert isinstance(third, BadCdr)
    assert isinstance(fourth, Cdr)
    assert fourth.uid == "call-2"


def test_one_record_more_than_the_limit_is_too_many(record):
    with pytest.raises(TooMany, match="not hold more than 2 records"):
        parse_many(body_of({"cdrs": [record] * 3}), limit=2)


def test_as_many_as_the_limit_are_taken(record):
    assert len(parse_many(body_of({"cdrs": [record] * 2}), limit=2)) == 2


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"cdrs": []}, "cdrs"),
        ({"cdrs": {}}, "cdrs"),
        ({"cdrs": None}, "cdrs"),
        ({"cdrs": [{}], "mode": "x"}, "mode"),
        ([], "body"),
        ("cdrs", "body"),
        (None, "body"),
    ],
)
def test_a_body_of_another_shape_is_refused_as_a_whole(document, field):
    with pytest.raises(BadCdr) as caught:
        parse_many(body_of(document), limit=1000)

    assert [error.field for error in caught.value.errors] == [field]
