"""UUIDs of version 7 (RFC 9562): ids that sort by the time they were made."""

from __future__ import annotations

import datetime as dt
import os
import struct
import time
from typing import Final
from uuid import UUID, SafeUUID

_VERSION_AND_VARIANT: Final = 7 << 76 | 2 << 62
_DRAWN: Final = struct.Struct("!512Q")
_SAFETY: Final = SafeUUID.unknown
# An id's own checks are of what others give, and take four times as long.
_set_number: Final = vars(UUID)["int"].__set__
_set_safety: Final = vars(UUID)["is_safe"].__set__

# Random numbers to come: to ask the system for each takes longer than the rest of an id.
# Taking one off a list is a single step, so that no two threads are given the same.
_random: Final[list[int]] = []
# A process that was forked has a copy of the list, and would make its parent's ids again.
os.register_at_fork(after_in_child=_random.clear)


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits."""
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    moment = milliseconds << 80 | fraction << 64
    made = UUID.__new__(UUID)
    _set_number(made, moment | _VERSION_AND_VARIANT | _next_random() >> 2)
    _set_safety(made, _SAFETY)
    return made


def _next_random() -> int:
    """64 random bits."""
    try:
        return _random.pop()
    except IndexError:
        first: int
        first, *others = _DRAWN.unpack(os.urandom(_DRAWN.size))
        _random.extend(others)
        return first


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
