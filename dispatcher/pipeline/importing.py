"""Imports a file from its beginning to its end.

What is in the database already is a duplicate, so that an import which was interrupted is
simply run again. Shows nothing: who imports is told after each chunk how far it is.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Readable, Reading, chunks, parts
from dispatcher.pipeline.ingest import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from dispatcher.pipeline.chunks import Items
    from dispatcher.pipeline.ingest import Ingested

log = structlog.get_logger(__name__)

# For how long a database that takes nothing is waited for.
PATIENCE: Final = dt.timedelta(minutes=5)
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 30.0


@dataclass(slots=True)
class Imported:
    """How far an import is: records by what became of them, and bytes of the file.

    `wake`: the webhooks that have something to do since it was last told.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    bytes_read: int = 0
    wake: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """All of them."""
        return self.accepted + self.duplicates + self.rejected

    def add(self, stored: Ingested) -> None:
        """Counts what has been committed."""
        self.accepted += stored.accepted
        self.duplicates += stored.duplicates
        self.rejected += stored.quarantined
        self.wake = stored.wake


def import_stream(
    stream: Readable,
    reading: Reading,
    *,
    clock: Callable[[], dt.datetime],
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Imported]:
    """Takes in all records of a stream; tells after each transaction how far it is.

    The same object is told each time. Where the database takes nothing for PATIENCE,
    raises StorageUnavailable; else TooLargeError, or what reading the stream raises.
    """
    done = Imported()
    for chunk in chunks(stream, reading.file_format):
        done.bytes_read = chunk.end
        for items in parts(reading, chunk):
            if items:
                done.add(_stored(reading, items, clock, pause))
                yield done


def _stored(
    reading: Reading,
    items: Items,
    clock: Callable[[], dt.datetime],
    pause: Callable[[float], object],
) -> Ingested:
    """The same again until it is stored: what was committed is a duplicate then."""
    waited, wait = 0.0, FIRST_WAIT_SECONDS
    while True:
        try:
            return store(reading.tenant, items, reading.origin, now=clock())
        except StorageUnavailable:
            if waited >= PATIENCE.total_seconds():
                raise
            log.warning("import.waits", seconds=wait)
        pause(wait)
        waited += wait
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
