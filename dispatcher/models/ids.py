"""UUIDs of version 7 (RFC 9562): ids that sort by the time they were made."""

from __future__ import annotations

import datetime as dt
import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits."""
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random)


def first_id_at(moment: dt.datetime) -> UUID:
    """The smallest id of version 7 that can have been made at `moment`.

    Tables have no index on when a row was made; their ids sort by it.
    """
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)


def moment_of(key: UUID) -> dt.datetime:
    """When an id of version 7 was made, to the millisecond, in UTC."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return epoch + dt.timedelta(milliseconds=key.int >> 80)
