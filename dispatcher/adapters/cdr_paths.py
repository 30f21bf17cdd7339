"""The fields of a Cdr as dotted paths (`caller.number`, `recordings.0.id`), by kind.

Read from `values.Cdr`, so that a field which is added there can be mapped. Knows what a
path leads to and puts values there; judges no value (adapters.cdr_json does).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    get_args,
    get_origin,
    get_type_hints,
)

from dispatcher.values import CallType, Cdr, Direction, Disposition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal[
    "uid", "text", "number", "time", "duration", "whole", "cost", "flag", "id", "zone",
    "direction", "call_type", "disposition", "free",
]  # fmt: skip

# Below these anything may be put, by any name.
FREE: Final = ("extra", "tags")
# How deep below them.
FREE_MAX_PARTS: Final = 5
FREE_PART_MAX_CHARS: Final = 100
# One digit: more of a list is not told by columns.
_INDEX: Final = re.compile(r"\.[0-9](?=\.|$)")
_FREE_PART: Final = re.compile(r"[^.\x00-\x1f]+")
# Of these the place says what a value is; of other lists unknown ones are left out.
_BY_PLACE: Final = frozenset({"phones", "fields"})

WORDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "direction": get_args(Direction),
    "call_type": get_args(CallType),
    "disposition": get_args(Disposition),
}

_BY_NAME: Final[Mapping[str, Kind]] = {
    "uid": "uid",
    "time_zone": "zone",
    "number": "number",
    "phone_number": "number",
    "phones": "number",
    "direction": "direction",
    "call_type": "call_type",
    "disposition": "disposition",
}
_BY_TYPE: Final[Mapping[Any, Kind]] = {
    dt.datetime: "time",
    bool: "flag",
    Decimal: "cost",
    str: "text",
}


def _kind(name: str, hint: Any) -> Kind:
    """What a leaf holds."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    inner = [one for one in get_args(hint) or (hint,) if one is not NoneType]
    if inner == [int]:
        return "duration" if name.endswith("duration") else "whole"
    return "id" if int in inner else _BY_TYPE[inner[0]]


def _leaves(kind: Any, prefix: str = "") -> Iterator[tuple[str, Kind]]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        path = f"{prefix}{field.name}"
        if field.name not in FREE:
            yield from _below(path, field.name, hints[field.name])


def _below(path: str, name: str, hint: Any) -> Iterator[tuple[str, Kind]]:
    inner = [one for one in get_args(hint) if one is not NoneType] or [hint]
    listed = next((one for one in (hint, *inner) if get_origin(one) is tuple), None)
    if listed is not None:
        yield from _below(f"{path}.0", name, get_args(listed)[0])
    elif is_dataclass(inner[0]):
        yield from _leaves(inner[0], f"{path}.")
    else:
        yield path, _kind(name, hint)


# In the order in which the API lists them; of lists the first item.
PATHS: Final[Mapping[str, Kind]] = dict(_leaves(Cdr))


def kind_of(path: str) -> Kind | None:
    """What a path leads to; None where it leads nowhere.

    A list's items have a digit: `recordings.1.url`. Below `extra` and `tags` any names
    lead to something `free`, five deep at most.
    """
    parts = path.split(".")
    if parts[0] in FREE:
        return "free" if _is_free(parts) else None
    if re.search(r"\.phones\.[4-9]$", path):
        return None
    return PATHS.get(_INDEX.sub(".0", path))


def _is_free(parts: list[str]) -> bool:
    # "extra.generic" is where fields go that are not mapped.
    return (
        1 < len(parts) <= FREE_MAX_PARTS
        and parts[:2] != ["extra", "generic"]
        and all(
            len(part) <= FREE_PART_MAX_CHARS and _FREE_PART.fullmatch(part)
            for part in parts
        )
    )


def record_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The record, as `cdr_json.parse` takes it, of values by path; unknown ones left out.

    No path may lead below another.
    """
    record: dict[str, Any] = {}
    for path, value in values.items():
        if value is None:
            continue
        *above, last = path.split(".")
        place = record
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return {
        key: value if key in FREE else _listed(key, value)
        for key, value in record.items()
    }


def _listed(name: str, value: Any) -> Any:
    """The same with lists where the keys are digits."""
    if not isinstance(value, dict):
        return value
    below = {key: _listed(key, one) for key, one in value.items()}
    if not all(key.isdigit() for key in below):
        return below
    if name not in _BY_PLACE:
        return [below[key] for key in sorted(below)]
    return [below.get(str(place)) for place in range(int(max(below)) + 1)]
