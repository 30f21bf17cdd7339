"""The file format `kamailio`: acc_cdrs as CSV, with or without a header.

Without one the columns are those of acc_cdrs itself, in the order of Kamailio's own
table, and cdr_extra's are not known: of three there, the usual caller, callee and
Call-ID are taken. acc and missed_calls are refused (adapters.kamailio_columns).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import PLAIN, BadCdr, Read, Undecodable
from dispatcher.adapters.cutting import cut_quoted_lines
from dispatcher.adapters.kamailio_columns import NAMES, read_columns
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import SourceRules

WITHOUT_HEAD: Final = (
    *("id", "start_time", "end_time", "duration"),
    *("caller_id", "callee_id", "call_id"),
)
_STARTS: Final = frozenset({*NAMES["start"], "method"})
_BOM: Final = "\ufeff"
# The last is what the sqlite3 program writes.
_SEPARATORS: Final = ",;\t|"


class KamailioCsv:
    """The format `kamailio`."""

    name: Final = "kamailio"
    pbx: Final = "kamailio"
    head_records: Final = 1

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """A record may go over several lines: texts in quotes may hold line breaks."""
        return cut_quoted_lines(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """One call a record; none of a header, or of an empty one. Raises nothing."""
        first = (head[0] if head else b"").decode("utf-8", "replace")
        separator = max(_SEPARATORS, key=first.count)
        names = _names(first, separator)
        # A file without a header: its first record is a call, and read with each
        # handful.
        again = [] if names else list(head)
        return [
            _read(record, separator, names or WITHOUT_HEAD, rules)
            for record in (*again, *records)
            if record.strip()
        ]


def _names(first: str, separator: str) -> tuple[str, ...] | None:
    """The columns that a file's first record names; None: it is none that names them."""
    try:
        names = [name.strip().lower() for name in _fields(first, separator)]
    except BadCdr:
        return None
    return tuple(names) if _STARTS.intersection(names) else None


def _read(
    record: bytes, separator: str, names: tuple[str, ...], rules: SourceRules
) -> Read | Undecodable:
    try:
        fields = _fields(_text(record), separator)
        if len(fields) != len(names):
            wrong = f"has {len(fields)} columns where there should be {len(names)}"
            raise BadCdr(FieldError("row", f"{wrong}: {', '.join(names)}"[:500]))
        row = dict(zip(names, fields, strict=True))
        return Read(read_columns(row, rules), record)
    except BadCdr as bad:
        return Undecodable(str(bad), record, bad.errors)


def _text(record: bytes) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError:
        raise BadCdr(FieldError("row", "is not UTF-8")) from None


def _fields(record: str, separator: str) -> list[str]:
    lines = [record.removeprefix(_BOM)]
    try:
        rows = list(csv.reader(lines, strict=True, delimiter=separator))
    except csv.Error as error:
        raise BadCdr(FieldError("row", f"is no CSV: {error}")) from None
    return rows[0] if rows else []
