"""A row of Asterisk's CDRs as JSON, as cdr_custom writes it.

cdr_custom (`format = json`) escapes quotes and not backslashes: what it writes of a
value with one is no JSON, and is read by its own rule instead, where that leaves one
reading only. Refuses whatever could be read in two ways.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dispatcher.adapters.asterisk_columns import read_columns
from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from dispatcher.values import SourceRules

_BOM: Final = b"\xef\xbb\xbf"

# A value as cdr_custom writes it: \" is a quote, any other backslash is itself.
_TEXT: Final = r'"((?:[^"\\]|\\"|\\(?!"))*+)"'
_PAIR: Final = re.compile(
    rf'\s*+"([A-Za-z0-9_. -]{{1,64}}+)"\s*+:\s*+(?:{_TEXT}|(-?[0-9]{{1,18}}+(?:\.[0-9]{{1,18}}+)?))\s*+([,}}])'
)
# Where a value might also have ended, with a backslash as its last character.
_OTHER_END: Final = re.compile(r'\\"\s*+(?:,\s*+"|\}\s*+\Z)')


def read_json(line: bytes, rules: SourceRules) -> Read | Undecodable:
    """One row as cdr_custom writes it, with `line` as its raw bytes. Raises nothing."""
    try:
        return Read(read_columns(read_row(text_in(line)), rules), line)
    except BadCdr as bad:
        return Undecodable(str(bad), line, bad.errors)


def text_in(body: bytes) -> str:
    """Names may be cut in the middle of a character: the rest of a row counts."""
    return body.removeprefix(_BOM).strip().decode("utf-8", "replace")


def read_row(text: str) -> dict[str, Any]:
    """The row that a JSON object is; cdr_custom's way of writing it is read, too.

    Raises BadCdr for anything else.
    """
    try:
        row = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        _refuse("JSON nested too deeply")
    except ValueError as error:
        return _repaired(text, error)
    if not isinstance(row, dict):
        _refuse("must be a row as a JSON object")
    return row


def _repaired(text: str, error: ValueError) -> dict[str, Any]:
    """What cdr_custom meant; BadCdr unless that is certain."""
    if "\\" not in text or not text.startswith("{"):
        _refuse(f"not valid JSON ({error})")
    pairs, rest = _pairs(text)
    if not pairs or rest.strip():
        _refuse(f"not valid JSON ({error})")
    if _OTHER_END.search(text):
        _refuse(
            f"not valid JSON ({error}): cdr_custom does not escape backslashes, and"
            " where this value ends is not certain"
        )
    try:
        return _object(pairs)
    except ValueError as twice:
        _refuse(str(twice))


def _pairs(text: str) -> tuple[list[tuple[str, Any]], str]:
    """The names and values by cdr_custom's rule, and what is behind the last one."""
    pairs: list[tuple[str, Any]] = []
    place = 1
    while match := _PAIR.match(text, place):
        name, value, number, end = match.groups()
        pairs.append((name, number if value is None else value.replace('\\"', '"')))
        place = match.end()
        if end == "}":
            return pairs, text[place:]
    return [], text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a name that stands twice: a caller's name could have broken out."""
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a name stands twice"
        raise ValueError(message)
    return found


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _refuse(reason: str) -> NoReturn:
    raise BadCdr(FieldError("body", reason))
