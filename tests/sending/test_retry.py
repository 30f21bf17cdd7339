"""When to try again (dimensions.txt: the attempt's number x 2 seconds)."""

import datetime as dt

import pytest

from dispatcher.sending.retry import next_attempt

ENDED = dt.datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=dt.UTC)


def wait(tries_made, retries, **more):
    due = next_attempt(ENDED, tries_made, retries, **more)
    return None if due is None else (due - ENDED).total_seconds()


@pytest.mark.parametrize(
    ("tries_made", "retries", "seconds"),
    [
        (1, 0, None),
        (1, 1, 2),
        (2, 1, None),
        (1, 10, 2),
        (2, 10, 4),
        (3, 10, 6),
        (9, 10, 18),
        (10, 10, 20),
        (11, 10, None),
        (50, 10, None),
    ],
)
def test_the_wait_before_retry_n_is_n_times_two_seconds(tries_made, retries, seconds):
    assert wait(tries_made, retries) == seconds


@pytest.mark.parametrize(
    ("retry_after", "honour", "seconds"),
    [
        (30.0, False, 4),
        (30.0, True, 30),
        (1.0, True, 4),
        (0.0, True, 4),
        (3600.0, True, 60),
        (None, True, 4),
    ],
)
def test_retry_after_makes_the_wait_longer_only_when_it_is_honoured(
    retry_after, honour, seconds
):
    more = {"retry_after": retry_after, "honour_retry_after": honour}
    assert wait(2, 5, **more) == seconds


def test_retry_after_gives_no_try_that_is_not_left():
    assert wait(2, 1, retry_after=5.0, honour_retry_after=True) is None


@pytest.mark.parametrize(("tries_made", "retries"), [(0, 1), (1, -1), (1, 11)])
def test_numbers_out_of_range_are_refused(tries_made, retries):
    with pytest.raises(ValueError, match=r"retries|tries_made"):
        next_attempt(ENDED, tries_made, retries)
