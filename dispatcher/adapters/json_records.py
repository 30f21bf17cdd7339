"""Where the records of a JSON document begin and end, so that each keeps its own bytes.

Finds the list by a path, or by what documents usually look like. Judges no record.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where the list is looked for if nothing says where it is.
USUAL: Final = ("records", "cdrs")

_BLANK: Final = re.compile(r"[ \t\r\n]*")


class Slice(NamedTuple):
    """A value of the document, and which of its characters it is."""

    value: Any
    start: int
    end: int


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Control characters within texts are taken: PBXs write them.
_decoder: Final = json.JSONDecoder(parse_constant=_no_constant, strict=False)


def document(text: str) -> Slice:
    """The whole text as one value. Raises ValueError for what is no JSON."""
    try:
        return _whole(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _whole(text: str) -> Slice:
    start = _blank(text, 0)
    value, end = _decoder.raw_decode(text, start)
    if _blank(text, end) != len(text):
        raise ValueError(f"more follows after the value that ends at character {end}")
    return Slice(value, start, end)


def records(text: str, whole: Slice, path: str = "") -> list[Slice] | None:
    """The records in a document; None where there is no list at `path`.

    `path` leads through objects by its dots. Without one: a list's items, those of
    USUAL, else the document itself.
    """
    if path:
        found = _at(text, whole, path.split("."))
        return None if found is None else list(_items(text, found.start))
    if isinstance(whole.value, list):
        return list(_items(text, whole.start))
    if isinstance(whole.value, dict):
        for name in USUAL:
            if isinstance(whole.value.get(name), list):
                return records(text, whole, name)
    return [whole]


def _at(text: str, place: Slice, path: list[str]) -> Slice | None:
    for name in path:
        if not isinstance(place.value, dict) or name not in place.value:
            return None
        # Of a key that is there twice the last one counts, as for the value.
        members = _members(text, place.start)
        *_, place = (member for key, member in members if key == name)
    return place if isinstance(place.value, list) else None


def _members(text: str, start: int) -> Iterator[tuple[str, Slice]]:
    """The members of the object that begins at `start`, which is known to be JSON."""
    place = _blank(text, start + 1)
    while text[place] != "}":
        key, place = _decoder.raw_decode(text, place)
        place = _blank(text, _blank(text, place) + 1)
        value, end = _decoder.raw_decode(text, place)
        yield key, Slice(value, place, end)
        place = _behind_comma(text, end)


def _items(text: str, start: int) -> Iterator[Slice]:
    """The items of the list that begins at `start`, which is known to be JSON."""
    place = _blank(text, start + 1)
    while text[place] != "]":
        value, end = _decoder.raw_decode(text, place)
        yield Slice(value, place, end)
        place = _behind_comma(text, end)


def _behind_comma(text: str, place: int) -> int:
    place = _blank(text, place)
    return _blank(text, place + 1) if text[place] == "," else place


def _blank(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return place if match is None else match.end()
