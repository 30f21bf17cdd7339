"""Turns one record of theirs into a Cdr by a plan (adapters.mapping).

What no rule asks for is kept under `extra.generic`. Refuses to know where a record came
from: a document's object and a row of CSV are asked alike.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr, safe_uid
from dispatcher.adapters.cdr_paths import record_of
from dispatcher.adapters.mapping_conversions import LocalTime, text_of
from dispatcher.adapters.zones import local_moments
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dispatcher.adapters.mapping import FieldPlan, Plan
    from dispatcher.adapters.mapping_rules import Rule
    from dispatcher.values import Cdr

REQUIRED: Final = ("uid", "started_at")
KEPT_UNDER: Final = "generic"
# Where a time was read by a rule: `ambiguous`, `missing` or `resolved` (adapters.zones).
CLOCK: Final = f"extra.{KEPT_UNDER}.clock"
# Below extra and generic; what is nested deeper is kept as text.
_MAX_DEPTH: Final = 12
_INT_LIMIT: Final = 2**63


class Record(Protocol):
    """A record of theirs."""

    def get(self, name: str) -> Any:
        """What one of their fields holds; None where there is none of that name."""

    def rest(self, theirs: frozenset[str]) -> dict[str, Any]:
        """All but the fields of these names."""


class Document:
    """An object of JSON, or a form. A name leads into objects and lists by its dots."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def get(self, name: str) -> Any:
        """A key that is the whole name goes first."""
        if name in self._values or "." not in name:
            return self._values.get(name)
        place: Any = self._values
        for part in name.split("."):
            if isinstance(place, dict):
                place = place.get(part)
            elif isinstance(place, list) and part.isdecimal() and len(part) < 5:
                place = place[int(part)] if int(part) < len(place) else None
            else:
                return None
        return place

    def rest(self, theirs: frozenset[str]) -> dict[str, Any]:
        """As it came, without what was asked for."""
        rest: dict[str, Any] = _without(self._values, theirs)
        return rest


class Row:
    """A row of CSV: its columns have names, and places: `#1` is the first."""

    def __init__(self, names: Sequence[str], cells: list[str]) -> None:
        self._named = dict(zip(names, cells, strict=False))
        self._names, self._cells = names, cells

    def get(self, name: str) -> Any:
        """By name, else by place."""
        if name in self._named:
            return self._named[name]
        place = place_of(name)
        return (
            self._cells[place]
            if place is not None and place < len(self._cells)
            else None
        )

    def rest(self, theirs: frozenset[str]) -> dict[str, Any]:
        """Empty columns are left out."""
        places = {place_of(name) for name in theirs - self._named.keys()}
        kept = {}
        for place, cell in enumerate(self._cells):
            name = self._names[place] if place < len(self._names) else f"#{place + 1}"
            if cell and name not in theirs and place not in places:
                kept[name] = cell
        return kept


def place_of(name: str) -> int | None:
    """`#1` -> 0; None for what is no place."""
    digits = name[1:]
    if name[:1] == "#" and digits.isascii() and digits.isdecimal() and len(digits) < 5:
        return int(digits) - 1 if int(digits) else None
    return None


@lru_cache(maxsize=256)
def _below(theirs: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """The first part of each name with dots, and what follows it."""
    below: dict[str, set[str]] = {}
    for name in theirs:
        head, dot, rest = name.partition(".")
        if dot:
            below.setdefault(head, set()).add(rest)
    return {head: frozenset(rests) for head, rests in below.items()}


def _without(value: Any, theirs: frozenset[str]) -> Any:
    below = _below(theirs)
    if isinstance(value, list):
        pairs = [(str(place), one) for place, one in enumerate(value)]
        return [
            _without(one, below[key]) if key in below else one
            for key, one in pairs
            if key not in theirs
        ]
    if not isinstance(value, dict):
        return value
    rest = {
        key: _without(one, below[key]) if key in below else one
        for key, one in value.items()
        if key not in theirs
    }
    # An object of which everything was asked for is not kept.
    return {key: one for key, one in rest.items() if one != {} or value[key] == {}}


# The record -------------------------------------------------------------------------


def is_wanted(record: Record, plan: Plan) -> bool:
    """Whether it is of the kind that the mapping takes."""
    return all(_plain(record.get(name)) in texts for name, texts in plan.only)


def to_cdr(record: Record, plan: Plan, zone: str) -> Cdr:
    """The call; `zone` is the IANA zone of times without one.

    Raises BadCdr, which names their fields and says for which of ours they were.
    """
    values = values_of(record, plan, zone)
    rest = record.rest(plan.theirs)
    try:
        return cdr_json.parse(_whole(values, rest))
    except BadCdr as bad:
        if not any(error.field.startswith("extra") for error in bad.errors):
            raise _in_their_words(bad, plan) from None
    try:
        return cdr_json.parse(_whole(values, _storable(rest)))
    except BadCdr as bad:
        raise _in_their_words(bad, plan) from None


def values_of(record: Record, plan: Plan, zone: str) -> dict[str, Any]:
    """What each of our fields becomes, by path. Raises BadCdr as `to_cdr` does."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in plan.fields:
        try:
            values[field.path] = value = _value(field, record, plan.unknown, zone)
        except BadCdr as bad:
            errors += bad.errors
            continue
        if value is None and field.path in REQUIRED:
            errors.append(FieldError(_names(field), f"is not known ({field.path})"))
    if errors:
        raise BadCdr(*errors[: cdr_json.MAX_ERRORS])
    values["uid"] = safe_uid(values["uid"])
    return values | _clocks(values)


def _whole(values: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    record = record_of(values)
    if rest:
        extra = record.setdefault("extra", {})
        extra[KEPT_UNDER] = rest | extra.get(KEPT_UNDER, {})
    return record


def _value(field: FieldPlan, record: Record, unknown: frozenset[str], zone: str) -> Any:
    for rule in field.rules:
        if not rule.theirs:
            return rule.constant
        given = _given(rule, record, unknown)
        if given is None:
            continue
        try:
            found = rule.convert(given, rule.zone or zone)
        except ValueError as error:
            name = " + ".join(rule.theirs)
            raise BadCdr(FieldError(name, f"{error} ({field.path})")) from None
        if found is not None and found != "":
            return found
    return None


def _given(rule: Rule, record: Record, unknown: frozenset[str]) -> Any:
    """What a rule is to convert; None where its fields are not known."""
    unknown = unknown | rule.unknown if rule.unknown else unknown
    if rule.join is None:
        every = (record.get(name) for name in rule.theirs)
        return next((one for one in every if _is_known(one, unknown)), None)
    every = (record.get(name) for name in rule.theirs)
    known = [one if _is_known(one, unknown) else None for one in every]
    if not any(one is not None for one in known):
        return None
    # A part that is not known keeps its place, so that no two ids become one.
    return rule.join.join(_plain(one) for one in known).strip()


def _is_known(value: Any, unknown: frozenset[str]) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return text != "" and text not in unknown
    if value is None:
        return False
    return (
        not unknown or isinstance(value, dict | list) or text_of(value) not in unknown
    )


def _plain(value: Any) -> str:
    """As text: of what is neither text nor number, its JSON."""
    if value is None:
        return ""
    try:
        return text_of(value)
    except ValueError:
        return json.dumps(value)


def _clocks(values: Mapping[str, Any]) -> dict[str, Any]:
    """The times anew, and a mark, where clocks were set while the call lasted."""
    paths = ("started_at", "answered_at", "ended_at")
    times = {path: values[path] for path in paths if values.get(path) is not None}
    local = {path: one for path, one in times.items() if isinstance(one, LocalTime)}
    marks = [one.mark for one in local.values() if one.mark]
    if not marks:
        return {}
    zones = {one.zone for one in local.values()}
    if local.keys() != times.keys() or len(zones) > 1:
        return {CLOCK: marks[0]}
    start, answer, end = (
        local[path].plain if path in local else None for path in paths
    )
    found = local_moments(
        start or "", answer, end, zones.pop(), duration=values.get("duration")
    )
    anew = zip(paths, found[:3], strict=True)
    return {path: one.isoformat() for path, one in anew if one is not None} | {
        CLOCK: found.mark
    }


# Errors and leftovers ---------------------------------------------------------------


def _names(field: FieldPlan) -> str:
    return " or ".join(" + ".join(rule.theirs) for rule in field.rules if rule.theirs)


def _in_their_words(bad: BadCdr, plan: Plan) -> BadCdr:
    theirs = {field.path: _names(field) for field in plan.fields}
    return BadCdr(
        *(
            FieldError(theirs[error.field], f"{error.message} ({error.field})")
            if theirs.get(error.field)
            else error
            for error in bad.errors
        )
    )


def _storable(rest: dict[str, Any]) -> dict[str, Any]:
    """The same, with what no database can keep as JSON text: nothing of it is lost."""
    return {
        key if _is_storable(key) else json.dumps(key)[1:-1]: value
        if _is_storable(value)
        else json.dumps(value)
        for key, value in rest.items()
    }


def _is_storable(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        if not all(_is_storable_itself(node) for node in level):
            return False
        level = [child for node in level for child in _children(node)]
        if not level:
            return True
    return False


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _is_storable_itself(node: Any) -> bool:
    if isinstance(node, str):
        return "\0" not in node and not any("\ud800" <= c <= "\udfff" for c in node)
    if isinstance(node, float):
        return math.isfinite(node)
    return not isinstance(node, int) or -_INT_LIMIT <= node < _INT_LIMIT
