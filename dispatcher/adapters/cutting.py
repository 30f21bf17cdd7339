"""Cuts what a file holds into records: by line, by CSV record, or not at all.

Whatever is in the file, a record is bounded, so that one which never ends takes neither
the memory nor the records behind it. Refuses to know what records mean.

Each function takes the bytes from a record's start on and returns the whole records and
how many bytes they took, as FileFormat.cut says; in which pieces a file comes makes no
difference. Of MAX_RECORD_BYTES, lines and CSV records always take something.
"""

from __future__ import annotations

import re
from typing import Final

# What is longer is cut into pieces, which no reader will take for a record. The record
# of a call may itself be no larger (cdr_json.MAX_RECORD_BYTES).
MAX_RECORD_BYTES: Final = 256 * 1024
# Over how many lines a quoted CSV record may go: a quote that is never closed costs its
# own line, and holds up so many.
MAX_RECORD_LINES: Final = 16

# A CSV record. As Python's csv has it, a quote opens only at the beginning of a field, and
# is closed by the next one that is not doubled. Possessive, so that it takes linear time.
_FIELDS: Final = (
    rb"(?:[^\"\n]++"
    rb"|(?<![^,;|\t\n])\"[^\"]*+(?:\"\"[^\"]*+)*+\""
    rb"|(?<=[^,;|\t\n])\")*+"
)
_RECORD: Final = re.compile(_FIELDS + rb"\n")
_LAST_RECORD: Final = re.compile(_FIELDS + rb"(?:\n|\Z)")


def cut_lines(data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
    """One record a line; its LF or CRLF belongs to it."""
    lines = data.split(b"\n")
    rest = lines.pop()
    records = [line + b"\n" for line in lines]
    if any(len(record) > MAX_RECORD_BYTES for record in records):
        records = [piece for record in records for piece in _pieces(record)]
    left = _pieces(rest)
    if left and not is_end and len(left[-1]) < MAX_RECORD_BYTES:
        rest = left.pop()
        return records + left, len(data) - len(rest)
    return records + left, len(data)


def cut_quoted_lines(data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
    """One record a line of CSV; line breaks within double quotes belong to the record.

    Fields may be separated by comma, semicolon, tab or bar. A quote that is not closed
    within MAX_RECORD_LINES costs its own line only.
    """
    records: list[bytes] = []
    start = 0
    while start < len(data):
        end = data.find(b"\n", start, start + MAX_RECORD_BYTES) + 1
        # Where quotes are even, the record ends with its line.
        if not end or data.count(b'"', start, end) & 1:
            end = _end_of_record(data, start, is_end=is_end)
        if not end:
            break
        records.append(data[start:end])
        start = end
    return records, start


def cut_document(data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
    """The whole file is one record, which only its end completes."""
    return ([data], len(data)) if is_end and data else ([], 0)


def _pieces(line: bytes) -> list[bytes]:
    return [
        line[start : start + MAX_RECORD_BYTES]
        for start in range(0, len(line), MAX_RECORD_BYTES)
    ]


def _end_of_record(data: bytes, start: int, *, is_end: bool) -> int:
    """Where the CSV record ends that begins at `start`; 0 if more bytes must tell."""
    first, window, is_full = _window(data, start)
    at_end = is_end and window == len(data)
    match = (_LAST_RECORD if at_end else _RECORD).match(data, start, window)
    if match is not None:
        return match.end()
    return first if is_full or at_end else 0


def _window(data: bytes, start: int) -> tuple[int, int, bool]:
    """Where the first line ends, how far a record may go at most, and if that is there."""
    limit = min(start + MAX_RECORD_BYTES, len(data))
    first = end = data.find(b"\n", start, limit) + 1 or limit
    for _ in range(1, MAX_RECORD_LINES):
        if end == limit:
            return first, end, limit == start + MAX_RECORD_BYTES
        end = data.find(b"\n", end, limit) + 1 or limit
    return first, end, True
