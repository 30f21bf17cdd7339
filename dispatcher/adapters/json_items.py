"""Reads bodies that hold one JSON record or a list of them, each with its own bytes.

A record's bytes are a piece of the body as it came, never JSON written anew. Knows no
PBX; refuses what is no JSON, NaN, and lists that are longer than a request may bring.
Where an object has a key twice, the last one counts.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence

# As many as POST /api/v1/cdrs takes; a larger list is kept whole, in quarantine.
MAX_RECORDS: Final = 1000
BOM: Final = b"\xef\xbb\xbf"
_TOO_DEEP: Final = "JSON nested too deeply"
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class Record(NamedTuple):
    """A decoded record and the bytes that it was decoded from."""

    value: Any
    raw: bytes


class Member(NamedTuple):
    """A key of an object, its value, and where in the text the value stands."""

    key: str
    value: Any
    start: int
    end: int


def read_records(
    body: bytes,
    to_calls: Callable[[Record], Sequence[Read]],
    *,
    lists: Collection[str] = (),
    most: int = MAX_RECORDS,
) -> list[Read | Undecodable]:
    """Turn each record of a JSON body into calls; raises nothing.

    `to_calls` may raise BadCdr. `lists`: under which keys of an object its records stand,
    the first that is there. Where no record can be read, or they are more than `most`,
    the body comes back whole.
    """
    try:
        items = _read_all(split(body, lists=lists, most=most), to_calls, most)
    except BadCdr as bad:
        return [undecodable(bad, body)]
    if any(isinstance(item, Read) for item in items):
        return items
    lost = [item for item in items if isinstance(item, Undecodable)]
    reason = lost[0].reason
    if len(lost) > 1:
        reason = f"none of {len(lost)} records can be read; the first: {reason}"
    return [Undecodable(reason, body, lost[0].errors)]


def undecodable(bad: BadCdr, body: bytes) -> Undecodable:
    """What was refused, with the reason for it."""
    return Undecodable(str(bad), body, bad.errors)


def split(
    body: bytes, *, lists: Collection[str] = (), most: int = MAX_RECORDS
) -> list[Record]:
    """The records of a body: 1 to `most`. Raises BadCdr, its field is `body`."""
    try:
        text = body.removeprefix(BOM).decode()
        records = list(_records(text, lists, most))
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8 at byte {error.start}")
    except RecursionError:
        _refuse(_TOO_DEEP)
    except ValueError as error:
        _refuse(f"not valid JSON ({error})")
    if not records:
        _refuse("there is no record in it")
    if len(records) == 1 and records[0].raw == b"":
        return [Record(records[0].value, body)]
    return records


def loads(text: str) -> Any:
    """Decode JSON that stands in a text; ValueError or RecursionError if it is none."""
    return _DECODER.decode(text)


def members(text: str, start: int = 0) -> Iterator[Member]:
    """The members of the object that begins at `start`, in JSON that is known to be good."""
    place = _past_space(text, _past_space(text, start) + 1)
    while not text.startswith("}", place):
        key, end = _DECODER.raw_decode(text, place)
        value_at = _past_space(text, _past(text, ":", _past_space(text, end)))
        value, end = _DECODER.raw_decode(text, value_at)
        yield Member(key, value, value_at, end)
        place = _past_space(text, end)
        if text.startswith(",", place):
            place = _past_space(text, place + 1)


def _read_all(
    records: Sequence[Record],
    to_calls: Callable[[Record], Sequence[Read]],
    most: int,
) -> list[Read | Undecodable]:
    items: list[Read | Undecodable] = []
    for record in records:
        try:
            items += to_calls(record)
        except BadCdr as bad:
            items.append(undecodable(bad, record.raw))
        except RecursionError:
            # Read again from deeper down, what was just shallow enough may not be.
            items.append(Undecodable(_TOO_DEEP, record.raw))
        if len(items) > most:
            _refuse_as_too_many(most)
    return items


def _records(text: str, lists: Collection[str], most: int) -> Iterator[Record]:
    """The elements of the list that the text is or has, else the text's own value."""
    start = _past_space(text, 0)
    if text.startswith("[", start):
        end = yield from _elements(text, start, most)
        if _past_space(text, end) != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        return
    value = loads(text)
    names = value if isinstance(value, dict) else {}
    listed = next((key for key in lists if isinstance(names.get(key), list)), None)
    if listed is None:
        yield Record(value, b"")
    else:
        # Where a key stands twice, the last one counts.
        places = [one.start for one in members(text, start) if one.key == listed]
        yield from _elements(text, places[-1], most)


def _elements(text: str, start: int, most: int) -> Generator[Record, None, int]:
    """The elements of the list that begins at `start`; returns where it ends."""
    count, place = 0, _past_space(text, start + 1)
    closed = text.startswith("]", place)
    while not closed:
        value, end = _DECODER.raw_decode(text, place)
        count += 1
        if count > most:
            _refuse_as_too_many(most)
        yield Record(value, text[place:end].encode())
        place = _past_space(text, end)
        closed = text.startswith("]", place)
        if not closed:
            place = _past_space(text, _past(text, ",", place))
    return place + 1


def _past_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()


def _past(text: str, mark: str, place: int) -> int:
    if text.startswith(mark, place):
        return place + 1
    raise json.JSONDecodeError(f"Expecting {mark!r}", text, place)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_as_too_many(most: int) -> NoReturn:
    _refuse(f"more than {most} records; send fewer at a time")


def _refuse(reason: str) -> NoReturn:
    raise BadCdr(FieldError("body", reason))


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
