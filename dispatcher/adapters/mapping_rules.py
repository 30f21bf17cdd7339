"""One rule of a mapping: a field of ours from fields of theirs, or from nothing.

    "src"                                          the field as it is
    {"from": ["date", "time"], "join": " ", "as": "strftime", "format": "%d.%m.%Y %H:%M"}
    {"from": ["ext", "src"]}                       the first that is known
    {"value": "inbound"}                           whatever they send

Judges rules, and makes them ready for use. Looks at no record.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_paths import kind_of, record_of
from dispatcher.adapters.mapping_conversions import (
    CONVERSIONS,
    REFUSED,
    Given,
    conversions_for,
)
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dispatcher.adapters.cdr_paths import Kind

MAX_RULES: Final = 8
MAX_SOURCES: Final = 8
MAX_WORDS: Final = 200
NAME_MAX_CHARS: Final = 200
WORD_MAX_CHARS: Final = 100
JOIN_MAX_CHARS: Final = 5
MAX_UNKNOWN: Final = 20
FORMAT_MAX_CHARS: Final = 50

_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = frozenset("YymdbBjHIpMSfzaA%")
_SAMPLE: Final = dt.datetime(2026, 11, 23, 14, 5, 9, tzinfo=dt.UTC)
# One of each must be there.
_NEEDED: Final = (
    ("a year (%Y)", ({"Y"}, {"y"})),
    ("a day (%m and %d)", ({"m", "d"}, {"b", "d"}, {"B", "d"}, {"j"})),
    ("an hour (%H)", ({"H"}, {"I", "p"})),
)
_MINIMAL: Final = {"uid": "a", "started_at": "2026-11-23T14:05:09Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a field is made of: their fields, or a constant where there are none.

    With `join`, all of them become one text; without, the first that is known is taken.
    `zone` is the IANA zone of local times, "" for the source's. Texts in `unknown` mean
    that nothing is known.
    """

    convert: Callable[[Any, str], Any]
    theirs: tuple[str, ...] = ()
    join: str | None = None
    constant: Any = None
    zone: str = ""
    unknown: frozenset[str] = frozenset()


def rules_of(rules: Any, kind: Kind) -> tuple[Rule, ...]:
    """The rules of a field, ready for use; they have been judged."""
    return tuple(
        _rule(one, kind) for one in (rules if isinstance(rules, list) else [rules])
    )


def _rule(rule: Any, kind: Kind) -> Rule:
    if isinstance(rule, str):
        rule = {"from": rule}
    theirs = rule.get("from", ())
    given = Given(
        format=rule.get("format", ""),
        words=rule.get("words"),
        default=rule.get("default", REFUSED),
    )
    return Rule(
        convert=CONVERSIONS[rule.get("as") or conversions_for(kind)[0]].make(given),
        theirs=(theirs,) if isinstance(theirs, str) else tuple(theirs),
        join=rule.get("join"),
        constant=rule.get("value"),
        zone=rule.get("zone", ""),
        unknown=frozenset(rule.get("unknown", ())),
    )


# Judging ----------------------------------------------------------------------------


def shown(name: object) -> str:
    """A name as an error may show it."""
    printable = str(name).encode("utf-8", "replace").decode()
    return printable[:NAME_MAX_CHARS] or '""'


def check_text(path: str, value: object, limit: int) -> Iterator[FieldError]:
    """1 to `limit` characters that can be stored."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        yield FieldError(path, f"must be text of 1 to {limit} characters")
    elif "\0" in value or shown(value) != value:
        yield FieldError(path, "must not hold NUL or half a character")


def check_texts(path: str, value: object, limit: int) -> Iterator[FieldError]:
    """A list of texts."""
    if not isinstance(value, list) or len(value) > limit:
        yield FieldError(path, f"must be a list of at most {limit} texts")
        return
    for place, one in enumerate(value):
        yield from check_text(f"{path}.{place}", one, NAME_MAX_CHARS)


def one_of(path: str, value: object, words: tuple[str, ...]) -> Iterator[FieldError]:
    """One of some words."""
    if not isinstance(value, str) or value not in words:
        told = ", ".join(repr(word) for word in words)
        yield FieldError(path, f"must be one of {told}")


def errors_of_rules(path: str, ours: str, rules: object) -> Iterator[FieldError]:
    """What is wrong with the rules of the field `ours`."""
    kind = kind_of(ours)
    if kind is None:
        yield FieldError(path, "is no field of a call")
        return
    if not isinstance(rules, list):
        yield from _errors_of(path, ours, kind, rules)
        return
    if not 0 < len(rules) <= MAX_RULES:
        yield FieldError(path, f"must be a rule, or a list of 1 to {MAX_RULES}")
        return
    for place, rule in enumerate(rules):
        yield from _errors_of(f"{path}.{place}", ours, kind, rule)


def _errors_of(path: str, ours: str, kind: Kind, rule: object) -> Iterator[FieldError]:
    if isinstance(rule, str):
        yield from check_text(path, rule, NAME_MAX_CHARS)
    elif not isinstance(rule, dict):
        yield FieldError(path, "must be the name of a field of theirs, or an object")
    elif "value" in rule:
        yield from _constant(path, ours, rule)
    elif "from" not in rule:
        yield FieldError(path, "must have from (their field) or value")
    else:
        yield from _conversion(path, ours, kind, rule)
        yield from _from(f"{path}.from", rule["from"])
        if "join" in rule:
            yield from check_text(f"{path}.join", rule["join"], JOIN_MAX_CHARS)
        if "unknown" in rule:
            yield from check_texts(f"{path}.unknown", rule["unknown"], MAX_UNKNOWN)


def _constant(path: str, ours: str, rule: dict[Any, Any]) -> Iterator[FieldError]:
    for key in rule:
        if key != "value":
            yield FieldError(f"{path}.{shown(key)}", "cannot be beside value")
    if ours == "uid":
        yield FieldError(path, "every call must have another uid")
    else:
        yield from _ours(f"{path}.value", ours, rule["value"])


def _ours(path: str, ours: str, value: object) -> Iterator[FieldError]:
    """A value that is to stand in one of our fields, as the API would judge it."""
    try:
        cdr_json.parse(record_of({**_MINIMAL, ours: value}))
    except BadCdr as bad:
        for error in bad.errors:
            if error.field == ours or error.field.split(".")[0] in ("extra", "tags"):
                yield FieldError(path, error.message)


def _from(path: str, value: object) -> Iterator[FieldError]:
    names = value if isinstance(value, list) else [value]
    if not 0 < len(names) <= MAX_SOURCES:
        yield FieldError(path, f"must name 1 to {MAX_SOURCES} fields")
    for place, name in enumerate(names[:MAX_SOURCES]):
        place_path = f"{path}.{place}" if isinstance(value, list) else path
        yield from check_text(place_path, name, NAME_MAX_CHARS)


def _conversion(
    path: str, ours: str, kind: Kind, rule: dict[Any, Any]
) -> Iterator[FieldError]:
    names = conversions_for(kind)
    name = rule.get("as", names[0])
    if not isinstance(name, str) or name not in names:
        yield from one_of(f"{path}.as", name, names)
        return
    allowed = {
        "from",
        "as",
        "join",
        "unknown",
        *_BESIDE.get(CONVERSIONS[name].takes, ()),
    }
    allowed |= {"zone"} if kind == "time" else set()
    for key in rule:
        if key not in allowed:
            yield FieldError(f"{path}.{shown(key)}", f"unknown key, with {name}")
    if kind == "time":
        yield from _zone(f"{path}.zone", rule)
    if CONVERSIONS[name].takes == "format":
        yield from _format(f"{path}.format", rule.get("format"))
    if CONVERSIONS[name].takes == "words":
        yield from _words(path, ours, rule)


_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "format": ("format",),
    "words": ("words", "default"),
}


@lru_cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


def _zone(path: str, rule: dict[Any, Any]) -> Iterator[FieldError]:
    zone = rule.get("zone", "UTC")
    if not isinstance(zone, str) or zone not in _zones():
        yield FieldError(path, "must be a time zone's IANA name, e.g. Europe/London")


def _format(path: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, str) or not 0 < len(value) <= FORMAT_MAX_CHARS:
        yield FieldError(path, "required: how the time is written, e.g. %d.%m.%Y %H:%M")
        return
    found = _DIRECTIVE.findall(value)
    for directive in sorted(set(found) - _DIRECTIVES):
        yield FieldError(path, f"%{directive} is not known")
    for told, ways in _NEEDED:
        if not any(way <= set(found) for way in ways):
            yield FieldError(path, f"must have {told}")
    if set(found) <= _DIRECTIVES and not _reads_itself(value):
        yield FieldError(path, "cannot be read back: is something in it twice?")


def _reads_itself(form: str) -> bool:
    try:
        dt.datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007  only tried
    except (ValueError, re.error):
        return False
    return form.isascii()


def _words(path: str, ours: str, rule: dict[Any, Any]) -> Iterator[FieldError]:
    words = rule.get("words", {})
    if not isinstance(words, dict) or not (words or "default" in rule):
        yield FieldError(f"{path}.words", "required: a table of their words and ours")
        return
    if len(words) > MAX_WORDS:
        told = f"must not have more than {MAX_WORDS} words"
        yield FieldError(f"{path}.words", told)
        return
    for word, value in words.items():
        word_path = f"{path}.words.{shown(word)}"
        yield from check_text(word_path, word, WORD_MAX_CHARS)
        yield from _our_word(word_path, ours, value)
    if "default" in rule:
        yield from _our_word(f"{path}.default", ours, rule["default"])


def _our_word(path: str, ours: str, value: object) -> Iterator[FieldError]:
    if value is not None:
        yield from _ours(path, ours, value)
