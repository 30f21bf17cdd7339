"""Asterisk's CSV files: Master.csv of cdr_csv, and of cdr_custom's sample mapping.

Neither has a header. cdr_csv writes 16 columns, then uniqueid, userfield, and
peeraccount, linkedid, sequence together, as cdr.conf says; cdr_custom's sample has
others in front and 19 in all (18 before it had a sequence). The place of the
disposition, behind two numbers, tells them apart. Times are those of the source's
zone: UTC with usegmtime=yes. accountlogs=yes writes the same rows to a file of each
account, too: they have the same uids.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.asterisk_clock import Clock, clock_of
from dispatcher.adapters.asterisk_row import DISPOSITIONS, Row, cdr_of
from dispatcher.adapters.base import PLAIN, BadCdr, Read, Undecodable
from dispatcher.adapters.cutting import cut_quoted_lines
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import SourceRules

# No text of a record of so many bytes is longer than what a CDR's fields take.
SHORT_BYTES: Final = 500
_MASTER: Final = 14  # where cdr_csv has the disposition
_CUSTOM: Final = 13  # where cdr_custom has it
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_LAYOUT: Final = (
    "is no row of Master.csv (16 to 21 columns), nor of cdr_custom's sample mapping"
)


class AsteriskCsv:
    """The format `asterisk-csv`."""

    name: Final = "asterisk-csv"
    pbx: Final = "asterisk"
    head_records: Final = 0

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
        """One call a record; none of an empty one. Raises nothing."""
        clock = clock_of(rules.zone)
        rows = _parsed_together(records)
        items = [
            _read(record, row, clock)
            for record, row in zip(records, rows, strict=True)
            if row != []
        ]
        return items


def _parsed_together(records: Sequence[bytes]) -> list[list[str] | None]:
    """Each record's fields; [] of a blank one, None where it is no CSV."""
    texts = [record.decode("utf-8", "replace") for record in records]
    try:
        rows = list(csv.reader(texts))
    except csv.Error:
        rows = []
    # A quote that is not closed takes the next record with it.
    if len(rows) == len(texts):
        return list(rows)
    return [_parsed(text) for text in texts]


def _parsed(text: str) -> list[str] | None:
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return rows[0] if rows else []


def _read(record: bytes, fields: list[str] | None, clock: Clock) -> Read | Undecodable:
    try:
        row = _row(fields)
        is_short = len(record) <= SHORT_BYTES and b"\0" not in record
        return Read(cdr_of(row, clock, is_short=is_short), record)
    except BadCdr as bad:
        return Undecodable(str(bad), record, bad.errors)


def _row(fields: list[str] | None) -> Row:
    if fields is None:
        raise BadCdr(FieldError("row", "is no CSV: a quote is not closed"))
    if len(fields) == len(Row._fields) and fields[_MASTER] in DISPOSITIONS:
        row = Row._make(fields)
    else:
        row = _by_layout(fields)
    if _REPLACED in row.uniqueid or _REPLACED in row.sequence:
        raise BadCdr(FieldError("uniqueid", "is not UTF-8"))
    return row


def _by_layout(fields: list[str]) -> Row:
    count = len(fields)
    if _is_at(_MASTER, fields) and 16 <= count <= 21:
        return _master(fields)
    if _is_at(_CUSTOM, fields) and count in (18, 19):
        return _custom(fields)
    raise BadCdr(FieldError("row", f"with {count} columns {_LAYOUT}"))


def _is_at(place: int, fields: list[str]) -> bool:
    """Whether the disposition is there: a word of Asterisk's, behind two numbers."""
    return (
        len(fields) > place
        and fields[place] in DISPOSITIONS
        and not any(fields[place - back].strip("0123456789.") for back in (1, 2))
    )


def _master(fields: list[str]) -> Row:
    """16, then uniqueid or userfield or both, then the three new ones or none."""
    base, rest = fields[:16], fields[16:]
    new = rest[-3:] if len(rest) >= 3 else ["", "", ""]
    old = rest[:-3] if len(rest) >= 3 else rest
    if len(old) == 1:
        old = [*old, ""] if _is_unique_id(old[0]) else ["", *old]
    return Row._make([*base, *(old or ["", ""]), *new])


def _is_unique_id(text: str) -> bool:
    _, _, tail = text.rpartition("-")
    seconds, _, number = tail.partition(".")
    return seconds.isdigit() and number.isdigit()


def _custom(fields: list[str]) -> Row:
    """clid, src, dst, ... amaflags, accountcode, uniqueid, userfield[, sequence]."""
    clid, src, dst, dcontext, *middle = fields[:15]
    account, uniqueid, userfield, *sequence = fields[15:]
    return Row._make(
        [
            *(account, src, dst, dcontext, clid, *middle, uniqueid, userfield, "", ""),
            *(sequence or [""]),
        ]
    )
