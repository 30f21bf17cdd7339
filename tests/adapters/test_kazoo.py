"""What the fields of Kazoo's webhooks and of Crossbar's CDRs become."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.kazoo import Kazoo

FOLDER = Path(__file__).parents[1] / "samples" / "kazoo"


@pytest.fixture
def hook() -> dict[str, Any]:
    record = (FOLDER / "documented_channel_destroy_pretty.json").read_text()
    return dict(json.loads(record))


def decode(record: object) -> Any:
    """The one record: a Cdr, or an Undecodable."""
    [item] = Kazoo().decode(json.dumps(record).encode())
    return item.cdr if isinstance(item, Read) else item


@pytest.mark.parametrize(
    "timestamp", [62167219290, "62167219290", 62167219290.0], ids=repr
)
def test_gregorian_seconds_are_the_end_however_they_are_written(hook, timestamp):
    cdr = decode({**hook, "timestamp": timestamp})

    assert cdr.ended_at == dt.datetime(1970, 1, 1, 0, 1, 30, tzinfo=dt.UTC)
    assert cdr.started_at == cdr.ended_at - dt.timedelta(seconds=47)


def test_the_creation_of_the_channel_is_the_start_where_it_is_told(hook):
    cdr = decode({**hook, "channel_created_time": 1795392927751299})

    assert cdr.started_at.isoformat() == "2026-11-23T00:15:27.751299+00:00"


@pytest.mark.parametrize(
    ("cause", "code", "billed", "disposition", "abandoned"),
    [
        ("NORMAL_CLEARING", "sip:200", 42, "answered", False),
        ("NORMAL_CLEARING", "sip:200", 0, "answered", False),
        ("NORMAL_CLEARING", None, 0, "no_answer", None),
        ("USER_BUSY", "sip:486", 0, "busy", False),
        ("NO_ANSWER", "sip:480", 0, "no_answer", False),
        ("ORIGINATOR_CANCEL", "sip:487", 0, "cancelled", True),
        ("LOSE_RACE", "", 0, "cancelled", False),
        ("UNALLOCATED_NUMBER", "sip:404", 0, "failed", False),
        (None, None, 0, None, None),
    ],
)
def test_seconds_and_cause_tell_how_a_leg_ended(
    hook, cause, code, billed, disposition, abandoned
):
    told = {"hangup_cause": cause, "hangup_code": code, "billing_seconds": billed}

    cdr = decode({**hook, **told})

    assert (cdr.disposition, cdr.abandoned) == (disposition, abandoned)
    assert (cdr.answered_at is not None) == (disposition == "answered")


@pytest.mark.parametrize(
    "event", ["channel_create", "channel_answer", "channel_bridge", "object", "all", 7]
)
def test_other_events_are_kept_out_and_say_what_to_subscribe_to(hook, event):
    item = decode({**hook, "hook_event": event})

    assert isinstance(item, Undecodable)
    assert "let the webhook subscribe to channel_destroy only" in item.reason
    assert item.errors[0].field == "hook_event"


def test_both_legs_of_a_bridge_have_one_call_id_without_an_interaction(hook):
    ids = {"call_id": hook["other_leg_call_id"], "other_leg_call_id": hook["call_id"]}

    assert decode(hook).call_id == decode({**hook, **ids}).call_id


def test_an_interaction_groups_legs(hook):
    assert decode({**hook, "interaction_id": "i-1"}).call_id == "i-1"


def test_a_leg_without_another_is_a_call_of_its_own(hook):
    assert decode({**hook, "other_leg_call_id": None}).call_id == hook["call_id"]


@pytest.mark.parametrize(
    ("direction", "to", "asked", "number"),
    [
        ("inbound", "+442079460199@a", "+442079460198@a", "+442079460199"),
        ("inbound", "nouser@norealm", "+442079460198@a", "+442079460198"),
        ("inbound", "", "", "102"),
        ("outbound", "user_x7@a", "user_x7@a", "102"),
    ],
)
def test_the_dialled_number_is_where_the_leg_went_first(
    hook, direction, to, asked, number
):
    cdr = decode({**hook, "call_direction": direction, "to": to, "request": asked})

    assert cdr.dialed.number == number


def test_an_id_with_foreign_characters_is_made_safe(hook):
    assert decode({**hook, "call_id": "a leg"}).uid.startswith("a_leg-")


def test_custom_data_and_unknown_fields_are_kept(hook):
    cdr = decode({**hook, "shop": {"till": 3}})

    assert cdr.extra["kazoo"]["shop"] == {"till": 3}
    assert cdr.extra["kazoo"]["hangup_code"] == "sip:200"


def test_a_crossbar_answer_with_one_cdr_is_read(hook):
    assert decode({"data": hook, "status": "success"}).uid == hook["call_id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"call_id": None}, "call_id"),
        ({"call_id": ["x"]}, "call_id"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"timestamp": 1795392927}, "timestamp"),
        ({"timestamp": 9 * 10**15}, "timestamp"),
        ({"channel_created_time": 9 * 10**17}, "channel_created_time"),
        ({"duration_seconds": None}, "duration_seconds"),
        ({"duration_seconds": 10**15}, "duration_seconds"),
        ({"call_direction": "sideways"}, "call_direction"),
        ({"caller_id_name": "x" * 501}, "caller_id_name"),
        ({"caller_id_name": "a\0b"}, "caller_id_name"),
    ],
)
def test_a_value_that_cannot_be_is_named_as_kazoo_names_it(hook, change, field):
    item = decode({**hook, **change})

    assert isinstance(item, Undecodable)
    assert item.errors[0].field == field


def test_its_hooks_are_answered_200_and_others_202():
    assert Kazoo().success_status({"x-hook-id": "a.b"}) == 200
    assert Kazoo().success_status({}) == 202
