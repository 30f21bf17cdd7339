"""What the values of a FreeSWITCH document become, by the recorded bodies."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Caller, Cdr, FieldError, Line, Named, Recording

PLAIN = "mod_json_cdr_plain_application_json.body"
BUSY = "mod_format_cdr_appljson_busy.body"


@pytest.fixture
def document(sample):
    return json.loads(sample(PLAIN))


@pytest.fixture
def unanswered(sample):
    return json.loads(sample(BUSY))


def decode(document: dict[str, Any]) -> Any:
    return one(json.dumps(document).encode())


def one(body: bytes) -> Any:
    """The one record of a body: a Cdr, or an Undecodable."""
    [item] = FreeSwitch().decode(body)
    return item.cdr if isinstance(item, Read) else item


def changed(document: dict[str, Any], **variables: object) -> Any:
    """Decode with these variables set; None takes one away."""
    document["variables"].update(variables)
    kept = {k: v for k, v in document["variables"].items() if v is not None}
    return decode({**document, "variables": kept})


def utc(day: int, hour: int, minute: int, second: int, micros: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, second, micros, tzinfo=dt.UTC)


def test_an_answered_leg_keeps_every_value_that_freeswitch_told(sample):
    cdr = one(sample(PLAIN))

    assert isinstance(cdr, Cdr)
    assert cdr == Cdr(
        uid="becc5246-56d8-4393-b2fa-24702043a451",
        call_id="becc5246-56d8-4393-b2fa-24702043a451",
        pbx=Named(id="504bb235-2b5f-464a-b5b6-25d293525c7f", name="fs-sample-1"),
        started_at=utc(23, 0, 15, 35, 151234),
        answered_at=utc(23, 0, 15, 35, 151234),
        ended_at=utc(23, 0, 15, 37, 771263),
        duration=2,
        ring_duration=0,
        talk_duration=2,
        hold_duration=0,
        billed_duration=2,
        direction="inbound",
        disposition="answered",
        hangup_cause="NORMAL_CLEARING",
        hangup_cause_code=16,
        abandoned=False,
        caller=Caller(number="+442031703746", name='Alice "A" Ünal & Co'),
        dialed=Line(number="442039702436"),
        dialer=cdr.dialer,
        extra=cdr.extra,
    )
    assert cdr.dialer.leg_type == 1
    assert cdr.extra is not None
    assert cdr.extra["freeswitch"]["accountcode"] == "acme"
    assert cdr.extra["freeswitch"]["context"] == "default"


def test_a_busy_leg_was_never_answered(sample):
    cdr = one(sample(BUSY))

    assert isinstance(cdr, Cdr)
    assert cdr.uid == "4807a794-2f71-44b1-9b3d-fe0b2f07a3f7"
    assert cdr.started_at == utc(23, 0, 15, 27, 751299)
    assert cdr.answered_at is None
    assert cdr.ended_at == utc(23, 0, 15, 28, 351300)
    assert (cdr.duration, cdr.talk_duration, cdr.ring_duration) == (1, 0, 0)
    assert (cdr.disposition, cdr.abandoned) == ("busy", False)
    assert (cdr.hangup_cause, cdr.hangup_cause_code) == ("USER_BUSY", 17)
    assert cdr.caller == Caller(number="1003", name="Carol")
    assert cdr.dialed == Line(number="486")


@pytest.mark.parametrize(
    ("cause", "disposition", "abandoned"),
    [
        ("USER_BUSY", "busy", False),
        ("NO_ANSWER", "no_answer", False),
        ("NO_USER_RESPONSE", "no_answer", False),
        ("ALLOTTED_TIMEOUT", "no_answer", False),
        ("NORMAL_CLEARING", "no_answer", None),
        ("ORIGINATOR_CANCEL", "cancelled", True),
        ("LOSE_RACE", "cancelled", False),
        ("UNALLOCATED_NUMBER", "failed", False),
        (None, None, None),
    ],
)
def test_the_cause_tells_how_an_unanswered_leg_ended(
    unanswered, cause, disposition, abandoned
):
    cdr = changed(unanswered, hangup_cause=cause)

    assert (cdr.disposition, cdr.abandoned) == (disposition, abandoned)


def test_a_cancel_of_the_caller_counts_whatever_the_cause_says(unanswered):
    cdr = changed(
        unanswered,
        hangup_cause="NORMAL_CLEARING",
        sip_hangup_disposition="recv_cancel",
    )

    assert (cdr.disposition, cdr.abandoned) == ("cancelled", True)


def test_seconds_are_used_where_there_are_no_microseconds(document):
    cdr = changed(document, start_uepoch=None, end_uepoch="0", end_epoch="1795392940")

    assert cdr.started_at == utc(23, 0, 15, 35)
    assert cdr.ended_at == utc(23, 0, 15, 40)


def test_ringing_is_counted_from_the_first_progress(document):
    cdr = changed(
        document,
        progress_uepoch="1795392937000000",
        progress_media_uepoch="1795392938000000",
        answer_uepoch="1795392942900000",
    )

    assert cdr.ring_duration == 5


def test_ringing_is_unknown_when_the_clock_went_back(document):
    cdr = changed(document, answer_uepoch="1795392930000000")

    assert cdr.ring_duration is None
    assert cdr.answered_at == utc(23, 0, 15, 30)


def test_a_leg_that_has_not_ended_has_no_end_and_no_ringing(unanswered):
    cdr = changed(unanswered, end_uepoch="0", end_epoch="0")

    assert (cdr.ended_at, cdr.ring_duration) == (None, None)


def test_the_direction_is_unknown_where_nothing_tells_it(document):
    del document["channel_data"]

    assert changed(document, direction=None).direction is None


def test_hold_is_what_freeswitch_added_up(document):
    assert changed(document, hold_accum_seconds="67").hold_duration == 67


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_the_direction_is_kept_as_told(document, direction):
    assert changed(document, direction=direction).direction == direction


def test_the_direction_of_the_channel_serves_where_the_variable_is_missing(document):
    assert changed(document, direction=None).direction == "inbound"


def test_a_leg_that_another_one_originated_is_a_b_leg(document):
    cdr = changed(document, originating_leg_uuid="104ac211")

    assert cdr.dialer.leg_type == 2


def test_an_originator_in_a_caller_profile_makes_a_b_leg_too(document):
    document["callflow"][0]["caller_profile"]["originator"] = {}

    assert decode(document).dialer.leg_type == 2


def test_the_newest_caller_profile_counts_and_the_first_number_is_kept(document):
    newest = {"caller_profile": {"destination_number": "1002"}}
    document["callflow"].insert(0, newest)

    cdr = decode(document)

    assert cdr.dialed.number == "1002"
    assert cdr.extra["freeswitch"]["first_destination_number"] == "442039702436"


@pytest.mark.parametrize("callflow", [None, [], [None], {}, "x", [{"times": {}}]])
def test_variables_serve_where_there_is_no_caller_profile(document, callflow):
    document["callflow"] = callflow

    cdr = changed(document, sip_req_user="1002")

    assert cdr.caller == Caller(number="+442031703746", name='Alice "A" Ünal & Co')
    assert cdr.dialed.number == "1002"


def test_a_callflow_that_is_one_object_is_read_as_older_releases_wrote_it(document):
    document["callflow"] = document["callflow"][0]

    assert decode(document).dialed.number == "442039702436"


def test_a_recording_is_named_by_record_name_and_record_path(document):
    cdr = changed(document, record_path="/var/rec/", record_name="a.wav")

    assert cdr.recordings == (Recording(id="a.wav", url="/var/rec/a.wav"),)


def test_recordings_are_unknown_when_freeswitch_tells_none(document):
    assert decode(document).recordings is None


def test_a_uuid_with_foreign_characters_is_made_safe(document):
    assert changed(document, uuid="my call").uid == "my_call-f2fe23be"


@pytest.mark.parametrize(
    ("variables", "field", "message"),
    [
        ({"uuid": None}, "variables.uuid", "required"),
        ({"uuid": ""}, "variables.uuid", "required"),
        (
            {"start_epoch": "0", "start_uepoch": "0"},
            "variables.start_uepoch",
            "required",
        ),
        (
            {"start_epoch": None, "start_uepoch": None},
            "variables.start_uepoch",
            "required",
        ),
        ({"billsec": "-1"}, "variables.billsec", "must be a whole number"),
        ({"billsec": "٣"}, "variables.billsec", "must be a whole number"),
        ({"billsec": ["3"]}, "variables.billsec", "must be text"),
        ({"duration": "9" * 17}, "variables.duration", "must be below 2147483648"),
        (
            {"end_uepoch": "0", "end_epoch": "9" * 17},
            "variables.end_epoch",
            "must be seconds since 1970",
        ),
        (
            {"direction": "sideways"},
            "variables.direction",
            "must be one of 'internal', 'inbound', 'outbound', 'both' or 'unknown'",
        ),
        (
            {"hangup_cause_q850": "70000"},
            "variables.hangup_cause_q850",
            "must be below 65536",
        ),
        (
            {"accountcode": "a\0b"},
            "variables",
            "must not hold NUL (U+0000) or half a character",
        ),
    ],
)
def test_an_error_names_the_field_as_freeswitch_does(
    document, variables, field, message
):
    item = changed(document, **variables)

    assert isinstance(item, Undecodable)
    assert item.errors == (FieldError(field, message),)


def test_a_document_without_variables_is_refused(document):
    del document["variables"]

    item = decode(document)

    assert item.reason == "variables: required"


def test_half_a_character_in_a_name_is_refused_by_its_field(document):
    document["callflow"][0]["caller_profile"]["caller_id_name"] = "Caf\udce9"

    item = decode(document)

    assert item.errors[0].field == "caller_profile.caller_id_name"
