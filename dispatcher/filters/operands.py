"""Reads the VALUE of a condition as the kind of its field asks for it.

Also shows a CDR's value so that it compares with what was read. Compares nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dispatcher.cdr_fields import CdrField, Kind

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_FLAGS: Final = MappingProxyType({"1": 1, "true": 1, "0": 0, "false": 0})
_PLAIN_JSON_BOOLEANS: Final = MappingProxyType(
    {True: ("true", "1"), False: ("false", "0")}
)


class BadOperandError(ValueError):
    """The VALUE cannot be read as its operator and field ask for it."""


# One value ----------------------------------------------------------------------


def as_text(_field: CdrField, text: str) -> str:
    """Text, exactly as given."""
    return text


def as_number(_field: CdrField, text: str) -> Decimal:
    """A decimal number without exponent."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise BadOperandError(f'"{text}" is not a number')
    return Decimal(text)


def as_instant(_field: CdrField, text: str) -> dt.datetime:
    """An ISO 8601 time or date, in UTC; without an offset it is taken as UTC.

    UTC and not the record's zone, so that one filter means one instant for all records.
    """
    text = text.strip()
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise BadOperandError(
            f'"{text}" is not an ISO 8601 time like 2024-05-29T09:37:35+01:00'
        ) from None


def as_flag(_field: CdrField, text: str) -> int:
    """1 or 0, also written true or false."""
    try:
        return _FLAGS[text.strip().lower()]
    except KeyError:
        raise BadOperandError(f'"{text}" is not 1, 0, true or false') from None


def as_code(field: CdrField, text: str) -> int:
    """A code of the field, by its number or its word."""
    word = text.strip().lower()
    if word in field.words:
        return field.words[word]
    for number in field.words.values():
        if word == str(number):
            return number
    known = ", ".join(f"{number} {name}" for name, number in field.words.items())
    raise BadOperandError(f'"{text}" is not a code of {field.name}: {known}')


def as_pattern(_field: CdrField, text: str) -> re2._Regexp:
    """A compiled RE2 pattern; RE2 never backtracks, so none can hang a worker."""
    options = re2.Options()
    options.log_errors = False  # its log is standard error, not ours
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0]
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise BadOperandError(f"not an RE2 pattern: {reason}") from None


# A CDR's value, comparable -------------------------------------------------------


def in_utc(value: dt.datetime) -> dt.datetime:
    """The same instant in UTC: between zones `==` is false in an hour that is repeated."""
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:  # within hours of the calendar's ends
        return value


def tag_texts(value: Any) -> tuple[str, ...]:
    """A tag's value as the texts that it may be asked for by.

    true is `true` and `1`; of a list, each item; an object has none.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return _PLAIN_JSON_BOOLEANS[value]
    if isinstance(value, list | tuple):
        return tuple(text for entry in value for text in tag_texts(entry))
    if isinstance(value, int | float | Decimal):
        return (_plain(value),)
    return ()


def tag_numbers(value: Any) -> tuple[Decimal, ...]:
    """Those of a tag's texts that are numbers."""
    texts = tag_texts(value)
    return tuple(Decimal(text) for text in texts if _NUMBER.fullmatch(text))


def _plain(number: float | Decimal) -> str:
    """5 for 5.0 and 0.035 for 0.0350, as payloads show them."""
    text = str(number)
    if "e" in text.lower():
        text = format(Decimal(text), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# Kinds --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """How the values of one kind of field are read, from a condition and from a CDR.

    `comparable` None: as the table of fields gives it. `many`: it is several values,
    and a condition holds if it holds for one of them.
    """

    operand: Callable[[CdrField, str], Any]
    comparable: Callable[[Any], Any] | None = None
    many: bool = False


READINGS: Final[Mapping[Kind, Reading]] = MappingProxyType(
    {
        "text": Reading(as_text),
        "number": Reading(as_number),
        "time": Reading(as_instant, in_utc),
        "flag": Reading(as_flag),
        "code": Reading(as_code),
        "texts": Reading(as_text, many=True),
        "tag": Reading(as_text, tag_texts, many=True),
    }
)
NUMERIC_TAG: Final = Reading(as_number, tag_numbers, many=True)
