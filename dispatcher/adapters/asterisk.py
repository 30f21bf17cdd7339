"""Asterisk over HTTP: rows as JSON, or a row that the dialplan posts as a form.

Asterisk's core posts no CDRs: docs/pbx.md says how to have it done. A form's names are
those of CDR() in the dialplan. What the rows mean, adapters.asterisk_row says.
Refuses to look at Content-Type: CURL() always says that it sends a form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from dispatcher.adapters.asterisk_columns import read_columns
from dispatcher.adapters.asterisk_json import read_json, text_in
from dispatcher.adapters.base import (
    NO_HEADERS,
    PLAIN,
    BadCdr,
    Read,
    Undecodable,
)
from dispatcher.adapters.json_items import MAX_RECORDS, Record, read_records
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import SourceRules

_MAX_FIELDS: Final = 200
# Shorter rows, on average, are none: who sends very many must not be long in reading.
_ROW_MIN_BYTES: Final = 40
_TOO_MANY: Final = f"more than {MAX_RECORDS} rows; send fewer at a time"


class Asterisk:
    """The adapter behind `/ingest/asterisk/{tenant}`."""

    name: Final = "asterisk"

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """One item a row; what is in no row, but is not blank, is one too."""
        start = text_in(body[:_ROW_MIN_BYTES])[:1]
        if start == "[":
            return _listed(body, rules)
        if start == "{":
            return _rows(body, rules)
        return [_form(body, rules)]


def _listed(body: bytes, rules: SourceRules) -> list[Read | Undecodable]:
    def call_of(record: Record) -> list[Read]:
        if not isinstance(record.value, dict):
            raise BadCdr(FieldError("row", "must be a JSON object"))
        return [Read(read_columns(record.value, rules), record.raw)]

    return read_records(body, call_of)


def _most_rows(body: bytes) -> int:
    return len(body) // _ROW_MIN_BYTES + 1


def _rows(body: bytes, rules: SourceRules) -> list[Read | Undecodable]:
    """One object, which may go over several lines, or one a line."""
    whole = read_json(body, rules)
    lines = body.splitlines(keepends=True)
    if isinstance(whole, Read) or not 2 <= len(lines) <= _most_rows(body):
        return [whole]
    rows = [line for line in lines if line.strip()]
    items = [read_json(row, rules) for row in rows[:MAX_RECORDS]]
    if not any(isinstance(item, Read) for item in items):
        return [whole]
    return items if len(rows) <= MAX_RECORDS else [Undecodable(_TOO_MANY, body)]


def _form(body: bytes, rules: SourceRules) -> Read | Undecodable:
    try:
        return Read(read_columns(_fields(body), rules), body)
    except BadCdr as bad:
        return Undecodable(str(bad), body, bad.errors)


def _fields(body: bytes) -> dict[str, object]:
    text = text_in(body)
    if "=" not in text:
        raise BadCdr(FieldError("body", "neither JSON nor a form"))
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadCdr(FieldError("body", f"more than {_MAX_FIELDS} fields")) from None
    fields: dict[str, object] = dict(pairs)
    if len(fields) != len(pairs):
        raise BadCdr(FieldError("body", "a name stands twice"))
    return fields
