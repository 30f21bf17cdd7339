"""The times of Asterisk's rows in UTC: by their offset, else by the source's clock.

Asterisk's unique ids begin with the second at which the channel was made, in UTC: in
the hour that comes twice when clocks are set back it says which one was meant.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_schema import YEARS
from dispatcher.adapters.told import EPOCH, moment_text
from dispatcher.adapters.zones import (
    PLAIN_FORMAT,
    Moments,
    local_moment,
    local_moments,
)
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from dispatcher.adapters.asterisk_row import Row

_FORMATS: Final = (PLAIN_FORMAT, "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z")
_HOURS_MAX: Final = 20_000
_DATE_AND_HOUR: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}", re.ASCII)
_WHOLE_HOUR: Final = dt.timedelta(seconds=3599)
_REST: Final = {
    f":{minute:02}:{second:02}": dt.timedelta(minutes=minute, seconds=second)
    for minute in range(60)
    for second in range(60)
}
_UNIQUE_ID: Final = re.compile(r"(?:.*-)?([0-9]{9,11})\.[0-9]+", re.ASCII | re.DOTALL)
# A channel's first row begins with it; clocks are read one after the other.
_MARGIN: Final = dt.timedelta(seconds=2)
_FIRST_ROW: Final = dt.timedelta(minutes=1)


class Clock:
    """Reads the times of rows whose local times are those of one zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._hours = _Hours(zone)

    def moments(self, row: Row, duration: int | None) -> Moments:
        """Start, answer and end of a row; BadCdr where one is no time.

        `duration` is that from start to end, in seconds.
        """
        start, answer, end, hours = row.start, row.answer, row.end, self._hours
        # Plain local times of hours in which no clock is set: most by far.
        try:
            return Moments(
                hours[start[:13]] + _REST[start[13:]],
                hours[answer[:13]] + _REST[answer[13:]] if answer else None,
                hours[end[:13]] + _REST[end[13:]] if end else None,
                "",
            )
        except KeyError:
            return self._careful(row, duration)

    def _careful(self, row: Row, duration: int | None) -> Moments:
        start, answer, end = (
            moment_text(getattr(row, name), name) for name in ("start", "answer", "end")
        )
        if not start:
            raise BadCdr(FieldError("start", "required"))
        moments = self._read(start, answer, end, duration)
        if moments.mark == "ambiguous":
            told = self._told_start(row, moments.start)
            if told is not None:
                moments = self._read(told.isoformat(), answer, end, duration)
                moments = moments._replace(mark=moments.mark or "resolved")
        if any(moment and moment.year not in YEARS for moment in moments[:3]):
            raise BadCdr(FieldError("start", "must be in the years 1970 to 9998"))
        return moments

    def _read(self, start: str, answer: str, end: str, seconds: int | None) -> Moments:
        try:
            return local_moments(
                start, answer, end, self._zone, duration=seconds, formats=_FORMATS
            )
        except ValueError as error:
            raise BadCdr(FieldError("start", str(error))) from None

    def _told_start(self, row: Row, first: dt.datetime) -> dt.datetime | None:
        """The start that the unique id agrees with; None where it does not tell."""
        match = _UNIQUE_ID.fullmatch(row.uniqueid)
        if match is None:
            return None
        made = EPOCH + dt.timedelta(seconds=int(match[1]))
        if first < made - _MARGIN:
            return self._second_coming(first)
        return first if first < made + _FIRST_ROW else None

    def _second_coming(self, first: dt.datetime) -> dt.datetime:
        local = first.astimezone(ZoneInfo(self._zone))
        return local.replace(fold=1).astimezone(dt.UTC)


class _Hours(dict[str, dt.datetime]):
    """When each hour of a zone begins in UTC; KeyError where it is not a plain one."""

    def __init__(self, zone: str) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, hour: str) -> dt.datetime:
        if not _DATE_AND_HOUR.fullmatch(hour):
            raise KeyError(hour)
        try:
            begin, mark = local_moment(f"{hour}:00:00", self._zone)
            last, last_mark = local_moment(f"{hour}:59:59", self._zone)
        except ValueError:
            raise KeyError(hour) from None
        if mark or last_mark or last - begin != _WHOLE_HOUR or begin.year not in YEARS:
            raise KeyError(hour)
        if len(self) >= _HOURS_MAX:
            self.clear()
        self[hour] = begin
        return begin


@lru_cache(maxsize=256)
def clock_of(zone: str) -> Clock:
    """The clock of an IANA zone, with the hours that it has met."""
    return Clock(zone)
