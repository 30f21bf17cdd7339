"""The batch against thehub.txt, key by key and type by type."""

import dataclasses
import datetime as dt
import json

import pytest

from dispatcher.payloads.batch import MAX_CDRS, render
from dispatcher.values import Caller, Line, Summary
from tests.payloads.records import (
    EMPTY,
    RICH,
    carried,
    hub_calls,
    hub_summaries,
    subscription,
)

HUB = "https://smsapi.thehubwork.com/api/cdr/call-recording"
EXAMPLE = {
    "type": "cdr",
    "cdrs": [
        {
            "uniqueid": "pbx01-1756728013.921580",
            "start_time": "2025-09-01 13:00:12",
            "call_type": "IN",
            "caller_number": "442031703746",
            "dialed_number": "442039702436",
            "disposition": "ANSWERED",
            "duration": "348",
            "recording_url": f"{HUB}/pbx01-1756728013.921580?token=1234",
        },
        {
            "uniqueid": "pbx01-1756728615.921580",
            "start_time": "2025-09-01 15:00:12",
            "call_type": "OUT",
            "caller_number": "442039702436",
            "dialed_number": "442031703746",
            "disposition": "ANSWERED",
            "duration": "54",
            "recording_url": f"{HUB}/pbx01-1756728615.921580?token=1234",
        },
        {
            "uniqueid": "pbx01-1756728656.923783",
            "start_time": "2025-09-01 16:01:17",
            "call_type": "IN",
            "caller_number": "442031703746",
            "dialed_number": "442039702436",
            "disposition": "ANSWERED",
            "duration": "348",
            "recording_url": f"{HUB}/pbx01-1756728656.923783?token=1234",
        },
    ],
}
EXAMPLE_OF_SUMMARIES = {
    "type": "call_summary",
    "cdrs": [
        {
            "uniqueid": "voip01-1770877300.19943444",
            "transcription": "No speech",
            "summary": "The call had no speech.",
        },
        {
            "uniqueid": "voip01-1770877720.19943491",
            "transcription": "No speech",
            "summary": "The call transcription contains no speech or content to "
            "summarize.",
        },
        {
            "uniqueid": "voip01-1770877892.19943581",
            "transcription": "Hello. Hello. This is sales call with my internal "
            "number.",
            "summary": "A sales call was initiated, and the caller identified "
            "themselves with an internal number.",
        },
    ],
}


def _sent(*carries):
    return json.loads(render(subscription(), carries).body)


def _call(cdr=EMPTY, *, zone="UTC", **changes):
    sent = _sent(carried(dataclasses.replace(cdr, **changes), tenant_zone=zone))
    return sent["cdrs"][0]


def _ordered(value):
    """Objects as lists of pairs, so that the order of keys matters."""
    if isinstance(value, dict):
        return [(key, _ordered(entry)) for key, entry in value.items()]
    if isinstance(value, list):
        return [_ordered(entry) for entry in value]
    return type(value), value


def test_it_reproduces_the_documents_calls_key_by_key_in_call_order():
    assert _ordered(_sent(*hub_calls())) == _ordered(EXAMPLE)


def test_it_reproduces_the_documents_summaries_key_by_key():
    carries = reversed(hub_summaries())

    assert _ordered(_sent(*carries)) == _ordered(EXAMPLE_OF_SUMMARIES)


def test_a_call_of_which_nothing_is_known_has_all_8_keys():
    assert _call() == {
        "uniqueid": "call-2",
        "start_time": "2024-05-29 08:37:35",
        "call_type": "IN",
        "caller_number": "",
        "dialed_number": "",
        "disposition": "",
        "duration": "",
        "recording_url": "",
    }


def test_a_known_duration_of_nothing_is_sent_as_text():
    assert _call(duration=0)["duration"] == "0"


@pytest.mark.parametrize(
    ("direction", "sent"),
    [
        ("inbound", "IN"),
        ("outbound", "OUT"),
        ("internal", "INTERNAL"),
        ("both", "IN"),
        ("unknown", "IN"),
        (None, "IN"),
    ],
)
def test_the_call_type_follows_the_direction(direction, sent):
    assert _call(direction=direction)["call_type"] == sent


@pytest.mark.parametrize(
    ("disposition", "sent"),
    [
        ("answered", "ANSWERED"),
        ("voicemail", "ANSWERED"),
        ("no_answer", "NO ANSWER"),
        ("cancelled", "NO ANSWER"),
        ("busy", "BUSY"),
        ("failed", "FAILED"),
        (None, ""),
    ],
)
def test_the_disposition_is_one_of_the_documents_words(disposition, sent):
    assert _call(disposition=disposition)["disposition"] == sent


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        ("+442079460018", "442079460018"),
        ("+44 (0)20 7946-0018", "442079460018"),
        ("+1 (212) 555.0100", "12125550100"),
        ("302", "302"),
        ("0632960018", "0632960018"),
        ("*98", "*98"),
        ("anonymous", "anonymous"),
        ("192.0.2.1", "192.0.2.1"),
        ("+unknown", "+unknown"),
        ("+", "+"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_international_number_is_sent_as_digits_and_any_other_as_it_is(number, sent):
    call = _call(caller=Caller(number=number), dialed=Line(number=number))

    assert (call["caller_number"], call["dialed_number"]) == (sent, sent)


@pytest.mark.parametrize(
    ("zone", "sent"),
    [
        ("Europe/London", "2024-05-29 09:37:35"),
        ("America/New_York", "2024-05-29 04:37:35"),
        ("Asia/Kathmandu", "2024-05-29 14:22:35"),
        ("No/Such_Zone", "2024-05-29 08:37:35"),
        ("", "2024-05-29 08:37:35"),
    ],
)
def test_a_start_is_told_in_the_tenants_zone_whatever_the_records_zone(zone, sent):
    assert _call(RICH, zone=zone)["start_time"] == sent


def test_a_start_has_whole_seconds_in_both_sides_of_a_change_of_the_clock():
    before = dt.datetime(2025, 10, 26, 0, 59, 59, 999999, tzinfo=dt.UTC)
    after = before + dt.timedelta(microseconds=1)

    sent = [
        _call(started_at=moment, zone="Europe/London")["start_time"]
        for moment in (before, after)
    ]

    assert sent == ["2025-10-26 01:59:59", "2025-10-26 01:00:00"]


def test_a_start_that_has_no_date_in_the_tenants_zone_is_told_as_it_came():
    first = dt.datetime.min.replace(tzinfo=dt.UTC)

    sent = _call(started_at=first, zone="America/New_York")

    assert sent["start_time"] == "0001-01-01 00:00:00"


def test_calls_that_began_together_are_in_order_of_uid():
    elsewhere = EMPTY.started_at.astimezone(dt.timezone(dt.timedelta(hours=-5)))
    calls = [
        dataclasses.replace(EMPTY, uid="b"),
        dataclasses.replace(EMPTY, uid="a", started_at=elsewhere),
    ]

    sent = _sent(*map(carried, calls))

    assert [call["uniqueid"] for call in sent["cdrs"]] == ["a", "b"]


def test_a_summary_in_any_script_comes_through():
    said = Summary(transcription='“Grüß Gott”\n<"नमस्ते">', summary="")

    sent = _sent(carried(EMPTY, summary=said))["cdrs"]

    assert sent == [
        {"uniqueid": "call-2", "transcription": said.transcription, "summary": ""}
    ]


def test_calls_and_summaries_are_not_mixed():
    with pytest.raises(ValueError, match="calls or their summaries, not both"):
        _sent(*hub_calls(), *hub_summaries())


@pytest.mark.parametrize("count", [0, MAX_CDRS + 1])
def test_a_wrong_number_of_calls_is_refused(count):
    with pytest.raises(ValueError, match=f"1 to 5000 CDRs a delivery, not {count}"):
        render(subscription(), [carried(EMPTY)] * count)
