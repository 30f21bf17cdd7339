"""What the rows of a UCM's CDR API become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.grandstream import Grandstream
from dispatcher.values import SourceRules

FOLDER = Path(__file__).parents[1] / "samples" / "grandstream"
LONDON = SourceRules(zone="Europe/London")


@pytest.fixture
def row() -> dict[str, Any]:
    document = json.loads((FOLDER / "documented_cdr_root.json").read_text())
    return dict(document["cdr_root"][0])


def legs(record: object) -> list[Any]:
    """The Cdrs, or the Undecodable."""
    items = Grandstream().decode(json.dumps(record).encode(), rules=LONDON)
    return [item.cdr if isinstance(item, Read) else item for item in items]


def one(record: object) -> Any:
    [leg] = legs(record)
    return leg


def test_times_of_the_hour_that_comes_twice_are_told_apart_by_the_others(row):
    cdr = one(row)

    assert cdr.started_at.isoformat() == "2026-10-25T01:59:50+00:00"
    assert cdr.ended_at.isoformat() == "2026-10-25T02:00:40+00:00"
    assert cdr.extra["grandstream"]["clock"] == "resolved"


@pytest.mark.parametrize("never", ["", "0000-00-00 00:00:00", None])
def test_a_time_of_zeros_is_none(row, never):
    cdr = one({**row, "answer": never, "disposition": "NO ANSWER"})

    assert (cdr.answered_at, cdr.disposition) == (None, "no_answer")


@pytest.mark.parametrize(
    ("word", "disposition"),
    [
        ("ANSWERED", "answered"),
        ("NO ANSWER", "no_answer"),
        ("BUSY", "busy"),
        ("FAILED", "failed"),
        ("CONGESTION", "failed"),
        ("NEW", None),
    ],
)
def test_asterisks_words_are_ours(row, word, disposition):
    assert one({**row, "disposition": word}).disposition == disposition


@pytest.mark.parametrize(
    ("userfield", "source", "destination", "direction"),
    [
        ("Inbound", "", "", "inbound"),
        ("Outbound", "", "", "outbound"),
        ("Internal", "", "", "internal"),
        ("External", "", "", "both"),
        ("EXT", "PSTN", "", "inbound"),
        ("", "", "PSTN", "outbound"),
        ("", "A", "B", "both"),
        ("EXT", "", "", None),
    ],
)
def test_the_userfield_tells_the_direction_else_the_trunks(
    row, userfield, source, destination, direction
):
    trunks = {"src_trunk_name": source, "dst_trunk_name": destination}

    cdr = one({**row, "userfield": userfield, **trunks})

    assert cdr.direction == direction
    assert cdr.trunk_to_trunk == (None if direction is None else direction == "both")


def test_the_callers_name_is_in_quotes_before_the_number(row):
    assert one(row).caller.name == 'Front "desk"'
    assert one({**row, "caller_name": "Desk"}).caller.name == "Desk"
    assert one({**row, "clid": "5300"}).caller.name is None


def test_recordings_are_named_with_an_at_sign_behind_each(row):
    cdr = one({**row, "recordfiles": "a.wav@b.wav@"})

    assert [recording.id for recording in cdr.recordings] == ["a.wav", "b.wav"]


def test_a_nested_call_is_its_legs_and_not_the_sum_of_them(row):
    first, second = {**row, "AcctId": "71"}, {**row, "AcctId": "72", "session": ""}

    found = legs([{"main_cdr": row, "sub_cdr_1": first, "sub_cdr_2": second}])

    assert [leg.uid for leg in found] == ["1793062790.4-71", "1793062790.4-72"]
    assert {leg.call_id for leg in found} == {"1793062790-6500"}


def test_legs_may_be_nested_in_the_sum_and_in_each_other(row):
    inner = {**row, "AcctId": "", "sub_cdr_2": {**row, "AcctId": ""}}

    found = legs([{"main_cdr": {**row, "sub_cdr_1": inner}}])

    assert [leg.uid for leg in found] == [
        "1793062790.4-sub_cdr_1",
        "1793062790.4-sub_cdr_1-sub_cdr_2",
    ]


def test_the_first_leg_keeps_the_bytes_of_the_whole_call(row):
    first, second = json.dumps({**row, "AcctId": "71"}), json.dumps(row)
    call = f'{{"main_cdr": {{}}, "sub_cdr_1": {first}, "sub_cdr_2" : {second}}}'

    items = Grandstream().decode(f"[{call}]".encode(), rules=LONDON)

    assert [item.raw for item in items if isinstance(item, Read)] == [
        call.encode(),
        second.encode(),
    ]


def test_the_sum_is_the_call_where_there_is_no_leg(row):
    assert one({"cdr_root": [{"main_cdr": row, "sub_cdr_1": {}}]}).uid.endswith("-62")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uniqueid": "", "AcctId": ""}, "uniqueid"),
        ({"start": ""}, "start"),
        ({"start": "noon"}, "start, answer, end"),
        ({"duration": "long"}, "duration"),
        ({"dst": "1" * 501}, "dst"),
        ({"recordfiles": "x" * 201}, "recordfiles"),
    ],
)
def test_a_value_that_cannot_be_is_named_as_the_ucm_names_it(row, change, field):
    item = one({**row, **change})

    assert isinstance(item, Undecodable)
    assert item.errors[0].field == field
