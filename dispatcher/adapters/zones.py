"""Reads times as a clock on a wall shows them: without a zone, in a source's own.

Where clocks are set back an hour comes twice, where they are set forward one does not
exist: such times are read by a rule and marked, never refused. Knows no record.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

Mark = Literal["", "ambiguous", "missing", "resolved"]

PLAIN_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
FORMATS: Final = (PLAIN_FORMAT,)
_PLAIN: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII
)
# PBXs cut seconds off, or round them.
_DURATION_MARGIN: Final = dt.timedelta(seconds=2)


class _Reading(NamedTuple):
    """How far a local time is from UTC, at its first and at its second coming."""

    first: dt.timedelta
    second: dt.timedelta
    mark: Mark


class Moments(NamedTuple):
    """The times of one record, in UTC.

    `mark` is that of all of them: `resolved` where a time came twice and the others
    say which it was, else `ambiguous` or `missing` where one of them was.
    """

    start: dt.datetime
    answer: dt.datetime | None
    end: dt.datetime | None
    mark: Mark


def local_moment(
    text: str, zone: str, *, formats: tuple[str, ...] = FORMATS
) -> tuple[dt.datetime, Mark]:
    """The moment in UTC that a local time means, and a mark.

    The mark is "" where nothing is doubtful; `ambiguous` in the hour that comes twice
    when clocks are set back: the first is taken; `missing` in the hour that is left out
    when they are set forward: read as if they had not been. `zone` is an IANA name;
    `formats` are strptime's, tried in order, and a %z in one makes `zone` not matter.
    Raises ValueError with a message fit to be shown.
    """
    # Most by far: strptime takes ten times as long, and zoneinfo five times.
    if formats is FORMATS and _PLAIN.fullmatch(text):
        reading = _of_hour(zone, text[:13])
        if reading is not None:
            return _shifted(_existing(text), reading.first), reading.mark
    naive = _parsed(text, formats)
    if naive.tzinfo is not None:
        return _in_utc(naive), ""
    reading = _read_at(naive, zone)
    return _shifted(naive, reading.first), reading.mark


def local_moments(
    start: str,
    answer: str | None,
    end: str | None,
    zone: str,
    *,
    duration: int | None = None,
    formats: tuple[str, ...] = FORMATS,
) -> Moments:
    """The times of one record in UTC; "" and None are times that it has not got.

    Of times that come twice those are taken that are in order and, where `duration`
    (seconds from start to end) is known, agree with it; else the first. Raises as
    `local_moment` does.
    """
    if not start:
        raise ValueError("there is no time of the start")
    began, began_mark = local_moment(start, zone, formats=formats)
    answered, answered_mark = _optional(answer, zone, formats)
    ended, ended_mark = _optional(end, zone, formats)
    marks = began_mark + answered_mark + ended_mark
    if "ambiguous" in marks:
        return _resolved((start, answer, end), zone, duration, formats)
    return Moments(began, answered, ended, "missing" if marks else "")


def _optional(
    text: str | None, zone: str, formats: tuple[str, ...]
) -> tuple[dt.datetime | None, Mark]:
    return local_moment(text, zone, formats=formats) if text else (None, "")


def _resolved(
    texts: tuple[str, str | None, str | None],
    zone: str,
    duration: int | None,
    formats: tuple[str, ...],
) -> Moments:
    start, answer, end = texts
    every = list(
        itertools.product(
            _choices(start, zone, formats),
            _choices(answer, zone, formats) if answer else [None],
            _choices(end, zone, formats) if end else [None],
        )
    )
    fitting = [one for one in every if _in_order(one)] or every
    if duration is not None:
        lasted = dt.timedelta(seconds=duration)
        fitting = [one for one in fitting if _lasted(one, lasted)] or fitting
    # The first time of each comes first.
    return Moments(*fitting[0], "resolved" if len(fitting) == 1 else "ambiguous")


def _choices(text: str, zone: str, formats: tuple[str, ...]) -> list[dt.datetime]:
    first, mark = local_moment(text, zone, formats=formats)
    if mark != "ambiguous":
        return [first]
    naive = _parsed(text, formats)
    return [first, _shifted(naive, _read_at(naive, zone).second)]


def _in_order(moments: Iterable[dt.datetime | None]) -> bool:
    known = [moment for moment in moments if moment is not None]
    return known == sorted(known)


def _lasted(moments: tuple[dt.datetime | None, ...], duration: dt.timedelta) -> bool:
    start, _, end = moments
    if start is None or end is None:
        return True
    return abs(end - start - duration) <= _DURATION_MARGIN


def _parsed(text: str, formats: tuple[str, ...]) -> dt.datetime:
    if PLAIN_FORMAT in formats and _PLAIN.fullmatch(text):
        return _existing(text)
    for form in formats if text.isascii() else ():
        try:
            return dt.datetime.strptime(text, form)  # noqa: DTZ007  the zone comes next
        except ValueError:
            continue
    raise ValueError(f"{text[:100]!r} is not written as {' or '.join(formats)}")


def _existing(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time that exists: {error}") from None


@lru_cache(maxsize=4096)
def _of_hour(zone: str, date_and_hour: str) -> _Reading | None:
    """What holds for a whole hour; None where a clock is set in the middle of it."""
    begin = _existing(f"{date_and_hour}:00:00")
    reading = _read_at(begin, zone)
    last = begin.replace(minute=59, second=59, microsecond=999_999)
    return reading if reading == _read_at(last, zone) else None


def _read_at(naive: dt.datetime, zone: str) -> _Reading:
    local = naive.replace(tzinfo=_zone(zone), fold=0)
    first = local.utcoffset() or dt.timedelta()
    second = local.replace(fold=1).utcoffset() or dt.timedelta()
    if first == second:
        return _Reading(first, second, "")
    return _Reading(first, second, "ambiguous" if first > second else "missing")


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:100]!r}") from None


def _shifted(naive: dt.datetime, offset: dt.timedelta) -> dt.datetime:
    try:
        return naive.replace(tzinfo=dt.UTC) - offset
    except OverflowError:
        raise ValueError(f"{naive} is beyond the calendar's ends") from None


def _in_utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{moment} is beyond the calendar's ends") from None
