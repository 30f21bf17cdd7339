"""The envelope against dimensions.txt, key by key and type by type."""

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from typing import Any, get_args
from urllib.parse import parse_qsl

import pytest

from dispatcher.cdr_fields import CALL_TYPES, DIRECTIONS, FIELDS
from dispatcher.payloads import envelope
from dispatcher.payloads.envelope import cdr_payload, render
from dispatcher.values import CallType, Contact, Direction, Line, Rating, Recording
from tests.payloads.records import (
    DOCUMENTED,
    EMPTY,
    NIL,
    RICH,
    STARTED,
    carried,
    subscription,
)

# The document's example, lRgDevName corrected to the name in its table.
EXAMPLE = {
    "triggerId": "01920000-0000-7000-8000-000000000001",
    "id": NIL,
    "tenantId": NIL,
    "cdr": {
        "id": NIL,
        "dType": "CloudSessionCdr",
        "sVer": 1,
        "pbxId": NIL,
        "pbxName": "BenDV1 - Dev - Ben",
        "tz": "Europe/London",
        "start": "2024-05-29T09:37:35+01:00",
        "end": "2024-05-29T09:37:45+01:00",
        "dur": 10,
        "ring": 10,
        "lost": 1,
        "cause": "NORMAL_CLEARING",
        "dir": 2,
        "type": 2,
        "cliNum": "\u002b447000000000",
        "cliLoc": "United Kingdom",
        "cliCtry": "GB",
        "ddiNum": "\u002b441610000000",
        "fRngDevNum": "user_******",
        "fRngDevName": "(T42S) Test User",
        "lRngDevNum": "user_******",
        "lRngDevName": "(T42S) Test User",
        "fRngUsrNum": "302",
        "fRngUsrName": "Test User",
        "lRngUsrNum": "302",
        "lRngUsrName": "Test User",
        "fRngAgtNum": "302",
        "fRngAgtName": "Test User",
        "lRngAgtNum": "302",
        "lRngAgtName": "Test User",
        "hasRec": 1,
        "recordingIds": [NIL],
        "directoryMatches": [
            {
                "dirName": "My Global",
                "dirId": NIL,
                "dirType": "DirectoryContactMatch",
                "contactId": NIL,
                "fields": {
                    "fullName": "Example Contact",
                    "companyName": "Company",
                    "jobTitle": "Job Title",
                    "email": "Email Address",
                    **{f"field{number}": f"field{number}" for number in range(1, 10)},
                    "field10": "301",
                },
            }
        ],
        "tags": {"Support": "step1"},
    },
    "customData": {"hook": "post call"},
}


def _json(cdr, **settings):
    return json.loads(render(subscription(**settings), [carried(cdr)]).body)


def _typed(value):
    """Every value with its type, in order: 1 is not True, and order matters."""
    if isinstance(value, dict):
        return [(key, _typed(entry)) for key, entry in value.items()]
    if isinstance(value, list):
        return [_typed(entry) for entry in value]
    return type(value), value


def test_it_reproduces_the_documents_example_key_by_key():
    sent = _json(DOCUMENTED, tenant_external_id=NIL, custom_data={"hook": "post call"})

    assert _typed(sent) == _typed(EXAMPLE)


def test_the_form_of_the_example_reads_as_bracketed_names():
    body = render(subscription(format="form"), [carried(DOCUMENTED)]).body
    read = dict(parse_qsl(body.decode(), strict_parsing=True))

    assert read["cdr[cliNum]"] == "+447000000000"
    assert read["cdr[recordingIds][0]"] == NIL
    assert read["cdr[directoryMatches][0][fields][field10]"] == "301"
    assert read["cdr[tags][Support]"] == "step1"


def test_it_sends_every_field_in_the_tables_order_when_all_are_known():
    assert list(cdr_payload(RICH)) == list(FIELDS)


def test_it_leaves_out_whatever_is_unknown():
    sent = _json(EMPTY)

    assert sent["cdr"] == {
        "id": "call-2",
        "dType": "CloudSessionCdr",
        "sVer": 1,
        "start": "2024-05-29T08:37:35+00:00",
    }
    assert "customData" not in sent


def test_a_known_zero_or_false_is_sent():
    sent = _json(dataclasses.replace(EMPTY, duration=0, abandoned=False))["cdr"]

    assert (sent["dur"], sent["lost"]) == (0, 0)


@pytest.mark.parametrize(
    ("recordings", "has_recording", "ids"),
    [(None, None, None), ((), 0, []), ((Recording(id="r"),), 1, ["r"])],
)
def test_it_says_whether_there_are_recordings_if_that_is_known(
    recordings, has_recording, ids
):
    sent = _json(dataclasses.replace(EMPTY, recordings=recordings))["cdr"]

    assert (sent.get("hasRec"), sent.get("recordingIds")) == (has_recording, ids)


@pytest.mark.parametrize(
    ("disposition", "answered"),
    [(None, None), ("answered", 1), ("voicemail", 0), ("busy", 0)],
)
def test_ans_follows_the_disposition(disposition, answered):
    sent = _json(dataclasses.replace(EMPTY, disposition=disposition))["cdr"]

    assert sent.get("ans") == answered


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("abandoned", "lost"),
        ("abandoned_in_park", "lostinPark"),
        ("short_ring", "aban"),
        ("short_call", "short"),
        ("trunk_to_trunk", "t2t"),
    ],
)
def test_each_flag_is_sent_as_one_under_its_name(attribute, name):
    changed: dict[str, Any] = {attribute: True}

    sent = cdr_payload(dataclasses.replace(EMPTY, **changed))

    assert sent.keys() - cdr_payload(EMPTY).keys() == {name}
    assert sent[name] == 1


def test_a_cost_is_a_json_number_without_a_float_on_the_way():
    cost = Decimal("12345678901234567.0350")
    rated = dataclasses.replace(EMPTY, rating=Rating(cost=cost))

    assert b'"rate":1,"rateCost":12345678901234567.035' in (
        render(subscription(), [carried(rated)]).body
    )


def test_a_rating_without_a_cost_is_still_a_rating():
    sent = cdr_payload(dataclasses.replace(EMPTY, rating=Rating(band="Local")))

    assert (sent["rate"], sent["rateBand"], "rateCost" in sent) == (1, "Local", False)


@pytest.mark.parametrize("cost", ["NaN", "sNaN", "Infinity"])
def test_a_cost_that_is_no_number_is_unknown(cost):
    sent = cdr_payload(dataclasses.replace(EMPTY, rating=Rating(cost=Decimal(cost))))

    assert "rateCost" not in sent


def test_every_direction_and_call_type_has_a_code():
    assert set(DIRECTIONS) == set(get_args(Direction))
    assert set(CALL_TYPES) == set(get_args(CallType))


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        (None, "2024-05-29T08:37:35+00:00"),
        ("UTC", "2024-05-29T08:37:35+00:00"),
        ("Europe/London", "2024-05-29T09:37:35+01:00"),
        ("Asia/Kathmandu", "2024-05-29T14:22:35+05:45"),
        ("No/Such_Zone", "2024-05-29T08:37:35+00:00"),
        ("../etc/passwd", "2024-05-29T08:37:35+00:00"),
        ("Europe", "2024-05-29T08:37:35+00:00"),
    ],
)
def test_times_are_in_the_records_zone_and_no_zone_name_can_stop_a_call(zone, start):
    sent = _json(dataclasses.replace(EMPTY, time_zone=zone))["cdr"]

    assert sent["start"] == start


def test_the_hour_that_is_repeated_in_autumn_keeps_its_two_offsets():
    first = dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC)
    call = dataclasses.replace(
        EMPTY,
        time_zone="Europe/London",
        started_at=first,
        ended_at=first + dt.timedelta(hours=1),
    )

    sent = _json(call)["cdr"]

    assert sent["start"] == "2024-10-27T01:30:00+01:00"
    assert sent["end"] == "2024-10-27T01:30:00+00:00"


def test_a_time_at_the_end_of_the_calendar_keeps_its_offset():
    last = dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC)
    sent = _json(
        dataclasses.replace(EMPTY, started_at=last, time_zone="Asia/Kathmandu")
    )

    assert sent["cdr"]["start"] == "9999-12-31T23:00:00+00:00"


def test_fractions_of_a_second_are_sent_where_the_record_has_them():
    moment = STARTED.replace(microsecond=250000)

    sent = _json(dataclasses.replace(EMPTY, started_at=moment))["cdr"]

    assert sent["start"] == "2024-05-29T08:37:35.250000+00:00"


def test_phones_and_fields_of_a_contact_keep_their_positions():
    contact = Contact(phones=(None, "+1"), fields=("one", None, "three"))

    (sent,) = cdr_payload(dataclasses.replace(EMPTY, contacts=(contact,)))[
        "directoryMatches"
    ]

    assert sent["fields"] == {"phone2": "+1", "field1": "one", "field3": "three"}


def test_an_empty_text_is_known_and_sent():
    sent = cdr_payload(dataclasses.replace(EMPTY, dialed=Line(name="")))

    assert sent["ddiName"] == ""


def test_a_delivery_carries_one_call():
    with pytest.raises(ValueError, match="1 CDR a delivery, not 2"):
        envelope.render(subscription(), [carried(EMPTY), carried(RICH)])
