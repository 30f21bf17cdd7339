"""The flat style against newfies.txt: 19 fields, always, with their types."""

import dataclasses
import datetime as dt
import json
from urllib.parse import parse_qsl

import pytest

from dispatcher.payloads.flat import KEYS, render
from dispatcher.values import Caller, Dialer, DialerItem, Line
from tests.payloads.records import EMPTY, RICH, carried, subscription

# Type by type as the document lists them.
DOCUMENTED_TYPES = {
    "client_id": "number",
    "cdr_id": "string",
    "callerid": "string",
    "callrequest_id": "string",
    "call_id": "string",
    "campaign_id": "number",
    "campaign_name": "string",
    "leg_type": "number",
    "phone_number": "string",
    "list_phonebook_id": "array",
    "list_phonebook_name": "array",
    "gateway": "string",
    "amd_status": "number",
    "hangup_cause_code": "number",
    "hangup_cause": "string",
    "cost": "number",
    "billed_duration": "number",
    "incremental_duration": "number",
    "call_date": "string",
}
TYPES = {int: "number", float: "number", str: "string", list: "array"}
UNKNOWN: dict[str, object] = {"number": None, "string": "", "array": []}
ALWAYS_KNOWN = {"cdr_id", "call_id", "call_date"}


def _json(cdr, **settings):
    return json.loads(render(subscription(**settings), [carried(cdr)]).body)


def _form(cdr, **settings):
    body = render(subscription(format="form", **settings), [carried(cdr)]).body
    return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)


def test_it_sends_the_documents_19_fields_in_its_order():
    assert list(_json(RICH)) == list(DOCUMENTED_TYPES)
    assert len(KEYS) == 19


@pytest.mark.parametrize("key", DOCUMENTED_TYPES)
def test_a_known_field_has_the_documented_type(key):
    assert TYPES[type(_json(RICH)[key])] == DOCUMENTED_TYPES[key]


def test_the_items_of_arrays_have_the_documented_types():
    sent = _json(RICH)

    assert {TYPES[type(book)] for book in sent["list_phonebook_id"]} == {"number"}
    assert {TYPES[type(book)] for book in sent["list_phonebook_name"]} == {"string"}


def test_the_call_date_is_a_date_time_with_offset():
    sent = dt.datetime.fromisoformat(_json(RICH)["call_date"])

    assert (sent, sent.utcoffset()) == (RICH.started_at, dt.timedelta(hours=-4))


@pytest.mark.parametrize("key", sorted(DOCUMENTED_TYPES.keys() - ALWAYS_KNOWN))
def test_an_unknown_field_is_empty_by_its_type(key):
    assert _json(EMPTY)[key] == UNKNOWN[DOCUMENTED_TYPES[key]]


def test_form_data_has_all_19_names_even_when_nothing_is_known():
    sent = _form(EMPTY)

    assert [name for name, _ in sent] == list(DOCUMENTED_TYPES)
    assert dict(sent)["client_id"] == dict(sent)["list_phonebook_id"] == ""


def test_arrays_are_numbered_in_form_data():
    sent = dict(_form(RICH))

    assert (sent["list_phonebook_id[0]"], sent["list_phonebook_id[1]"]) == ("5", "6")
    assert sent["list_phonebook_name[1]"] == "South"


def test_the_two_phonebook_arrays_stay_side_by_side():
    books = (DialerItem(name="North"), DialerItem(id=6))
    call = dataclasses.replace(EMPTY, dialer=Dialer(phonebooks=books))

    assert _json(call)["list_phonebook_id"] == [None, 6]
    assert _json(call)["list_phonebook_name"] == ["North", ""]
    assert dict(_form(call))["list_phonebook_id[0]"] == ""


def test_the_cost_is_exact_in_both_formats():
    assert b'"cost":0.035,' in render(subscription(), [carried(RICH)]).body
    assert dict(_form(RICH))["cost"] == "0.035"


@pytest.mark.parametrize(
    ("given", "sent"),
    [(7, 7), ("8", 8), ("-1", -1), ("007", "007"), ("acme", "acme"), ("", None)],
)
def test_an_id_is_a_number_where_it_is_one(given, sent):
    call = dataclasses.replace(EMPTY, dialer=Dialer(client_id=given))

    assert _json(call)["client_id"] == sent


def test_the_dialers_root_call_id_is_always_text():
    assert _json(RICH)["callrequest_id"] == "77"


@pytest.mark.parametrize(
    ("billed", "talk", "sent"), [(6, 5, 6), (0, 5, 0), (None, 5, 5), (None, None, None)]
)
def test_billed_duration_falls_back_on_talk_duration(billed, talk, sent):
    call = dataclasses.replace(EMPTY, billed_duration=billed, talk_duration=talk)

    assert _json(call)["billed_duration"] == sent


def test_phone_number_and_call_id_fall_back():
    call = dataclasses.replace(
        EMPTY, dialed=Line(number="+1"), caller=Caller(number="+2")
    )

    sent = _json(call)

    assert (sent["phone_number"], sent["callerid"]) == ("+1", "+2")
    assert sent["call_id"] == "call-2"


def test_call_date_is_the_start_in_the_records_zone():
    call = dataclasses.replace(EMPTY, time_zone="America/New_York")

    assert _json(call)["call_date"] == "2024-05-29T04:37:35-04:00"


def test_custom_data_follows_and_replaces_nothing():
    sent = _json(RICH, custom_data={"hook": "post call", "cost": "free"})

    assert list(sent) == [*DOCUMENTED_TYPES, "hook"]
    assert sent["cost"] == 0.035


def test_a_delivery_carries_one_call():
    with pytest.raises(ValueError, match="1 CDR a delivery, not 0"):
        render(subscription(), [])
