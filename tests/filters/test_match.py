"""All filters must hold; the first that does not is named."""

import datetime as dt

import pytest

from dispatcher.cdr_fields import FIELDS
from dispatcher.filters.conditions import OPERATORS, parse, refusal
from dispatcher.filters.match import explain, matches
from dispatcher.values import Cdr, Filter

CALL = Cdr(
    uid="call-1",
    started_at=dt.datetime(2024, 5, 29, 8, tzinfo=dt.UTC),
    duration=10,
    call_type="external",
)
LONG, EXTERNAL = parse("dur:gte:10"), parse("type:eq:external")
LOST = parse("lost:eq:1")
UNKNOWN = [name for name, field in FIELDS.items() if field.read(CALL) is None]
VALUES = ("1", "false", "2024-05-29", "1,1", "2024-05-29,2024-05-29")


def test_no_filters_let_every_call_through():
    assert matches(CALL, [])
    assert explain(CALL, ()) is None


@pytest.mark.parametrize(
    ("filters", "passes", "kept_out_by"),
    [
        ([LONG, EXTERNAL], True, None),
        ([LONG, LOST, EXTERNAL], False, LOST),
        ([LOST], False, LOST),
    ],
)
def test_filters_are_combined_by_and(filters, passes, kept_out_by):
    assert matches(CALL, filters) is passes
    assert explain(CALL, filters) == kept_out_by


@pytest.mark.parametrize("text", ["gone:eq:1", "dur:eq:ten", "cause:like:a"])
def test_a_filter_that_is_not_understood_lets_nothing_through_and_is_named(text):
    broken = parse(text)

    assert not matches(CALL, [LONG, broken])
    assert explain(CALL, [LONG, broken]) == broken


def test_a_pattern_made_to_hang_others_is_answered_at_once():
    hostile = Filter("id", "matches", "^(a+)+$")
    call = Cdr(uid="a" * 50_000 + "!", started_at=CALL.started_at)

    assert not matches(call, [hostile])


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("field", [*UNKNOWN, "tags.a"])
def test_of_an_unknown_value_only_ne_and_isset_false_hold(field, op):
    asked = [Filter(field, op, value) for value in VALUES]
    asked = [condition for condition in asked if refusal(condition) is None]

    held = [condition.value for condition in asked if matches(CALL, [condition])]

    holding = {"ne": [condition.value for condition in asked], "isset": ["false"]}
    assert held == holding.get(op, [])


def test_the_unknown_fields_asked_for_are_all_but_these():
    known = {"id", "dType", "sVer", "start", "dur", "type"}

    assert set(FIELDS) - set(UNKNOWN) == known
