"""A condition is split, judged when it is saved, and refused with a reason."""

import pytest

from dispatcher.cdr_fields import FIELDS
from dispatcher.filters.conditions import (
    OPERATORS,
    BadFilterError,
    operators_for,
    parse,
    refusal,
)
from dispatcher.values import Filter


def test_it_splits_at_the_first_two_colons():
    assert parse("start:gte:2024-05-29T09:00:00Z") == Filter(
        "start", "gte", "2024-05-29T09:00:00Z"
    )


@pytest.mark.parametrize("text", ["", "dur", "dur:gt"])
def test_fewer_than_two_colons_are_refused(text):
    with pytest.raises(BadFilterError, match="not written FIELD:OP:VALUE") as caught:
        parse(text)

    assert caught.value.error.field == "filter"


@pytest.mark.parametrize(
    ("text", "part", "reason"),
    [
        ("lRgDevName:eq:a", "field", 'did you mean "lRngDevName"?'),
        ("DDINUM:eq:a", "field", 'did you mean "ddiNum"?'),
        ("xyzzy123:eq:a", "field", 'no field "xyzzy123"'),
        ("tags.:eq:a", "field", 'no field "tags."'),
        ("dur:is:1", "op", 'no operator "is"; dur takes eq, ne, in, gt'),
        ("dur:contains:1", "op", '"contains" does not fit; dur takes'),
        ("cause:gt:1", "op", '"gt" does not fit; cause takes'),
        ("dir:gt:1", "op", '"gt" does not fit; dir takes eq, ne, in, isset'),
        ("lost:lt:1", "op", '"lt" does not fit'),
        ("recordingIds:gt:1", "op", '"gt" does not fit'),
        ("tags:eq:a", "op", '"eq" does not fit; tags takes isset'),
        ("directoryMatches:contains:a", "op", "takes isset"),
        ("dur:eq:ten", "value", '"ten" is not a number'),
        ("dur:eq:1e3", "value", '"1e3" is not a number'),
        ("dur:eq:nan", "value", '"nan" is not a number'),
        ("dur:in:1,,2", "value", "missing before or after a comma"),
        ("dur:in:", "value", "missing before or after a comma"),
        ("dur:between:1", "value", "two values"),
        ("dur:between:1,2,3", "value", "two values"),
        ("dur:between:2,1", "value", "the first value is above the second"),
        ("tags.x:gt:high", "value", '"high" is not a number'),
        ("start:gt:yesterday", "value", "not an ISO 8601 time"),
        ("start:gt:2024-13-01", "value", "not an ISO 8601 time"),
        ("start:gt:0001-01-01T00:00:00+10:00", "value", "not an ISO 8601 time"),
        ("type:eq:both", "value", "0 unknown, 1 internal, 2 external"),
        ("dir:in:inbound,5", "value", '"5" is not a code of dir'),
        ("lost:eq:yes", "value", "not 1, 0, true or false"),
        ("dur:isset:maybe", "value", "not 1, 0, true or false"),
        ("cause:matches:(a", "value", "not an RE2 pattern: missing )"),
        ("cause:matches:(?=a)", "value", "not an RE2 pattern"),
        ("cause:matches:\ud800", "value", "not an RE2 pattern"),
    ],
)
def test_a_condition_that_cannot_be_understood_is_refused(text, part, reason):
    error = refusal(parse(text))

    assert error is not None
    assert error.field == part
    assert reason in error.message


@pytest.mark.parametrize("name", [*FIELDS, "tags.Support"])
def test_every_field_can_be_asked_for(name):
    assert refusal(Filter(name, "isset", "true")) is None
    assert "isset" in operators_for(name)


def test_the_operators_are_those_of_the_document():
    assert " ".join(OPERATORS) == (
        "eq ne in contains startswith endswith matches gt gte lt lte between isset"
    )


def test_a_field_that_does_not_exist_takes_no_operator():
    assert operators_for("nothing") == ()


def test_a_pattern_is_refused_without_a_word_on_standard_error(capfd):
    assert refusal(Filter("cause", "matches", "[z-a]")) is not None
    assert capfd.readouterr().err == ""
