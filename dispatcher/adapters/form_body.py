"""Reads a record that came as form data or in a query, brackets meaning objects.

`a[b]=1` is {"a": {"b": "1"}}, `a[]=1` a list; all values are texts. Refuses names that
contradict each other, and what is not UTF-8. Knows no PBX.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from dispatcher.adapters.base import BadCdr
from dispatcher.values import FieldError

MAX_FIELDS: Final = 500
MAX_DEPTH: Final = 8
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def read_form(body: bytes) -> dict[str, Any]:
    """Return the record; BadCdr's field is `body`."""
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except UnicodeDecodeError:
        _refuse("the form data is not UTF-8")
    except ValueError:
        _refuse(f"more than {MAX_FIELDS} fields of form data")
    record: dict[str, Any] = {}
    for name, value in pairs:
        _put(record, _path(name), value)
    return record


def _path(name: str) -> list[str]:
    """The keys of a name; an empty one at its end means "one more of a list"."""
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    inner = found[2][1:-1].split("][") if found[2] else []
    if len(inner) >= MAX_DEPTH:
        _refuse("form data nested too deeply")
    return [found[1], *inner]


def _put(record: dict[str, Any], path: list[str], value: str) -> None:
    is_listed = len(path) > 1 and path[-1] == ""
    *outer, last = path[:-1] if is_listed else path
    for key in outer:
        record = record.setdefault(key, {})
        if not isinstance(record, dict):
            _refuse(f"{key[:100]!r} is a value and an object")
    if is_listed:
        values = record.setdefault(last, [])
        if not isinstance(values, list):
            _refuse(f"{last[:100]!r} is a value and a list")
        values.append(value)
    elif isinstance(record.get(last), (dict, list)):
        _refuse(f"{last[:100]!r} is a value and an object")
    else:
        record[last] = value


def _refuse(reason: str) -> NoReturn:
    raise BadCdr(FieldError("body", reason))
