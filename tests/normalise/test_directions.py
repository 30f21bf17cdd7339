"""Directions by rule, else by the shape of the numbers."""

from __future__ import annotations

import pytest

from dispatcher.normalise.call import normalise
from dispatcher.normalise.directions import rules_of, rules_refusals
from dispatcher.values import Caller, DirectionRule, Filter, Line, SourceRules
from tests.pipeline.conftest import call

GB = SourceRules(region="GB")
OUTSIDE, INSIDE, DID = "07400123456", "101", "02031703746"


def between(caller, dialed, **values):
    return call(
        "a",
        **{"direction": None, **values},
        caller=Caller(number=caller),
        dialed=Line(number=dialed),
    )


def rules(*rules):
    return SourceRules(
        region="GB",
        directions=tuple(
            DirectionRule(condition=Filter(*condition.split(":")), direction=direction)
            for condition, direction in rules
        ),
    )


@pytest.mark.parametrize(
    ("caller", "dialed", "direction"),
    [
        (INSIDE, "102", "internal"),
        (INSIDE, "*97", "internal"),
        (INSIDE, OUTSIDE, "outbound"),
        (INSIDE, "999", "outbound"),
        (OUTSIDE, INSIDE, "inbound"),
        ("anonymous", INSIDE, "inbound"),
        # Nobody can know.
        (OUTSIDE, DID, None),
        (DID, "999", None),
        ("anonymous", "112", None),
        ("anonymous", DID, None),
        (None, INSIDE, None),
        (INSIDE, None, None),
        ("alice", "bob", None),
        (INSIDE, "bob", None),
    ],
)
def test_without_a_rule_the_shape_of_the_numbers_tells(caller, dialed, direction):
    assert normalise(between(caller, dialed), GB).direction == direction


def test_the_shape_tells_nothing_where_neither_region_nor_rule_is_set():
    assert normalise(between(INSIDE, "102"), SourceRules()).direction is None


def test_the_shape_never_overrides_what_the_pbx_said():
    told = normalise(between(INSIDE, "102", direction="inbound"), GB)
    unknown = normalise(between(INSIDE, "102", direction="unknown"), GB)

    assert (told.direction, unknown.direction) == ("inbound", "internal")


def test_the_first_rule_that_holds_overrides_what_the_pbx_said():
    its = rules(("ddiNum:eq:+442031703746", "inbound"), ("dir:isset:1", "both"))

    to_a_did = normalise(between(OUTSIDE, DID, direction="outbound"), its)
    other = normalise(between(OUTSIDE, INSIDE, direction="outbound"), its)

    assert (to_a_did.direction, other.direction) == ("inbound", "both")
    assert (to_a_did.extra or {})["as_sent"]["direction"] == "outbound"


def test_two_rules_that_swap_directions_do_not_swap_back():
    swapped = rules(("dir:eq:inbound", "outbound"), ("dir:eq:outbound", "inbound"))
    once = normalise(between(INSIDE, OUTSIDE, direction="inbound"), swapped)

    assert once.direction == "outbound"
    assert normalise(once, swapped) == once


def test_where_no_rule_holds_the_shape_tells():
    its = rules(("ddiNum:eq:+442031703746", "inbound"))

    assert normalise(between(INSIDE, OUTSIDE), its).direction == "outbound"


def test_good_rules_are_refused_nothing():
    stored = [{"field": "dir", "op": "eq", "value": "inbound", "direction": "outbound"}]

    assert rules_refusals(stored) == rules_refusals([]) == []
    assert rules_of(stored) == (
        DirectionRule(condition=Filter("dir", "eq", "inbound"), direction="outbound"),
    )


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"field": "direcion"}, "directions.1.field", 'no field "direcion"'),
        ({"op": "like"}, "directions.1.op", 'no operator "like"'),
        ({"value": "sideways"}, "directions.1.value", "is not a code of dir"),
        ({"direction": "up"}, "directions.1.direction", "must be one of internal"),
        ({"value": 1}, "directions.1.value", "must be text"),
        ({"colour": "red"}, "directions.1", "exactly field, op, value and direction"),
    ],
)
def test_a_bad_rule_is_refused_by_its_place_and_part(change, field, message):
    rule = {"field": "dir", "op": "eq", "value": "inbound", "direction": "outbound"}

    (error,) = rules_refusals([{**rule, **change}])

    assert error.field == field
    assert message in error.message


def test_what_is_no_list_of_rules_is_refused_and_read_as_none():
    nothings: list[object] = [{}, "x", None, 1]
    for stored in nothings:
        assert rules_refusals(stored)[0].field == "directions"
        assert rules_of(stored) == ()
    assert rules_refusals([1])[0].field == "directions.1"
    assert rules_of([1, {"field": "dir"}]) == ()
    assert "not be more than 100" in rules_refusals([{}] * 101)[0].message


def test_a_rule_about_a_field_that_is_no_more_holds_for_no_call():
    its = rules(("gone:eq:1", "both"))

    assert normalise(between(INSIDE, "102"), its).direction == "internal"
