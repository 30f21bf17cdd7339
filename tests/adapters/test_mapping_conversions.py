"""What a field of a PBX's becomes, conversion by conversion."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.mapped_record import Document, to_cdr, values_of
from dispatcher.adapters.mapping import plan_of

BEGIN = "2026-11-23T14:05:09Z"


def converted(path: str, value: Any, rule: Any = None, zone: str = "UTC") -> Any:
    """What `path` becomes of the value of their field `it`."""
    rule = {"from": "it", **(rule or {})} if not isinstance(rule, list) else rule
    fields = {"uid": {"from": "id"}, "started_at": "begin", path: rule}
    plan = plan_of({"fields": fields})
    assert plan is not None
    record = Document({"id": "1", "begin": BEGIN, "it": value})
    return values_of(record, plan, zone)[path]


@pytest.mark.parametrize(
    ("how", "value", "expected"),
    [
        ("iso", "2026-11-23T14:05:09Z", "2026-11-23T14:05:09+00:00"),
        ("iso", "2026-11-23 14:05:09.25 +0100", "2026-11-23T14:05:09.250000+01:00"),
        ("iso", "20261123T140509 UTC", "2026-11-23T14:05:09+00:00"),
        ("iso", "2026-07-23 14:05:09", "2026-07-23T13:05:09+00:00"),
        ("iso", "2026-11-23 14:05:09.125", "2026-11-23T14:05:09.125000+00:00"),
        ("iso", "0000-00-00 00:00:00", None),
        ("unix_s", "1790000000", "2026-09-21T14:13:20+00:00"),
        ("unix_s", 1790000000.5, "2026-09-21T14:13:20.500000+00:00"),
        ("unix_s", "0", None),
        ("unix_ms", 0, None),
        ("unix_ms", 1790000000123, "2026-09-21T14:13:20.123000+00:00"),
        ("unix_us", "1790000000123456", "2026-09-21T14:13:20.123456+00:00"),
        ("gregorian_s", 63957219200, "2026-09-21T14:13:20+00:00"),
        ("gregorian_s", "0", None),
        ("julian_days", 2461367.5, "2026-11-23T00:00:00+00:00"),
        ("julian_days", "2461367.50784144", "2026-11-23T00:11:17.500000+00:00"),
    ],
)
def test_times(how, value, expected):
    assert converted("ended_at", value, {"as": how}, "Europe/London") == expected


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("%d.%m.%Y %H:%M", "23.07.2026 14:05", "2026-07-23T12:05:00+00:00"),
        (
            "%b %d %Y %I:%M:%S %p",
            "Jul 23 2026 02:05:09 PM",
            "2026-07-23T12:05:09+00:00",
        ),
        ("%Y%m%d%H%M%S", "20260723140509", "2026-07-23T12:05:09+00:00"),
        (
            "%Y-%m-%d %H:%M:%S %z",
            "2026-07-23 14:05:09 -0500",
            "2026-07-23T14:05:09-05:00",
        ),
    ],
)
def test_times_that_are_written_in_a_way_of_their_own(form, value, expected):
    rule = {"as": "strftime", "format": form}

    assert converted("ended_at", value, rule, "Europe/Berlin") == expected


def test_a_rule_may_have_another_zone_than_the_source():
    rule = {"zone": "America/New_York"}

    assert converted("ended_at", "2026-07-23 14:05:09", rule, "Asia/Tokyo") == (
        "2026-07-23T18:05:09+00:00"
    )


@pytest.mark.parametrize(
    ("path", "rule", "value", "expected"),
    [
        ("duration", {}, "47", 47),
        ("duration", {}, 47.9, 47),
        ("duration", {}, "0", 0),
        ("duration", {"as": "milliseconds"}, 47999, 47),
        ("duration", {"as": "hms"}, "00:05:36", 336),
        ("duration", {"as": "hms"}, "5:36", 336),
        ("duration", {"as": "hms"}, "1.02:03:04.5", 93784),
        ("caller.number", {}, " +44 20 7946 0001 ", "+44 20 7946 0001"),
        ("caller.number", {}, 2079460001, "2079460001"),
        (
            "caller.number",
            {"as": "number"},
            "sip:+44 (20) 7946-0001@pbx",
            "+442079460001",
        ),
        ("caller.number", {"as": "number"}, "Ext.104", "104"),
        ("caller.number", {"as": "number"}, "anonymous", "anonymous"),
        ("hangup_cause_code", {}, "16", 16),
        ("hangup_cause_code", {}, 16.0, 16),
        ("rating.cost", {}, "0,0350", "0.0350"),
        ("rating.cost", {}, 0.035, 0.035),
        ("abandoned", {}, "Yes", True),
        ("abandoned", {}, 0, False),
        ("direction", {}, "INCOMING", "inbound"),
        ("disposition", {}, "NO ANSWER", "no_answer"),
        ("disposition", {}, "canceled", "cancelled"),
        ("call_type", {}, "External", "external"),
        ("time_zone", {}, "Europe/London", "Europe/London"),
        ("extra.anything", {}, {"as": ["it", 1]}, {"as": ["it", 1]}),
        ("extra.text", {"as": "text"}, 5, "5"),
        ("tags.Team", {"as": "whole"}, "5", 5),
        ("dialer.client_id", {"as": "whole"}, "5", 5),
    ],
)
def test_other_values(path, rule, value, expected):
    assert converted(path, value, rule) == expected


WORDS = {"as": "words", "words": {"A": "answered", "B": "busy", "?": None}}


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        ("A", {}, "answered"),
        ("b", {}, "busy"),
        ("?", {}, None),
        ("C", {"default": "failed"}, "failed"),
        ("C", {"default": None}, None),
    ],
)
def test_words_by_a_table(value, default, expected):
    assert converted("disposition", value, {**WORDS, **default}) == expected


@pytest.mark.parametrize(
    ("path", "rule", "value", "message"),
    [
        ("ended_at", {}, "yesterday", "must be a time such as 2026-11-23T14:05:09Z"),
        ("ended_at", {}, "2026-13-01 00:00", "must be a time such as"),
        ("ended_at", {}, "1790000000", "must be a time such as"),
        ("ended_at", {"as": "unix_s"}, "-5", "must be a number, 0 or more"),
        ("ended_at", {"as": "unix_s"}, 10**17, "must be a time from 1970 on"),
        ("ended_at", {"as": "gregorian_s"}, "5", "must be a time from 1970 on"),
        ("duration", {}, "00:05", "must be a number, 0 or more"),
        ("duration", {"as": "hms"}, "5", "must be a duration such as 0:05:36"),
        ("duration", {}, "9" * 100, "must not be longer than 64 characters"),
        ("hangup_cause_code", {}, "NORMAL", "must be a whole number"),
        ("rating.cost", {}, "£5", "must be an amount such as 0.0350"),
        ("abandoned", {}, "maybe", "must be yes or no"),
        ("direction", {}, "5", "must be one of internal, inbound,"),
        ("disposition", WORDS, "C", "is a word that the mapping's table has not"),
        ("caller.name", {}, ["a"], "must be text or a number"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_their_name(path, rule, value, message):
    with pytest.raises(BadCdr) as refused:
        converted(path, value, rule)

    [error] = refused.value.errors
    assert error.field == "it"
    assert error.message.startswith(message)
    assert error.message.endswith(f" ({path})")


def test_the_first_that_is_known_is_taken():
    rules = [
        {"from": ["none", "empty"]},
        {"from": "it", "unknown": ["NA"]},
        {"value": "nobody"},
    ]

    assert converted("caller.name", "Reception", rules) == "Reception"
    assert converted("caller.name", "NA", rules) == "nobody"


def test_joined_fields_keep_their_places():
    plan = plan_of(
        {"fields": {"uid": {"from": ["a", "b", "c"], "join": "-"}, "started_at": "t"}}
    )
    assert plan is not None

    uids = [
        values_of(Document({"t": BEGIN, **ids}), plan, "UTC")["uid"]
        for ids in ({"a": 1, "b": 2}, {"a": 1, "c": 2}, {"a": 1, "b": "", "c": 2})
    ]

    assert uids == ["1-2-", "1--2", "1--2"]


def test_a_uid_is_made_fit():
    plan = plan_of({"fields": {"uid": "id", "started_at": "t"}})
    assert plan is not None

    cdr = to_cdr(Document({"id": "call 1", "t": BEGIN}), plan, "UTC")

    assert cdr.uid.startswith("call_1-")


SET_BACK = {"uid": "id", "started_at": "a", "ended_at": "b", "duration": "d"}


@pytest.mark.parametrize(
    ("end", "duration", "expected"),
    [
        ("2026-10-25 01:10:00", 600 + 3600, ("00:00:00", "01:10:00", "resolved")),
        ("2026-10-25 01:10:00", 600, ("00:00:00", "00:10:00", "ambiguous")),
        ("2026-10-25 00:10:00", 600, None),
    ],
)
def test_the_hour_that_comes_twice_is_told_by_the_other_times(end, duration, expected):
    plan = plan_of({"fields": SET_BACK})
    assert plan is not None
    begin = "2026-10-25 00:00:00" if expected is None else "2026-10-25 01:00:00"
    record = Document({"id": "1", "a": begin, "b": end, "d": duration})

    cdr = to_cdr(record, plan, "Europe/London")

    mark = (cdr.extra or {}).get("generic", {}).get("clock")
    times = (f"{cdr.started_at:%H:%M:%S}", f"{cdr.ended_at:%H:%M:%S}", mark)
    assert times == (expected or ("23:00:00", "23:10:00", None))
