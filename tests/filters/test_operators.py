"""Each operator against each kind of field, one table per operator."""

import dataclasses
import datetime as dt
from decimal import Decimal

import pytest

from dispatcher.filters.conditions import parse
from dispatcher.filters.match import matches
from dispatcher.values import Caller, Cdr, Line, Rating, Recording

STARTED = dt.datetime(2024, 5, 29, 8, 37, 35, tzinfo=dt.UTC)
CALL = Cdr(
    uid="call-1",
    started_at=STARTED,
    time_zone="Europe/London",
    duration=10,
    direction="inbound",
    call_type="external",
    abandoned=False,
    short_call=True,
    hangup_cause="NORMAL_CLEARING",
    caller=Caller(number="+447000000000", name="Zoë Söhne"),
    dialed=Line(number="+441610000000", name=""),
    recordings=(Recording(id="rec-1"), Recording(id="rec-2")),
    rating=Rating(cost=Decimal("0.0350")),
    tags={
        "Support": "step1",
        "vip": True,
        "score": 4.5,
        "text": "12",
        "path": ["ivr", "queue"],
        "deep": {"a": 1},
        "tiny": 1e-07,
        "gone": None,
        "a.b": "dotted",
    },
)


def _holds(text):
    return matches(CALL, [parse(text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cause:eq:NORMAL_CLEARING", True),
        ("cause:eq:normal_clearing", False),
        ("cause:eq:NORMAL", False),
        ("ddiName:eq:", True),
        ("dur:eq:10", True),
        ("dur:eq:10.0", True),
        ("dur:eq:11", False),
        ("rateCost:eq:0.035", True),
        ("start:eq:2024-05-29T09:37:35+01:00", True),
        ("start:eq:2024-05-29T08:37:35Z", True),
        ("start:eq:2024-05-29T08:37:35", True),
        ("start:eq:2024-05-29T09:37:35", False),
        ("type:eq:external", True),
        ("type:eq:2", True),
        ("type:eq:External", True),
        ("type:eq:internal", False),
        ("short:eq:1", True),
        ("short:eq:true", True),
        ("lost:eq:0", True),
        ("lost:eq:true", False),
        ("hasRec:eq:1", True),
        ("dType:eq:CloudSessionCdr", True),
        ("recordingIds:eq:rec-2", True),
        ("recordingIds:eq:rec-3", False),
        ("tags.Support:eq:step1", True),
        ("tags.support:eq:step1", False),
        ("tags.vip:eq:true", True),
        ("tags.vip:eq:1", True),
        ("tags.score:eq:4.5", True),
        ("tags.tiny:eq:0.0000001", True),
        ("tags.path:eq:queue", True),
        ("tags.a.b:eq:dotted", True),
        ("tags.deep:eq:1", False),
    ],
)
def test_eq_holds_for_the_same_value(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cause:ne:NORMAL_CLEARING", False),
        ("cause:ne:USER_BUSY", True),
        ("dur:ne:10", False),
        ("type:ne:internal", True),
        ("start:ne:2024-05-29T09:37:35+01:00", False),
        ("recordingIds:ne:rec-2", False),
        ("recordingIds:ne:rec-3", True),
        ("tags.vip:ne:1", False),
        ("tags.deep:ne:1", True),
        ("talk:ne:5", True),
    ],
)
def test_ne_holds_for_another_value_and_for_an_unknown_one(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dir:in:inbound,both", True),
        ("dir:in:2", True),
        ("dir:in:outbound, both", False),
        ("cause:in:USER_BUSY, NORMAL_CLEARING", True),
        ("dur:in:9,10", True),
        ("start:in:2024-05-29T08:37:35Z,2024-05-30", True),
        ("recordingIds:in:rec-9,rec-1", True),
        ("tags.score:in:4,5", False),
    ],
)
def test_in_holds_for_one_of_the_values(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cliName:contains:Söh", True),
        ("cliName:contains:söh", False),
        ("ddiNum:startswith:+44161", True),
        ("ddiNum:startswith:44161", False),
        ("ddiNum:endswith:0000", True),
        ("ddiNum:endswith:+44", False),
        ("recordingIds:endswith:-2", True),
        ("tags.path:contains:que", True),
        ("tags.Support:startswith:Step", False),
    ],
)
def test_contains_startswith_and_endswith_look_at_parts_of_a_text(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ddiNum:matches:161", True),
        ("ddiNum:matches:^161", False),
        (r"ddiNum:matches:^\+44\d{10}$", True),
        ("cliName:matches:(?i)^zoë", True),
        ("cliName:matches:^Zo.\\s", True),
        ("cause:matches:a:b|CLEAR", True),
        ("ddiName:matches:^$", True),
        ("recordingIds:matches:2$", True),
    ],
)
def test_matches_searches_for_the_pattern(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize(
    ("op", "below", "equal", "above"),
    [
        ("gt", True, False, False),
        ("gte", True, True, False),
        ("lt", False, False, True),
        ("lte", False, True, True),
    ],
)
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("dur", ("9", "10", "10.5")),
        ("rateCost", ("0.0349", "0.035", "0.0351")),
        ("tags.score", ("-1", "4.50", "30")),
        ("tags.text", ("9", "12", "100")),
        ("start", ("2024-05-29", "2024-05-29T10:37:35+02:00", "2024-05-29T10:00:00")),
    ],
)
def test_order_is_that_of_numbers_and_instants(field, values, op, below, equal, above):
    holds = [_holds(f"{field}:{op}:{value}") for value in values]

    assert holds == [below, equal, above]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dur:between:10,20", True),
        ("dur:between:1,10", True),
        ("dur:between:11,20", False),
        ("start:between:2024-05-29T09:00:00+01:00,2024-05-29T10:00:00+01:00", True),
        ("start:between:2024-05-29T09:00:00Z,2024-05-29T10:00:00Z", False),
        ("tags.score:between:4,5", True),
    ],
)
def test_between_includes_both_ends(text, expected):
    assert _holds(text) is expected


@pytest.mark.parametrize("field", ["tags.Support", "tags.path", "tags.deep"])
def test_a_tag_that_is_no_number_is_neither_more_nor_less(field):
    assert not _holds(f"{field}:gt:0")
    assert not _holds(f"{field}:lte:0")


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("dur", True),
        ("lost", True),
        ("ddiName", True),
        ("recordingIds", True),
        ("tags", True),
        ("tags.deep", True),
        ("talk", False),
        ("ans", False),
        ("rateBand", False),
        ("directoryMatches", False),
        ("tags.gone", False),
        ("tags.none", False),
    ],
)
def test_isset_tells_the_known_from_the_unknown(field, known):
    assert _holds(f"{field}:isset:true") is known
    assert _holds(f"{field}:isset:0") is not known


def test_a_known_empty_list_is_set_and_has_no_item():
    call = dataclasses.replace(CALL, recordings=(), contacts=())

    assert matches(call, [parse("recordingIds:isset:1")])
    assert matches(call, [parse("directoryMatches:isset:1")])
    assert not matches(call, [parse("recordingIds:contains:")])
    assert matches(call, [parse("recordingIds:ne:rec-1")])


@pytest.mark.parametrize("hour", [0, 1])
def test_a_time_in_the_hour_that_is_repeated_equals_only_its_own_instant(hour):
    moments = [dt.datetime(2024, 10, 27, each, 30, tzinfo=dt.UTC) for each in (0, 1)]
    call = dataclasses.replace(CALL, started_at=moments[hour])

    holds = [matches(call, [parse(f"start:eq:{each.isoformat()}")]) for each in moments]

    assert holds == [hour == 0, hour == 1]


def test_half_a_surrogate_pair_does_not_stop_a_pattern():
    call = dataclasses.replace(CALL, caller=Caller(name="Zo\ud800"))

    assert matches(call, [parse("cliName:matches:^Zo")])


def test_a_time_at_the_end_of_the_calendar_compares():
    last = dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(-dt.timedelta(hours=5)))

    call = dataclasses.replace(CALL, started_at=last)

    assert matches(call, [parse("start:gt:2024-01-01")])
