"""Reads files as chunks of records, in constant memory however large they are.

Knows nothing of what records mean, and of where it is remembered how far a file was read.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dispatcher.adapters.base import FileFormat, Read, Undecodable
    from dispatcher.models import Tenant
    from dispatcher.pipeline.ingest import Origin
    from dispatcher.values import SourceRules

    Items = Sequence[Read | Undecodable]

# Holds four records of the largest size, so that each look at a file gets on.
STEP_BYTES: Final = 1024 * 1024
# What must be in memory as a whole: a file that is one document.
MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024
# Records that one transaction stores: SQLite's other writers wait for it.
MOST_RECORDS: Final = {"sqlite": 200}
MOST_RECORDS_ELSEWHERE: Final = 3000


class Readable(Protocol):
    """A binary stream, of a plain file or of a compressed one."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class TooLargeError(Exception):
    """A record is larger than is read at once."""

    def __init__(self) -> None:
        megabytes = MAX_DOCUMENT_BYTES // 1024 // 1024
        super().__init__(f"one record of it is larger than {megabytes} MB")


class Chunk(NamedTuple):
    """Records of a file, what its head says, and where in the file they end."""

    records: list[bytes]
    head: Sequence[bytes]
    end: int


class Reading(NamedTuple):
    """Whose records they are, and how they are read."""

    tenant: Tenant
    file_format: FileFormat
    rules: SourceRules
    origin: Origin


def most_records() -> int:
    """How many records of a file one transaction stores at most."""
    return MOST_RECORDS.get(connection.vendor, MOST_RECORDS_ELSEWHERE)


def all_of_it(_left: bytes) -> bool:
    """What is left over at the end of a file that does not grow is a record."""
    return True


def is_document(file_format: FileFormat) -> bool:
    """Whether a whole file is one record: nothing of it is one before its end."""
    return not file_format.cut(b"\n", is_end=False)[0]


def chunks(
    stream: Readable,
    file_format: FileFormat,
    *,
    start: int = 0,
    head: Sequence[bytes] = (),
    is_over: Callable[[bytes], bool] = all_of_it,
) -> Iterator[Chunk]:
    """The records of a stream that stands at `start` of its file.

    `head` has been read before, unless the file is at its start. `is_over` says at the
    end of the stream whether what is left over is a record. Raises TooLargeError, and
    what reading raises.
    """
    of_head = list(head)
    for records in _cut(stream, file_format, is_over):
        missing = file_format.head_records - len(of_head)
        of_head += records[:missing]
        start += sum(map(len, records[:missing]))
        yield from _batches(Chunk(records[missing:], of_head, start))
        start += sum(map(len, records[missing:]))


def _batches(chunk: Chunk) -> Iterator[Chunk]:
    """The same in handfuls; `chunk.end` is where they begin. At least one, if empty."""
    end = chunk.end
    for part in _handfuls(len(chunk.records)):
        records = chunk.records[part]
        end += sum(map(len, records))
        yield Chunk(records, chunk.head, end)


def _cut(
    stream: Readable, file_format: FileFormat, is_over: Callable[[bytes], bool]
) -> Iterator[list[bytes]]:
    """Whole records, as they are read."""
    left = b""
    while more := stream.read(STEP_BYTES):
        left += more
        records, taken = file_format.cut(left, is_end=False)
        left = left[taken:]
        if len(left) > MAX_DOCUMENT_BYTES:
            raise TooLargeError
        yield records
    if left and is_over(left):
        yield file_format.cut(left, is_end=True)[0]


def parts(reading: Reading, chunk: Chunk) -> list[Items]:
    """What a chunk's records say, as much at a time as one transaction stores.

    At least one, which may be empty: a record may give no calls, or many.
    """
    read = reading.file_format.read
    items = read(chunk.records, head=chunk.head, rules=reading.rules)
    if chunk.head and not _is_first(chunk):
        # A file may have none, and then its first record is a call: taken in already.
        items = items[len(read((), head=chunk.head, rules=reading.rules)) :]
    return [items[part] for part in _handfuls(len(items))]


def _handfuls(count: int) -> list[slice]:
    """What one transaction stores of so many: as few as can be, all nearly as large.

    A small one at the end would cost a transaction as well. At least one, if empty.
    """
    transactions = max(1, ceil(count / most_records()))
    size = max(1, ceil(count / transactions))
    return [slice(start, start + size) for start in range(0, max(1, count), size)]


def _is_first(chunk: Chunk) -> bool:
    return chunk.end == sum(map(len, (*chunk.head, *chunk.records)))
