from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_json import MalformedJson, dump, parse
from dispatcher.values import Caller, Contact, DialerItem, FieldError, Recording

WHOLE = "must be a whole number"
MOMENT = "must be an ISO 8601 time with offset, e.g. 2026-11-23T00:15:23Z"
UID = "must be 1 to 200 characters of A-Z a-z 0-9 . _ : @ + -"
COST = "must be 0 or more, with at most 12 digits before and after the point"
DIALER_ID = "must be a whole number, or text of at most 200 characters without NUL"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return value


def test_uid_and_start_are_all_that_is_required(record):
    cdr = parse(record)

    assert cdr.uid == "call-1"
    assert cdr.started_at == dt.datetime(2026, 11, 22, 23, 15, 23, tzinfo=dt.UTC)
    assert cdr.duration is None
    assert cdr.caller == Caller()


def test_the_bytes_of_the_json_are_taken_as_well(record):
    assert parse(json.dumps(record).encode()) == parse(record)


def test_nested_values_arrive_in_their_places(record):
    record |= {
        "caller": {"number": "+442031703746"},
        "recordings": [{"id": "r1", "url": "https://pbx.example/r1"}],
        "dialer": {"client_id": 7, "campaign": {"id": "c", "name": "Autumn"}},
        "contacts": [{"full_name": "Acme Ltd", "phones": ["1", None]}],
        "extra": {"anything": [1, 2.5, None, {"goes": True}]},
    }

    cdr = parse(record)

    assert cdr.caller.number == "+442031703746"
    assert cdr.recordings == (Recording(id="r1", url="https://pbx.example/r1"),)
    assert cdr.dialer.client_id == 7
    assert cdr.dialer.campaign == DialerItem(id="c", name="Autumn")
    assert cdr.contacts == (Contact(full_name="Acme Ltd", phones=("1", None)),)
    assert cdr.extra == {"anything": [1, 2.5, None, {"goes": True}]}


def test_a_known_empty_list_is_not_the_same_as_unknown(record):
    assert parse(record).recordings is None
    assert parse({**record, "recordings": []}).recordings == ()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-23T00:15:23Z", "2026-11-23T00:15:23+00:00"),
        ("2026-11-23T00:15:23.711265+00:00", "2026-11-23T00:15:23.711265+00:00"),
        ("2026-11-23 02:15+0200", "2026-11-23T00:15:00+00:00"),
        ("2026-11-23t00:15:23z", "2026-11-23T00:15:23+00:00"),
    ],
)
def test_times_are_iso_8601_with_an_offset(record, text, utc):
    cdr = parse({**record, "started_at": text})

    assert cdr.started_at.astimezone(dt.UTC).isoformat() == utc


@pytest.mark.parametrize(
    ("cost", "exact"),
    [("0.0350", "0.0350"), (0.035, "0.035"), (7, "7"), (1e-07, "0.0000001")],
)
def test_a_cost_is_exact_as_text_and_as_a_number(record, cost, exact):
    cdr = parse({**record, "rating": {"cost": cost}})

    assert cdr.rating is not None
    assert str(cdr.rating.cost) == str(Decimal(exact))


def test_an_end_before_the_start_is_accepted_because_clocks_jump(record):
    cdr = parse({**record, "ended_at": "2020-01-01T00:00:00Z"})

    assert cdr.ended_at is not None
    assert cdr.ended_at < cdr.started_at


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"uid": "a b"}, "uid", UID),
        ({"uid": "a\n"}, "uid", UID),
        ({"uid": ""}, "uid", UID),
        ({"uid": "x" * 201}, "uid", UID),
        ({"uid": 5}, "uid", "must be text"),
        ({"uid": None}, "uid", "must be text"),
        ({"started_at": 1795392923}, "started_at", MOMENT),
        ({"started_at": "1795392923"}, "started_at", MOMENT),
        ({"started_at": "2026-11-23T00:15:23"}, "started_at", MOMENT),
        ({"started_at": "2026-11-23"}, "started_at", MOMENT),
        ({"started_at": "٢٠٢٦-11-23T00:15:23Z"}, "started_at", MOMENT),
        (
            {"ended_at": "2026-02-30T00:00:00Z"},
            "ended_at",
            "must be a date and time that exist",
        ),
        (
            {"ended_at": "0001-01-01T00:00:00+14:00"},
            "ended_at",
            "must be in the years 1970 to 9998",
        ),
        ({"duration": -1}, "duration", "must be 0 or more"),
        ({"duration": 2**31}, "duration", "must be below 2147483648"),
        ({"duration": 10**30}, "duration", "must be below 2147483648"),
        ({"duration": 1.5}, "duration", WHOLE),
        ({"duration": "5"}, "duration", WHOLE),
        ({"duration": True}, "duration", WHOLE),
        ({"hangup_cause_code": 65536}, "hangup_cause_code", "must be below 65536"),
        ({"abandoned": 1}, "abandoned", "must be true or false"),
        (
            {"call_type": []},
            "call_type",
            "must be one of 'internal', 'external' or 'unknown'",
        ),
        (
            {"time_zone": "../../etc/passwd"},
            "time_zone",
            "must be a time zone's IANA name, e.g. Europe/London",
        ),
        ({"caller": None}, "caller", "must be an object"),
        ({"caller": {"number": 5}}, "caller.number", "must be text"),
        (
            {"caller": {"name": "a\0"}},
            "caller.name",
            "must not contain NUL (U+0000)",
        ),
        (
            {"caller": {"name": "x" * 501}},
            "caller.name",
            "must not be longer than 500 characters",
        ),
        ({"caller": {"nummer": "1"}}, "caller.nummer", "unknown field"),
        ({"call_id": "x" * 201}, "call_id", "must not be longer than 200 characters"),
        ({"recordings": {}}, "recordings", "must be a list"),
        ({"recordings": [{"url": "u"}]}, "recordings.0.id", "required"),
        (
            {"recordings": [{"id": "r", "url": "x" * 2001}]},
            "recordings.0.url",
            "must not be longer than 2000 characters",
        ),
        ({"rating": {"cost": -1}}, "rating.cost", COST),
        ({"rating": {"cost": "NaN"}}, "rating.cost", COST),
        ({"rating": {"cost": "1e5"}}, "rating.cost", COST),
        ({"rating": {"cost": 1e300}}, "rating.cost", COST),
        ({"rating": {"cost": 10**400}}, "rating.cost", COST),
        ({"rating": {"cost": float("inf")}}, "rating.cost", COST),
        (
            {"rating": {"cost": 0.12345678901234568}},
            "rating.cost",
            "has too many digits for a JSON number: send it as text",
        ),
        (
            {"rating": {"cost": True}},
            "rating.cost",
            "must be a number, or text such as 0.0350",
        ),
        ({"dialer": {"client_id": 1.5}}, "dialer.client_id", DIALER_ID),
        (
            {"dialer": {"client_id": 2**63}},
            "dialer.client_id",
            "must be a 64-bit number",
        ),
        ({"dialer": {"gateway": 5}}, "dialer.gateway", "must be text"),
        (
            {"contacts": [{"phones": ["1"] * 5}]},
            "contacts.0.phones",
            "must not hold more than 4 items",
        ),
        (
            {"contacts": [{"fields": ["1"] * 11}]},
            "contacts.0.fields",
            "must not hold more than 10 items",
        ),
        ({"tags": []}, "tags", "must be an object"),
        ({"extra": nested(16)}, "extra", "must not be nested deeper than 16"),
        (
            {"extra": {"k": ["a\0"]}},
            "extra",
            "must not hold NUL (U+0000) or half a character",
        ),
        (
            {"tags": {"\ud800": 1}},
            "tags",
            "must not hold NUL (U+0000) or half a character",
        ),
        ({"extra": {"k": float("inf")}}, "extra", "must hold finite numbers only"),
        ({"extra": {"k": 2**63}}, "extra", "must hold 64-bit whole numbers only"),
        ({"extra": {"k": "x" * 262144}}, "cdr", "must not be larger than 262144 bytes"),
        ({"extra": {"k": {1}}}, "extra", "must be JSON"),
        ({"nonsense": 1}, "nonsense", "unknown field"),
    ],
)
def test_it_names_the_field_at_fault_and_says_why(record, change, field, message):
    with pytest.raises(BadCdr) as caught:
        parse(record | change)

    assert caught.value.errors == (FieldError(field, message),)


def test_all_faults_of_a_record_are_told_at_once():
    with pytest.raises(BadCdr) as caught:
        parse({"duration": -1, "caller": {"name": 1}})

    assert {error.field for error in caught.value.errors} == {
        "uid",
        "started_at",
        "duration",
        "caller.name",
    }


def test_no_more_than_20_faults_are_told(record):
    with pytest.raises(BadCdr) as caught:
        parse(record | {f"unknown{i}": 1 for i in range(1000)})

    assert len(caught.value.errors) == 20


@pytest.mark.parametrize("raw", [None, 1, "{}", [], [{}]])
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(BadCdr) as caught:
        parse(raw)

    assert caught.value.errors == (FieldError("cdr", "must be an object"),)


def test_a_tree_of_16_levels_with_its_leaves_is_kept(record):
    cdr = parse({**record, "extra": nested(15)})

    assert cdr.extra == nested(15)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}x",
        b'{"uid": NaN}',
        b'{"uid": Infinity}',
        b'{"uid": "\xff"}',
        b'{"uid": "\n"}',
        b"[" * 100_000,
        b"9" * 100_000,
        b'{"a": "\\ud800", "b": ' + b"[" * 100_000,
        b'{"a": "\\ud800", "b": NaN}',
        '{"uid": "x"}'.encode("utf-16"),
    ],
)
def test_bytes_that_are_no_json_are_malformed(body):
    with pytest.raises(MalformedJson, match="body: not valid JSON"):
        parse(body)


def test_half_a_character_spoils_its_record_only(record):
    body = json.dumps({**record, "caller": {"name": "Caf\udce9"}}).encode()

    with pytest.raises(BadCdr) as caught:
        parse(body)

    assert caught.value.errors[0].field == "caller.name"
    assert not isinstance(caught.value, MalformedJson)


def test_a_byte_order_mark_is_skipped(record):
    assert dump(parse(b"\xef\xbb\xbf" + json.dumps(record).encode())) == dump(
        parse(record)
    )


def test_of_a_key_that_stands_twice_the_last_one_counts():
    body = b'{"uid": "a", "uid": "b", "started_at": "2026-11-23T00:00:00Z"}'

    assert parse(body).uid == "b"
