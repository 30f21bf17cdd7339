"""The marks of the feed's clock: every 5 minutes, in UTC, as webex.txt has it.

At mark T the calls are due that ended in [T - 2 periods, T - 1 period). Reads no clock.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.conf import settings

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def period() -> dt.timedelta:
    """Between two marks: 5 minutes, unless it is shortened for trying things out."""
    return dt.timedelta(seconds=settings.CDRHOOK_FEED_SECONDS)


def mark_before(moment: dt.datetime) -> dt.datetime:
    """The last mark that has come by `moment`; also the start of a call's window."""
    return moment - (moment - _EPOCH) % period()


def closed_by(now: dt.datetime) -> dt.datetime:
    """Windows that end by then have been, or are to be, sent."""
    return mark_before(now) - period()
