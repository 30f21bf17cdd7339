"""How a mapping turns a PBX's value into one of ours: a table, one line a conversion.

Values come from JSON, forms and CSV, so that a number may be a text. Each conversion
takes bounded time whatever it is given, gives None for what is not known (an epoch of 0
is never), and raises ValueError with a message fit to be shown. Judges no field's limits.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from dispatcher.adapters.cdr_paths import WORDS
from dispatcher.adapters.zones import Mark, local_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dispatcher.adapters.cdr_paths import Kind


Takes = Literal["", "format", "words"]

# No time, number or duration is longer.
MAX_CHARS: Final = 64
# Of words that a table has not.
REFUSED: Final = object()

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The end of the year 9998: later ones do not fit every zone's calendar.
_LATEST_US: Final = 253_370_764_799_999_999
_GREGORIAN_S: Final = 62_167_219_200
_JULIAN_DAY: Final = Decimal("2440587.5")
_DAY_MS: Final = 86_400_000

_NUMBER: Final = re.compile(r"([0-9]{1,18})(?:[.]([0-9]{1,18}))?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_COST: Final = re.compile(r"[0-9]{1,18}([.,][0-9]{1,18})?")
_HMS: Final = re.compile(
    r"(?:(?:([0-9]{1,5})[.])?([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{1,2})(?:[.,][0-9]{1,9})?"
)
_ISO_DATE_AND: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9]{2}:?[0-9]{2}")
_NOTHING: Final = re.compile(r"[0:. T/-]*")
_BEFORE_NUMBER: Final = re.compile(r"(?:sips?:|tel:|ext\.)\s*", re.IGNORECASE)
_AFTER_NUMBER: Final = re.compile(r"[@;?]")
_BETWEEN_DIGITS: Final = re.compile(r"[\s().-]+")
_SEPARATORS: Final = str.maketrans("", "", "_- ")


class LocalTime(str):
    """A time in UTC, made of one without a zone: how that was read, and where."""

    __slots__ = ("mark", "plain", "zone")

    plain: str
    zone: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Given:
    """What a rule says beside its conversion: `format`, or `words` and their `default`."""

    format: str = ""
    words: Mapping[str, Any] | None = None
    default: Any = REFUSED


@dataclass(frozen=True, slots=True)
class Conversion:
    """One way to read a value: what it is called, for which kinds, what it must be told."""

    name: str
    label: str
    kinds: frozenset[Kind]
    make: Callable[[Given], Callable[[Any, str], Any]]
    takes: Takes = ""


# Texts ------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """A text or number as text, without the blanks around it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise ValueError("must be text or a number")


def _short(value: object) -> str:
    text = text_of(value)
    if len(text) > MAX_CHARS:
        raise ValueError(f"must not be longer than {MAX_CHARS} characters")
    return text


def _text(value: Any, _zone: str) -> str:
    return text_of(value)


def _as_it_is(value: Any, _zone: str) -> Any:
    return value


def _number_text(value: Any, _zone: str) -> str:
    """`sip:+44 20 7946 0000@pbx` -> `+442079460000`, `Ext.104` -> `104`."""
    text = _BEFORE_NUMBER.sub("", text_of(value)[:1000], count=1)
    return _BETWEEN_DIGITS.sub("", _AFTER_NUMBER.split(text, maxsplit=1)[0])


# Numbers ----------------------------------------------------------------------------


def _whole(value: Any, _zone: str) -> int:
    text = _short(value).removesuffix(".0")
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number")
    return int(text)


def _parts(value: Any) -> tuple[int, str]:
    """What stands before the point, and after it."""
    match = _NUMBER.fullmatch(_short(value))
    if match is None:
        raise ValueError("must be a number, 0 or more")
    return int(match[1]), match[2] or ""


def _cost(value: Any, _zone: str) -> str | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = _short(value)
    if not _COST.fullmatch(text):
        raise ValueError("must be an amount such as 0.0350")
    return text.replace(",", ".")


def _flag(value: Any, _zone: str) -> bool:
    text = _short(value).casefold()
    if text in {"true", "yes", "y", "t", "on", "1"}:
        return True
    if text in {"false", "no", "n", "f", "off", "0"}:
        return False
    raise ValueError("must be yes or no, true or false, 1 or 0")


# Durations --------------------------------------------------------------------------


def _seconds(value: Any, _zone: str) -> int:
    return _parts(value)[0]


def _milliseconds(value: Any, _zone: str) -> int:
    return _parts(value)[0] // 1000


def _hms(value: Any, _zone: str) -> int:
    match = _HMS.fullmatch(_short(value))
    if match is None:
        raise ValueError("must be a duration such as 0:05:36")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


# Times ------------------------------------------------------------------------------


def _moment(micros: int) -> str | None:
    if not micros:
        return None
    if not 0 < micros <= _LATEST_US:
        raise ValueError("must be a time from 1970 on")
    return (_EPOCH + dt.timedelta(microseconds=micros)).isoformat()


def _unix(digits: int) -> Callable[[Given], Callable[[Any, str], Any]]:
    """Reads what counts in 10^-`digits` seconds since 1970."""

    def convert(value: Any, _zone: str) -> str | None:
        whole, fraction = _parts(value)
        places = 6 - digits
        return _moment(
            whole * 10**places + int(fraction[:places].ljust(places, "0") or 0)
        )

    return lambda _given: convert


def _gregorian(value: Any, _zone: str) -> str | None:
    """Seconds since the year 0 (Kazoo)."""
    whole, _ = _parts(value)
    return _moment((whole - _GREGORIAN_S) * 1_000_000) if whole else None


def _julian(value: Any, _zone: str) -> str | None:
    """Days since 4714 BC (SQLite: Kamailio), to the millisecond, as they are written."""
    whole, fraction = _parts(value)
    if not whole:
        return None
    days = Decimal(f"{whole}.{fraction or 0}") - _JULIAN_DAY
    return _moment(round(days * _DAY_MS) * 1000)


def _iso(value: Any, zone: str) -> str | None:
    text = re.sub(r"\s*(?:UTC|GMT|Z)$", "+00:00", _short(value).upper())
    if _NOTHING.fullmatch(text.removesuffix("+00:00")):
        return None
    moment = None
    if _ISO_DATE_AND.match(text):
        with contextlib.suppress(ValueError):
            moment = dt.datetime.fromisoformat(re.sub(r"\s+(?=[+-])", "", text))
    if moment is None:
        raise ValueError("must be a time such as 2026-11-23T14:05:09Z")
    return moment.isoformat() if moment.tzinfo else _local(moment, zone)


def _local(moment: dt.datetime, zone: str) -> LocalTime:
    plain = moment.replace(microsecond=0).isoformat(" ")
    found, mark = local_moment(plain, zone)
    local = LocalTime(found.replace(microsecond=moment.microsecond).isoformat())
    local.plain, local.zone, local.mark = plain, zone, mark
    return local


def _written(given: Given) -> Callable[[Any, str], Any]:
    def convert(value: Any, zone: str) -> str | None:
        text = _short(value)
        if _NOTHING.fullmatch(text):
            return None
        try:
            moment = dt.datetime.strptime(text, given.format)  # noqa: DTZ007  it may have none
        except ValueError:
            raise ValueError(f"must be a time written as {given.format}") from None
        return moment.isoformat() if moment.tzinfo else _local(moment, zone)

    return convert


# Words ------------------------------------------------------------------------------


def _plain(word: str) -> str:
    return word.translate(_SEPARATORS).casefold()


# What PBXs say, without the signs between and in small letters.
_COMMON: Final = {
    "in": "inbound",
    "incoming": "inbound",
    "out": "outbound",
    "outgoing": "outbound",
    "local": "internal",
    "answer": "answered",
    "noanswered": "no_answer",
    "unanswered": "no_answer",
    "missed": "no_answer",
    "cancel": "cancelled",
    "canceled": "cancelled",
    "congestion": "failed",
    "chanunavail": "failed",
    "failure": "failed",
}


def _ours(kind: Kind) -> Callable[[Given], Callable[[Any, str], Any]]:
    """Reads our own words, and common ones, however they are written."""
    words = WORDS[kind]
    table = {_plain(word): word for word in words}
    table |= {their: our for their, our in _COMMON.items() if our in words}

    def convert(value: Any, _zone: str) -> str:
        found = table.get(_plain(_short(value)))
        if found is None:
            raise ValueError(f"must be one of {', '.join(words)}, or mapped by a table")
        return found

    return lambda _given: convert


def _by_table(given: Given) -> Callable[[Any, str], Any]:
    words = given.words or {}
    folded = {word.casefold(): ours for word, ours in words.items()}

    def convert(value: Any, _zone: str) -> Any:
        text = text_of(value)
        found = words.get(text, folded.get(text.casefold(), given.default))
        if found is REFUSED:
            raise ValueError("is a word that the mapping's table has not")
        return found

    return convert


# The table --------------------------------------------------------------------------

_TEXTS: Final[frozenset[Kind]] = frozenset(
    {"uid", "text", "number", "zone", "id", "free"}
)
_WORDS_TOO: Final[frozenset[Kind]] = frozenset({"flag", "whole", *WORDS})


def _always(convert: Callable[[Any, str], Any]) -> Callable[[Given], Any]:
    return lambda _given: convert


def _only(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


# Of each kind the first that is for it is what it is converted by unless told otherwise.
_TABLE: Final = (
    Conversion("iso", "time, ISO 8601", _only("time"), _always(_iso)),
    Conversion(
        "strftime", "time, written as …", _only("time"), _written, takes="format"
    ),
    Conversion("unix_s", "time, Unix seconds", _only("time"), _unix(0)),
    Conversion("unix_ms", "time, Unix milliseconds", _only("time"), _unix(3)),
    Conversion("unix_us", "time, Unix microseconds", _only("time"), _unix(6)),
    Conversion("gregorian_s", "time, Gregorian seconds", _only("time"), _always(_gregorian)),
    Conversion("julian_days", "time, Julian days", _only("time"), _always(_julian)),
    Conversion("seconds", "duration, seconds", _only("duration"), _always(_seconds)),
    Conversion(
        "milliseconds", "duration, milliseconds", _only("duration"), _always(_milliseconds)
    ),
    Conversion("hms", "duration, h:mm:ss", _only("duration"), _always(_hms)),
    Conversion("as_is", "as it is", _only("free"), _always(_as_it_is)),
    Conversion("text", "text", _TEXTS, _always(_text)),
    Conversion(
        "number", "number of a phone", _TEXTS - {"zone"}, _always(_number_text)
    ),
    Conversion("whole", "whole number", _only("whole", "id", "free"), _always(_whole)),
    Conversion("decimal", "amount", _only("cost"), _always(_cost)),
    Conversion("flag", "yes or no", _only("flag"), _always(_flag)),
    *(
        Conversion(kind, f"our words ({kind})", _only(kind), _ours(kind))
        for kind in WORDS
    ),
    Conversion(
        "words",
        "by a table of words",
        (_WORDS_TOO | _TEXTS) - _only("uid"),
        _by_table,
        takes="words",
    ),
)  # fmt: skip

CONVERSIONS: Final[Mapping[str, Conversion]] = {one.name: one for one in _TABLE}


def conversions_for(kind: Kind) -> tuple[str, ...]:
    """The names of those for a kind, the usual one first."""
    return tuple(one.name for one in _TABLE if kind in one.kinds)
