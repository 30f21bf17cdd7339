"""Decides whether and when to try again. Reads no clock and no database."""

from __future__ import annotations

import datetime as dt
from typing import Final

MAX_RETRIES: Final = 10
WAIT_STEP: Final = dt.timedelta(seconds=2)
MAX_RETRY_AFTER_SECONDS: Final = 60.0


def next_attempt(
    ended_at: dt.datetime,
    tries_made: int,
    retries: int,
    *,
    retry_after: float | None = None,
    honour_retry_after: bool = False,
) -> dt.datetime | None:
    """Return when the next attempt is due, or None when the tries are used up.

    `tries_made` counts the attempts made so far, the failed one included (1-indexed);
    `retries` is 0 to 10. The wait before retry n is n x 2 s from the end of the failed
    attempt (dimensions.txt). `retry_after`, in seconds, is what the receiver asked for;
    it counts only with `honour_retry_after`, makes the wait longer, never shorter, and
    never longer than 60 s. ValueError for numbers out of range.
    """
    if not 0 <= retries <= MAX_RETRIES:
        raise ValueError(f"retries must be 0 to {MAX_RETRIES}, not {retries}")
    if tries_made < 1:
        raise ValueError("tries_made counts the failed attempt: it is at least 1")
    if tries_made > retries:
        return None
    wait = tries_made * WAIT_STEP
    if honour_retry_after and retry_after is not None:
        asked = dt.timedelta(seconds=min(retry_after, MAX_RETRY_AFTER_SECONDS))
        wait = max(wait, asked)
    return ended_at + wait
