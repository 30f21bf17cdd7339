"""The feed against webex.txt and the public reference of Webex' call records."""

import dataclasses
import datetime as dt
import json
from uuid import UUID

import pytest

from dispatcher.payloads.feed import MAX_ITEMS, item, render
from dispatcher.payloads.webex_record import NAMES
from dispatcher.values import Caller, Dialer, Leg, Legs, Line
from tests.payloads.records import (
    CDR_ID,
    EMPTY,
    RICH,
    STARTED,
    WEBEX,
    WEBEX_OWN,
    WINDOW,
    carried,
    subscription,
)

# What the reference's example is made of: these names, text but for the numbers.
DOCUMENTED_NAMES = {
    *("Answer indicator", "Answer time", "Answered", "Authorization code", "Call ID"),
    *("Caller ID number", "Call outcome", "Call outcome reason", "Call transfer Time"),
    *("Call Recording Platform Name", "Call Recording Result"),
    *("Call Recording Trigger", "Call type", "Called line ID", "Called number"),
    *("Calling line ID", "Calling number", "Client type", "Client version"),
    *("Correlation ID", "Department ID", "Device MAC", "Device owner UUID"),
    *("Dialed digits", "Direction", "Duration", "External caller ID number"),
    *("Final local SessionID", "Final remote SessionID", "Inbound trunk"),
    *("International country", "Local call ID", "Local SessionID", "Location"),
    *("Model", "Network call ID", "Org UUID", "Original reason", "OS type"),
    *("Outbound trunk", "Public Called IP Address", "Public Calling IP Address"),
    *("Release time", "Ring duration", "Redirecting party UUID", "Redirect reason"),
    *("Redirecting number", "Related call ID", "Related reason", "Releasing party"),
    *("Remote call ID", "Remote SessionID", "Report ID", "Report time"),
    *("Route group", "Site main number", "Site timezone", "Site UUID", "Start time"),
    *("Sub client type", "Transfer related call ID", "User", "User number"),
    *("User type", "User UUID", "PSTN Vendor Name", "PSTN Legal Entity"),
    *("PSTN Vendor Org ID", "PSTN Provider ID"),
}
NUMBERS = {"Duration", "Ring duration", "Hold duration"}
# Names that the example and real records spell differently.
RESPELT = {
    "Call transfer time": "Call transfer Time",
    "PSTN vendor name": "PSTN Vendor Name",
    "PSTN legal entity": "PSTN Legal Entity",
    "PSTN vendor org ID": "PSTN Vendor Org ID",
    "PSTN provider ID": "PSTN Provider ID",
}
ACCEPTED_AT = dt.datetime(2024, 5, 29, 8, 40, 1, 2999, tzinfo=dt.UTC)


def _item(cdr=EMPTY, **changes):
    return item(carried(dataclasses.replace(cdr, **changes)))


def _webex(**brought):
    return _item(extra={"webex": brought})


def _headers(carries=(), **changes):
    window = dataclasses.replace(WINDOW, **changes)
    return render(subscription(window=window), carries).headers


# The body ------------------------------------------------------------------------


def test_the_body_is_the_items_alone_in_the_order_given():
    calls = [carried(RICH), carried(EMPTY)]

    sent = json.loads(render(subscription(), calls).body)

    assert sent == {"items": [item(call) for call in calls]}


def test_an_empty_window_is_an_empty_list():
    assert render(subscription(), []).body == b'{"items":[]}'


def test_more_items_than_a_delivery_takes_are_refused():
    with pytest.raises(ValueError, match="0 to 5000 CDRs a delivery, not 5001"):
        render(subscription(), [carried(EMPTY)] * (MAX_ITEMS + 1))


def test_the_longest_body_is_made_of_as_many_items():
    calls = [carried(RICH)] * MAX_ITEMS

    assert len(json.loads(render(subscription(), calls).body)["items"]) == 5000


# The window ----------------------------------------------------------------------


def test_the_window_goes_in_headers():
    assert _headers([carried(RICH), carried(EMPTY)]) == {
        "cdrhook-window-start": "2024-05-29T08:35:00.000Z",
        "cdrhook-window-end": "2024-05-29T08:40:00.000Z",
        "cdrhook-sequence": "7",
        "cdrhook-count": "2",
    }


def test_a_late_delivery_says_so():
    assert _headers(late=True)["cdrhook-late"] == "1"


def test_an_empty_window_counts_none():
    assert _headers()["cdrhook-count"] == "0"


def test_the_window_is_told_in_utc_wherever_it_was_made():
    start = WINDOW.start.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))

    assert _headers(start=start)["cdrhook-window-start"] == "2024-05-29T08:35:00.000Z"


def test_a_test_call_has_no_window_and_no_such_headers():
    assert render(subscription(), [carried(RICH)]).headers == {}


# Names and types -------------------------------------------------------------------


def test_every_documented_name_is_one_of_ours():
    assert set(NAMES) >= DOCUMENTED_NAMES
    assert len({name.lower() for name in NAMES}) == len(NAMES)


def test_every_name_of_a_real_record_is_one_of_ours():
    theirs = {RESPELT.get(name, name) for name in WEBEX} - {"Name of tomorrow"}

    assert theirs == set(NAMES)


def test_a_call_of_which_nothing_is_known_has_every_name():
    sent = _item()

    assert list(sent) == list(NAMES)
    assert {name: value for name, value in sent.items() if value != ""} == {
        "Correlation ID": "call-2",
        "Local call ID": "call-2",
        "Report ID": str(CDR_ID),
        "Start time": "2024-05-29T08:37:35.000Z",
    }


def test_durations_are_numbers_and_everything_else_is_text():
    types = {name: type(value) for name, value in _item(RICH).items()}

    assert {name for name, kind in types.items() if kind is int} == NUMBERS
    assert set(types.values()) == {int, str}


def test_it_says_what_is_known_of_a_call():
    call = carried(RICH, tenant_external_id="org-1", accepted_at=ACCEPTED_AT)

    known = {name: value for name, value in item(call).items() if value != ""}

    assert known == {
        "Answer indicator": "Yes",
        "Answer time": "2024-05-29T08:37:39.250Z",
        "Answered": "true",
        "Caller ID number": "+12125550100",
        "Call outcome": "Success",
        "Call outcome reason": "Normal",
        "Call Recording Result": "successful",
        "Call type": "SIP_ENTERPRISE",
        "Called line ID": "Sales",
        "Called number": "+12125550199",
        "Calling line ID": "Front desk",
        "Calling number": "+12125550100",
        "Correlation ID": "fs-call-1",
        "Direction": "ORIGINATING",
        "Duration": 64,
        "Local call ID": "call-1",
        "Org UUID": "org-1",
        "Outbound trunk": "gw-1",
        "Release time": "2024-05-29T08:38:39.000Z",
        "Ring duration": 4,
        "Report ID": str(CDR_ID),
        "Report time": "2024-05-29T08:40:01.002Z",
        "Site timezone": "-240",
        "Start time": "2024-05-29T08:37:35.000Z",
        "User": "Front desk",
        "User number": "+12125550100",
        "User type": "User",
        "Hold duration": 0,
    }


# Values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "sent"),
    [
        ("inbound", "TERMINATING"),
        ("outbound", "ORIGINATING"),
        ("internal", ""),
        ("both", ""),
        ("unknown", ""),
        (None, ""),
    ],
)
def test_the_direction_is_told_where_there_is_one(direction, sent):
    assert _item(direction=direction)["Direction"] == sent


@pytest.mark.parametrize(
    ("disposition", "sent"),
    [
        ("answered", ("true", "Yes", "Success", "Normal")),
        ("voicemail", ("true", "Yes", "Success", "Normal")),
        ("busy", ("false", "No", "Success", "UserBusy")),
        ("no_answer", ("false", "No", "Success", "NoAnswer")),
        ("cancelled", ("false", "No", "Refusal", "SIP487")),
        ("failed", ("false", "No", "Failure", "")),
        (None, ("", "", "", "")),
    ],
)
def test_answer_and_outcome_follow_the_disposition(disposition, sent):
    call = _item(disposition=disposition)

    assert sent == (
        call["Answered"],
        call["Answer indicator"],
        call["Call outcome"],
        call["Call outcome reason"],
    )


@pytest.mark.parametrize(
    ("code", "cause", "sent"),
    [
        (1, None, ("Refusal", "UnassignedNumber")),
        (None, "UNALLOCATED_NUMBER", ("Refusal", "UnassignedNumber")),
        (3, "CALL_REJECTED", ("Failure", "NoRouteToDestination")),
        (21, None, ("Refusal", "CallRejected")),
        (41, "NORMAL_TEMPORARY_FAILURE", ("Failure", "")),
    ],
)
def test_a_failed_call_tells_why_where_the_cause_is_one_of_webex(code, cause, sent):
    call = _item(disposition="failed", hangup_cause_code=code, hangup_cause=cause)

    assert (call["Call outcome"], call["Call outcome reason"]) == sent


@pytest.mark.parametrize(
    ("direction", "call_type", "sent"),
    [
        ("inbound", "external", "SIP_INBOUND"),
        ("inbound", None, ""),
        ("inbound", "internal", "SIP_ENTERPRISE"),
        ("internal", None, "SIP_ENTERPRISE"),
        ("internal", "external", ""),
        ("outbound", "internal", "SIP_ENTERPRISE"),
        ("outbound", "external", ""),
        ("both", "external", ""),
        (None, None, ""),
    ],
)
def test_the_call_type_is_told_only_where_it_is_certain(direction, call_type, sent):
    assert _item(direction=direction, call_type=call_type)["Call type"] == sent


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        (
            {"ended_at": STARTED + dt.timedelta(milliseconds=9, microseconds=999)},
            "2024-05-29T08:37:35.009Z",
        ),
        ({"duration": 65}, "2024-05-29T08:38:40.000Z"),
        ({"duration": 9, "ended_at": STARTED}, "2024-05-29T08:37:35.000Z"),
        ({"duration": 10**12}, ""),
        ({}, ""),
    ],
)
def test_a_call_is_released_at_its_end_else_after_its_duration(known, sent):
    assert _item(**known)["Release time"] == sent


def test_a_time_that_has_no_date_in_utc_is_unknown():
    east = dt.timezone(dt.timedelta(hours=1))

    sent = _item(started_at=dt.datetime.min.replace(tzinfo=east), duration=1)

    assert (sent["Start time"], sent["Release time"]) == ("", "")


@pytest.mark.parametrize(
    ("month", "zone", "sent"),
    [
        (1, "America/New_York", "-300"),
        (7, "America/New_York", "-240"),
        (7, "Asia/Kathmandu", "345"),
        (1, "Europe/London", "0"),
        (1, "No/Such_Zone", ""),
        (1, None, ""),
    ],
)
def test_the_sites_timezone_is_its_offset_in_minutes_at_the_call(month, zone, sent):
    started = dt.datetime(2025, month, 1, 12, tzinfo=dt.UTC)

    assert _item(started_at=started, time_zone=zone)["Site timezone"] == sent


ANSWERED_BY = Legs(answered=Leg(user=Line(number="302", name="Front desk")))
RANG = Legs(first_rang=Leg(user=Line(number="303")))


@pytest.mark.parametrize(
    ("direction", "legs", "sent"),
    [
        ("inbound", ANSWERED_BY, ("Front desk", "302")),
        ("inbound", RANG, ("", "303")),
        ("inbound", Legs(), ("Sales", "+12")),
        ("outbound", ANSWERED_BY, ("Caller", "+11")),
        ("internal", ANSWERED_BY, ("", "")),
        (None, Legs(), ("", "")),
    ],
)
def test_the_user_is_ours_of_the_two_parties(direction, legs, sent):
    call = _item(
        direction=direction,
        legs=legs,
        caller=Caller(number="+11", name="Caller"),
        dialed=Line(number="+12", name="Sales"),
    )

    assert (call["User"], call["User number"]) == sent


def test_the_report_id_is_the_records_own_else_our_id_of_it():
    assert _item(report_id="report-1")["Report ID"] == "report-1"
    assert item(carried(EMPTY, id=UUID(int=5)))["Report ID"] == str(UUID(int=5))


def test_a_dialers_gateway_is_the_outbound_trunk():
    assert _item(dialer=Dialer(gateway="gw-1"))["Outbound trunk"] == "gw-1"


# Records that were Webex' own ------------------------------------------------------


def test_a_record_of_webex_keeps_what_it_brought_key_by_key_and_type_by_type():
    sent = item(carried(WEBEX_OWN, tenant_external_id=WEBEX["Org UUID"]))

    assert list(sent) == [*NAMES, "Name of tomorrow"]
    assert {name: (type(value), value) for name, value in sent.items()} == {
        RESPELT.get(name, name): (type(value), value) for name, value in WEBEX.items()
    }


def test_what_webex_did_not_bring_is_derived():
    sent = _webex(**{"ANSWERED": "true"})

    assert (sent["Answered"], sent["Local call ID"]) == ("true", "call-2")
    assert list(sent) == list(NAMES)


def test_a_blank_that_webex_brought_stays_and_a_null_brings_nothing():
    sent = _webex(**{"Local call ID": "", "Correlation ID": None})

    assert (sent["Local call ID"], sent["Correlation ID"]) == ("", "call-2")


def test_the_tenant_and_the_record_are_named_even_where_webex_left_them_blank():
    brought = {"webex": {"Org UUID": "", "report id": "", "report time": ""}}
    cdr = dataclasses.replace(EMPTY, extra=brought)

    sent = item(carried(cdr, tenant_external_id="org-1", accepted_at=ACCEPTED_AT))

    assert (sent["Org UUID"], sent["Report ID"]) == ("org-1", str(CDR_ID))
    assert sent["Report time"] == ""


def test_no_record_can_say_that_it_is_another_tenants():
    webex = {"Org UUID": "org-2", "org uuid": "org-3"}

    sent = item(
        carried(
            dataclasses.replace(EMPTY, extra={"webex": webex}),
            tenant_external_id="org-1",
        )
    )

    assert sent["Org UUID"] == "org-1"


@pytest.mark.parametrize("extra", [None, {}, {"webex": "x"}, {"webex": ["x"]}])
def test_only_an_object_is_a_record_of_webex(extra):
    assert _item(extra=extra) == _item()
