"""How much a step of a replay sends, and when the next one is due."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.pipeline.replay_pace import is_due, next_step, step_size
from tests.conftest import NOW

HOUR = dt.timedelta(hours=1)


def seconds(count: float) -> dt.timedelta:
    return dt.timedelta(seconds=count)


@pytest.mark.parametrize(
    ("per_second", "size"),
    [(None, 500), (1, 1), (50, 50), (499, 499), (500, 500), (10_000, 500)],
)
def test_a_step_sends_what_a_second_allows_and_500_at_most(per_second, size):
    assert step_size(per_second) == size


@pytest.mark.parametrize(
    ("ahead", "due"),
    [
        (seconds(-1), True),
        (seconds(0), True),
        (seconds(1), False),
        (seconds(60), False),
        (HOUR, True),
        (-HOUR, True),
    ],
)
def test_a_step_is_due_when_its_time_has_come_or_cannot_be_right(ahead, due):
    assert is_due(NOW + ahead, NOW) is due


@pytest.mark.parametrize(
    ("late", "sent", "per_second", "after"),
    [
        (0, 50, 50, 1),  # a step of a second's worth
        (0, 500, 1000, 0.5),  # as many as one may send: sooner
        (1.5, 50, 50, -0.5),  # a late one does not lower the rate
        (3600, 50, 50, -2),  # a clock set forward makes no burst
        (0, 0, 50, 0),  # nothing found: look on at once
        (0, 500, None, 0),  # no rate
    ],
)
def test_the_next_step_is_counted_from_when_this_one_was_due(
    late, sent, per_second, after
):
    due_at = NOW - seconds(late)

    assert next_step(due_at, NOW, sent, per_second) == NOW + seconds(after)


def test_a_clock_set_back_neither_stops_nor_hurries_it():
    assert next_step(NOW + HOUR, NOW, 50, 50) == NOW + seconds(1)
