"""A figure has reached what it must, or not; where nothing is asked, neither."""

from __future__ import annotations

import pytest

from benchmarks.plots import times_as_good
from benchmarks.values import Goal, Measured, VerificationError


@pytest.mark.parametrize(
    ("goal", "value", "reached"),
    [
        (Goal("ratio", must=0.55), 0.55, True),
        (Goal("ratio", must=0.55), 0.54, False),
        (Goal("wait", must=10, at_most=True), 10, True),
        (Goal("wait", must=10, at_most=True), 10.1, False),
        (Goal("rate"), 0, None),
    ],
)
def test_a_goal_is_reached_at_what_it_must_be(goal, value, reached):
    assert goal.reached(value) is reached


@pytest.mark.parametrize(
    ("must", "at_most", "unit", "value", "times"),
    [
        (0.5, False, "", 1.0, 2.0),
        (10, True, "ms", 5, 2.0),
        (10, True, "ms", 0, float("inf")),
        (5, False, "x", 0, 0.0),
        # What is missing counts: half as many are late.
        (0.99, False, "within 1 s", 0.995, 2.0),
        (0.99, False, "within 1 s", 1, float("inf")),
        (0, True, "waits", 0, float("inf")),
        (0, True, "waits", 3, 0.0),
    ],
)
def test_how_many_times_as_good_it_is_follows_its_direction(
    must, at_most, unit, value, times
):
    goal = {"must": must, "at_most": at_most, "unit": unit}

    assert times_as_good(goal, value) == pytest.approx(times)


def test_the_median_and_the_worst_are_of_the_rounds_that_have_the_figure():
    measured = Measured(rounds=[{"a": 1}, {"a": 5}, {"a": 3}, {"b": 9}])

    assert measured.median_of("a") == 3
    assert measured.worst_of("a") == 1
    assert measured.worst_of("a", at_most=True) == 5


def test_what_does_not_hold_is_no_result():
    with pytest.raises(VerificationError, match="every attempt is recorded"):
        Measured().check(False, "every attempt is recorded")
