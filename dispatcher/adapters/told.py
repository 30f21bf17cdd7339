"""Reads values as databases, JSON and forms tell them: texts, numbers, moments.

What a driver makes of a column differs (text, number, datetime, None); this module
makes texts of all of it, and of a moment either a text of a local clock or one with an
offset. Knows no PBX; reads no zone (adapters.zones does).
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_schema import DURATION_LIMIT_S, YEARS
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Of a day that a Julian day counts from noon; 0h of 1970-01-01.
JULIAN_EPOCH: Final = 2440587.5
# Julian days of the years 1970 to 9998; as seconds since 1970 they would be January.
_JULIAN: Final = (JULIAN_EPOCH, 5373119.5)
# The end of the year 9998: later ones do not fit every zone's calendar.
_LATEST_S: Final = 253_370_764_799
# Seconds until here; then milliseconds, then microseconds.
_FACTORS: Final = ((100_000_000_000, 1), (10**14, 1000), (10**17, 1_000_000))
DAY_S: Final = 86400
_INT_LIMIT: Final = 2**63

_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{0,18})?", re.ASCII)
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r" ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.ASCII,
)
# MySQL's date that is none, and what becomes of a 0 in a timestamp.
_ZERO: Final = ("0000-00-00", "1970-01-01 00:00:00", "1970-01-01T00:00:00")


def text_of(value: object, field: str) -> str:
    """The value as text, "" for what is unknown; BadCdr where it is no scalar."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _whole_text(value, field)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, bool) or not isinstance(
        value, (int, float, Decimal, dt.date, dt.timedelta)
    ):
        raise BadCdr(FieldError(field, "must be text or a number"))
    return _plain(value, field)


def _whole_text(text: str, field: str) -> str:
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise BadCdr(
            FieldError(field, "must not hold half a character (a lone surrogate)")
        )
    return text


def _plain(value: object, field: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadCdr(FieldError(field, "must be a finite number"))
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes
        raise BadCdr(FieldError(field, "must be a 64-bit number")) from None


def moment_text(value: object, field: str) -> str:
    """A moment as `YYYY-MM-DD HH:MM:SS` of a local clock, or as ISO 8601 in UTC.

    "" for one that is unset: None, empty, 0, 0000-00-00. Numbers are seconds,
    milliseconds or microseconds since 1970, or Julian days (Kamailio's db_sqlite).
    Raises BadCdr.
    """
    if isinstance(value, dt.datetime):
        value = value.isoformat(" ")
    text = text_of(value, field).strip()
    if not text or text.startswith(_ZERO):
        return ""
    if _NUMBER.fullmatch(text):
        return _of_number(text, field)
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadCdr(FieldError(field, f"{text[:100]!r} is no date and time"))
    date, time, fraction, offset = match.groups()
    if offset is None:
        return f"{date} {time}"
    return _in_utc(f"{date}T{time}{fraction or ''}{_full(offset)}", field)


def _full(offset: str) -> str:
    """PostgreSQL's +00 for +00:00."""
    return "+00:00" if offset == "Z" else offset if len(offset) > 3 else f"{offset}:00"


def _in_utc(text: str, field: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise BadCdr(FieldError(field, f"{text!r} is no time that exists")) from None
    return moment.isoformat()


def _of_number(text: str, field: str) -> str:
    number = Decimal(text)
    if not number:
        return ""
    if _JULIAN[0] <= number <= _JULIAN[1]:
        return _since_epoch(_julian_seconds(float(number)))
    for limit, factor in _FACTORS:
        if number < limit:
            number /= factor
            break
    if number > _LATEST_S:
        raise BadCdr(FieldError(field, "must be a time since 1970"))
    return _since_epoch(number)


def _since_epoch(seconds: Decimal) -> str:
    micros = int(seconds * 1_000_000)
    return (EPOCH + dt.timedelta(microseconds=micros)).isoformat()


def _julian_seconds(days: float) -> Decimal:
    """Seconds since 1970 of a Julian day.

    Kamailio's db_sqlite stores whole seconds less a half (timet_to_sqlite), and a
    double, or a text of it, is off by up to a millisecond.
    """
    seconds = (days - JULIAN_EPOCH) * DAY_S
    whole = round(seconds + 0.5)
    if abs(seconds + 0.5 - whole) < 0.01:
        return Decimal(whole)
    return Decimal(str(round(seconds, 3)))


def whole_seconds(text: str, field: str) -> int | None:
    """A duration, fractions cut off; None for "". Raises BadCdr."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadCdr(FieldError(field, "must be a number of seconds"))
    seconds = int(text.partition(".")[0])
    if seconds >= DURATION_LIMIT_S:
        raise BadCdr(FieldError(field, f"must be below {DURATION_LIMIT_S}"))
    return seconds


def moved(moment: dt.datetime, seconds: int) -> dt.datetime | None:
    """The moment so many seconds later; None where a CDR can hold no such time."""
    try:
        later = moment + dt.timedelta(seconds=seconds)
    except OverflowError:
        return None
    return later if later.year in YEARS else None


def row_json(row: Mapping[str, object]) -> bytes:
    """A row as canonical JSON: keys in order, times as ISO 8601, one line."""
    text = json.dumps(
        {str(name): _as_json(value) for name, value in row.items()},
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return text.encode("utf-8", "backslashreplace")


def _as_json(value: object) -> str | float | None:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int) and abs(value) < _INT_LIMIT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return _described(value)


def _described(value: object) -> str:
    try:
        return str(value)
    except (ValueError, RecursionError):  # more digits, or deeper, than Python writes
        return f"<{type(value).__name__}>"
