"""The values of a PBX's flat record, and the Cdr made of them.

Numbers that are texts, blanks that mean unknown. Knows no PBX; refuses, by the PBX's own
name of the field, what is no text or number.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dispatcher.values import Cdr

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_WHOLE: Final = re.compile(r"[0-9]{1,18}(?:\.0+)?", re.ASCII)


class Fields:
    """A record's fields by their names; `blanks` are texts that mean unknown."""

    def __init__(
        self, record: Mapping[str, Any], *, blanks: Collection[str] = ()
    ) -> None:
        self.record = record
        self._blanks = blanks

    def text(self, *names: str) -> str | None:
        """The first of these that is known, without blanks around it."""
        for name in names:
            text = self._text(name)
            if text is not None:
                return text
        return None

    def whole(self, *names: str) -> int | None:
        """The first of these that is known, a whole number."""
        for name in names:
            text = self._text(name)
            if text is not None and not _WHOLE.fullmatch(text):
                raise bad(name, "must be a whole number")
            if text is not None:
                return int(text.partition(".")[0])
        return None

    def _text(self, name: str) -> str | None:
        value = self._value(name)
        if value is None or value == "":
            return None
        if isinstance(value, float):
            # Whole numbers, as some writers of JSON put them.
            value = f"{value:.0f}" if value.is_integer() else repr(value)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise bad(name, "must be text or a number")
        text = str(value).strip()
        return None if text in self._blanks else text or None

    def _value(self, name: str) -> Any:
        return self.record.get(name)


def bad(name: str, problem: str) -> BadCdr:
    """One field at fault."""
    return BadCdr(FieldError(name, problem))


def an_object(record: object) -> dict[str, Any]:
    """The record, which must be a JSON object."""
    if not isinstance(record, dict):
        raise bad("body", "a record must be an object")
    return record


def kept(record: Mapping[str, Any], *, without: Collection[str]) -> dict[str, Any]:
    """What is kept under `extra`: all but blanks and what stands elsewhere unchanged."""
    return {
        name: value
        for name, value in record.items()
        if name not in without and value not in ("", None)
    }


def since_1970(micros: int, name: str) -> dt.datetime:
    """The moment of a number of microseconds; BadCdr beyond the calendar."""
    try:
        return EPOCH + dt.timedelta(microseconds=micros)
    except OverflowError:
        raise bad(name, "must be a time that exists") from None


def moved(moment: dt.datetime, seconds: int, name: str) -> dt.datetime:
    """So many seconds later; BadCdr beyond the calendar."""
    try:
        return moment + dt.timedelta(seconds=seconds)
    except OverflowError:
        raise bad(name, "is too long") from None


def to_cdr(record: Mapping[str, Any], names: Mapping[str, str]) -> Cdr:
    """Check what an adapter made; None and objects without anything are left out.

    `names`: our field -> the PBX's, for errors that an operator can act upon.
    """
    try:
        return cdr_json.parse(_known(record))
    except BadCdr as error:
        raise BadCdr(
            *[FieldError(names.get(e.field, e.field), e.message) for e in error.errors]
        ) from None


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _plain(value) if key != "extra" else value
        for key, value in record.items()
        if value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return _known(value) if isinstance(value, dict) else value
