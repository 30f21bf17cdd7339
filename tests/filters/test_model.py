"""Filters against a model in plain Python, for values that nobody thought of."""

import datetime as dt
import operator
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.filters.conditions import refusal
from dispatcher.filters.match import explain, matches
from dispatcher.values import Cdr, Filter, Line, Rating

STARTED = dt.datetime(2024, 5, 29, 8, tzinfo=dt.UTC)
WORDS = {"unknown": 0, "internal": 1, "inbound": 2, "outbound": 3, "both": 4}
COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
PARTS = {
    "contains": lambda value, part: part in value,
    "startswith": lambda value, part: value[: len(part)] == part,
    "endswith": lambda value, part: part == value[len(value) - len(part) :],
}
# Few letters, so that texts often share their parts.
TEXTS = st.text("ab+:é ", max_size=4)
COSTS = st.decimals(min_value=-9, max_value=9, places=4)
# Around the night in which London's clocks go back.
MOMENTS = st.integers(0, 48 * 60).map(
    lambda minutes: (
        dt.datetime(2024, 10, 26, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    )
)
ZONES = st.sampled_from([None, "Europe/London", "America/New_York", "No/Where"])


def _call(**fields):
    return Cdr(**{"uid": "call-1", "started_at": STARTED, **fields})


def _holds(call, field, op, value):
    condition = Filter(field, op, str(value))
    assert refusal(condition) is None
    return matches(call, [condition])


@pytest.mark.parametrize("op", COMPARE)
@settings(deadline=None)
@given(cost=st.none() | COSTS, limit=COSTS)
def test_numbers_compare_as_numbers(op, cost, limit):
    call = _call(rating=Rating(cost=cost))

    expected = op == "ne" if cost is None else COMPARE[op](cost, limit)

    assert _holds(call, "rateCost", op, limit) is expected


@pytest.mark.parametrize("op", COMPARE)
@settings(deadline=None)
@given(
    moment=MOMENTS,
    limit=st.none() | MOMENTS,
    zone=ZONES,
    offset=st.integers(-12, 14),
)
def test_times_compare_as_instants_in_whatever_zones(op, moment, limit, zone, offset):
    limit = limit or moment  # equal ones would hardly ever be drawn
    shown = limit.astimezone(dt.timezone(dt.timedelta(hours=offset)))
    call = _call(started_at=moment, time_zone=zone)

    expected = COMPARE[op](moment, limit)

    assert _holds(call, "start", op, shown.isoformat()) is expected


@settings(deadline=None)
@given(
    duration=st.none() | st.integers(0, 9), first=st.integers(0, 9), more=st.integers(0)
)
def test_between_is_at_least_the_one_and_at_most_the_other(duration, first, more):
    last = first + more

    expected = duration is not None and first <= duration <= last

    call = _call(duration=duration)
    assert _holds(call, "dur", "between", f"{first},{last}") is expected


@pytest.mark.parametrize("op", PARTS)
@settings(deadline=None)
@given(text=st.none() | TEXTS, part=TEXTS)
def test_parts_of_texts_are_found_as_python_finds_them(op, text, part):
    call = _call(dialed=Line(name=text))

    expected = text is not None and PARTS[op](text, part)

    assert _holds(call, "ddiName", op, part) is expected


@settings(deadline=None)
@given(
    direction=st.none() | st.sampled_from(sorted(WORDS)),
    asked=st.lists(st.sampled_from([*WORDS, *map(str, WORDS.values())]), min_size=1),
)
def test_codes_are_found_by_word_and_by_number(direction, asked):
    codes = {WORDS[each] if each in WORDS else int(each) for each in asked}

    expected = direction is not None and WORDS[direction] in codes

    call = _call(direction=direction)
    assert _holds(call, "dir", "in", ",".join(asked)) is expected


@settings(deadline=None)
@given(
    limits=st.lists(st.integers(0, 9), max_size=4),
    duration=st.none() | st.integers(0, 9),
)
def test_all_filters_hold_exactly_if_none_is_named(limits, duration):
    filters = [Filter("dur", "gte", str(limit)) for limit in limits]
    call = _call(duration=duration)

    passes = matches(call, filters)

    assert passes is all(duration is not None and duration >= each for each in limits)
    assert (explain(call, filters) is None) is passes


@settings(deadline=None)
@given(
    field=st.sampled_from(["dur", "start", "dir", "lost", "cause", "tags.a", "x"]),
    op=st.sampled_from([*COMPARE, *PARTS, "in", "between", "matches", "isset", "y"]),
    value=st.text(),
)
def test_no_value_that_anyone_types_can_raise(field, op, value):
    condition = Filter(field, op, value)
    call = _call(tags={"a": [1, Decimal("0.5"), "x", None, {}]}, duration=1)

    refused = refusal(condition) is not None

    assert not (refused and matches(call, [condition]))
