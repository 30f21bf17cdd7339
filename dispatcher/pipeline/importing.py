"""Imports a file from its beginning to its end.

What is in the database already is a duplicate, so that an import which was interrupted is
simply run again. Shows nothing: who imports is told after each transaction how far it is.

A long file is stored by several processes on PostgreSQL (pipeline.side_by_side), in the
order of the file all the same.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from django.db import connection

from dispatcher.models import Source
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Readable, Reading, chunks, parts
from dispatcher.pipeline.ingest import store
from dispatcher.pipeline.side_by_side import SideBySide, processors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from uuid import UUID

    from dispatcher.pipeline.chunks import Chunk
    from dispatcher.pipeline.ingest import Ingested

log = structlog.get_logger(__name__)

# For how long a database that takes nothing is waited for.
PATIENCE: Final = dt.timedelta(minutes=5)
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 30.0
# Chunks of a file that other processes are not worth being started for.
FEW: Final = 2


@dataclass(slots=True)
class Imported:
    """How far an import is: records by what became of them.

    `wake`: the webhooks that have something to do since it was last told.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
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
    done: Imported,
    *,
    clock: Callable[[], dt.datetime],
    pause: Callable[[float], object] | None = None,
) -> Generator[None, None, None]:
    """Takes in all records of a stream; tells in `done` how far it is, after each commit.

    Closed before its end, it waits for what is being stored, and counts it. Where the
    database takes nothing for PATIENCE, raises StorageUnavailable; else TooLargeError,
    or what reading the stream raises.
    """
    storing: _OneByOne | SideBySide = _OneByOne(reading, clock)
    patience = _Patience(pause or time.sleep)
    try:
        for number, chunk in enumerate(chunks(stream, reading.file_format)):
            if number == FEW and processors() > 1 and _may_store_together(reading):
                storing = SideBySide(reading, clock, processors())
            for told in storing.put(chunk):
                if stored := patience.stored(told):
                    done.add(stored)
                    yield
        for told in storing.rest():
            if stored := patience.stored(told):
                done.add(stored)
                yield
    finally:
        for stored in storing.close():
            done.add(stored)


class _OneByOne:
    """Stores chunks in this process, as SideBySide does in others."""

    def __init__(self, reading: Reading, clock: Callable[[], dt.datetime]) -> None:
        self._reading, self._clock = reading, clock

    def put(self, chunk: Chunk) -> Iterator[Ingested | StorageUnavailable]:
        """Stores it; what could not be is tried again when more is asked for."""
        of = self._reading
        for items in filter(None, parts(of, chunk)):
            told: Ingested | StorageUnavailable | None = None
            while told is None or isinstance(told, StorageUnavailable):
                try:
                    told = store(of.tenant, items, of.origin, now=self._clock())
                except StorageUnavailable as error:
                    told = error
                yield told

    def rest(self) -> Iterator[Ingested | StorageUnavailable]:
        """Nothing: all that was put is stored."""
        return iter(())

    def close(self) -> list[Ingested]:
        """Nothing is being stored."""
        return []


class _Patience:
    """Waits for a database that takes nothing, for PATIENCE at most."""

    def __init__(self, pause: Callable[[float], object]) -> None:
        self._pause = pause
        self._waited, self._wait = 0.0, FIRST_WAIT_SECONDS

    def stored(self, told: Ingested | StorageUnavailable) -> Ingested | None:
        """What was stored; None after a wait. Raises what was told where it has been
        waited for long enough.

        The same is stored again then: what was committed is a duplicate.
        """
        if not isinstance(told, StorageUnavailable):
            self._waited, self._wait = 0.0, FIRST_WAIT_SECONDS
            return told
        if self._waited >= PATIENCE.total_seconds():
            raise told
        log.warning("import.waits", seconds=self._wait)
        self._pause(self._wait)
        self._waited += self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)
        return None


def _may_store_together(reading: Reading) -> bool:
    """Not on SQLite, which has one writer, nor where legs of a call wait for each other.

    What the caller has not committed, no other connection would see.
    """
    source = reading.origin.source
    joins = source is not None and source.legs == Source.PER_CALL
    on_postgresql = connection.vendor == "postgresql"
    return on_postgresql and not joins and not connection.in_atomic_block
