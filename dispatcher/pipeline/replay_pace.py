"""How fast a replay goes: how much a step may send, and when the next one is due.

Reads no clock and no database.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

# Rows that one transaction changes: about 20 ms of work, and as many parameters as a
# statement of SQLite takes.
MOST: Final = 500
# Of a rate, what one step sends.
SLICE_SECONDS: Final = 1.0
# So much of what a late step missed is made up; more would be a burst.
MADE_UP: Final = dt.timedelta(seconds=3)
# A step further ahead than any is planned: the clock was set back.
LONGEST_WAIT: Final = dt.timedelta(seconds=60)


def step_size(per_second: int | None) -> int:
    """How many one step may send."""
    if per_second is None:
        return MOST
    return max(1, min(MOST, round(per_second * SLICE_SECONDS)))


def is_due(next_step_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether the time of a step has come, or can no more be believed."""
    return next_step_at <= now or next_step_at > now + LONGEST_WAIT


def next_step(
    due_at: dt.datetime, now: dt.datetime, sent: int, per_second: int | None
) -> dt.datetime:
    """When the step after one that was due at `due_at` and sent so many is due.

    Counted from when this one was due, so that a step that comes late makes the rate no
    lower; however late it comes, only MADE_UP of it is made up.
    """
    if per_second is None:
        return now
    began = now if due_at > now else max(due_at, now - MADE_UP)
    return began + dt.timedelta(seconds=sent / per_second)
