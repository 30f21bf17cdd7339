"""How far a table has been read: where to go on, and what was seen on the way.

Rows do not become visible in order: one with a lower id, or an earlier time, may be
committed later. Therefore a stretch behind the newest row is looked through again, and
what was seen there is remembered; after a restart it is read again. Both are safe,
for a uid that is known is a duplicate. Reads no clock and no table.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from dispatcher.collecting.table import LATE_COMMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dispatcher.collecting.table import Order, Row

PAGE: Final = 500
# How many ids behind the newest one a row may be that is committed later.
MOST_IDS: Final = 10_000


class Reading:
    """`start`: from which value on, itself included, all rows are to be read.

    None: from the very first. It moves on behind what has been read, never back.
    """

    def __init__(self, order: Order, start: Any) -> None:
        self.start = start
        self._order = order
        self._top: Any = None
        self._seen: dict[tuple[Any, ...], Any] = {}
        # When each newest id was first seen.
        self._tops: deque[tuple[float, Any]] = deque()

    def next_page(self) -> tuple[Any, int]:
        """From which value on to read, and how many rows: some of them are known."""
        if self._top is None:
            return self.start, PAGE
        known = sum(value == self._top for value in self._seen.values())
        return self._top, PAGE + known

    def unseen(self, rows: Iterable[Row]) -> list[Row]:
        """Those that have not been noted."""
        return [row for row in rows if self._identity(row) not in self._seen]

    def note(self, rows: Sequence[Row], at_seconds: float) -> None:
        """Remembers what has been stored."""
        for row in rows:
            value = row[self._order.column]
            self._seen[self._identity(row)] = value
            if self._top is None or _is_after(value, self._top):
                self._top = value
        if rows and (not self._tops or self._tops[-1][1] != self._top):
            self._tops.append((at_seconds, self._top))
        self._move(at_seconds)

    def stretch(self) -> tuple[Any, Any] | None:
        """From where to where late rows are looked for, both included."""
        return None if self._top is None else (self._from(), self._top)

    def late(self, found: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Of `Table.between`: where rows are that have not been noted, in order."""
        values = {
            value for value, *identity in found if tuple(identity) not in self._seen
        }
        return sorted(values)

    def start_after(self, rows: Sequence[Row], at_seconds: float) -> Any:
        """What `start` will be when these rows have been noted."""
        ahead = Reading(self._order, self.start)
        ahead._top, ahead._tops = self._top, self._tops.copy()
        ahead.note(rows, at_seconds)
        return ahead.start

    def _identity(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._order.identity)

    def _from(self) -> Any:
        return self._top if self.start is None else self.start

    def _move(self, at_seconds: float) -> None:
        start = self._start_by_now(at_seconds)
        if start is None or (
            self.start is not None and not _is_after(start, self.start)
        ):
            return
        self.start = start
        self._seen = {
            identity: value
            for identity, value in self._seen.items()
            if not _is_after(start, value)
        }

    def _start_by_now(self, at_seconds: float) -> Any:
        if self._top is None:
            return None
        if self._order.overlap is not None:
            return earlier(self._top, self._order.overlap)
        before = at_seconds - LATE_COMMIT.total_seconds()
        while len(self._tops) > 1 and self._tops[1][0] <= before:
            self._tops.popleft()
        is_old = bool(self._tops) and self._tops[0][0] <= before
        most = _whole(self._top) - MOST_IDS
        return max(most, _whole(self._tops[0][1])) if is_old else most


def _whole(value: Any) -> int:
    return int(value)


def _is_after(value: Any, other: Any) -> bool:
    """Whether one value comes behind another; what cannot be compared does not."""
    try:
        return bool(value > other)
    except TypeError:
        return False


def after(value: Any) -> Any:
    """The next value that a row behind this one may have."""
    if isinstance(value, int | Decimal):
        return int(value) + 1
    if isinstance(value, float):
        return math.nextafter(value, math.inf)
    if isinstance(value, dt.datetime):
        return value + dt.timedelta(microseconds=1)
    return f"{value}0"


def earlier(value: Any, by: dt.timedelta) -> Any:
    """A value of a column of times, moved back; itself where it is no time."""
    if isinstance(value, dt.datetime):
        return value - by
    if isinstance(value, float):
        return value - by / dt.timedelta(days=1)
    try:
        return str(dt.datetime.fromisoformat(value) - by)
    except (TypeError, ValueError, OverflowError):
        return value


def to_json(value: Any) -> Any:
    """A value as a cursor keeps it."""
    if isinstance(value, dt.datetime):
        return {"time": value.isoformat()}
    return int(value) if isinstance(value, Decimal) else value


def from_json(kept: Any) -> Any:
    """What `to_json` was given."""
    if isinstance(kept, dict):
        return dt.datetime.fromisoformat(kept["time"])
    return kept
