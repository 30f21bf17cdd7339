"""Imports a file from its beginning to its end.

What is in the database already is a duplicate, so that an import which was interrupted is
simply run again. Shows nothing: who imports is told after each transaction how far it is.

While PostgreSQL stores some records, the next ones are read. Records of the same uid are
stored in the order of the file all the same, for the first one is the call and what
differs from it a revision.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from django.db import connection

from dispatcher.adapters.base import Read
from dispatcher.models import Source
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Readable, Reading, chunks, parts
from dispatcher.pipeline.ingest import store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from uuid import UUID

    from dispatcher.pipeline.chunks import Items
    from dispatcher.pipeline.ingest import Ingested

log = structlog.get_logger(__name__)

# For how long a database that takes nothing is waited for.
PATIENCE: Final = dt.timedelta(minutes=5)
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 30.0
# Transactions at a time: more find no more to do, for one core makes the rows.
TOGETHER: Final = 2


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
    storing = _Storing(reading, clock, pause)
    try:
        for chunk in chunks(stream, reading.file_format):
            for items in parts(reading, chunk):
                for stored in storing.put(items):
                    done.add(stored)
                    yield
        for stored in storing.rest():
            done.add(stored)
            yield
    finally:
        for stored in storing.stop():
            done.add(stored)


class _Storing:
    """Stores handfuls of records, one or a few at a time, each until it is stored."""

    def __init__(
        self,
        reading: Reading,
        clock: Callable[[], dt.datetime],
        pause: Callable[[float], object] | None,
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._flying: deque[tuple[frozenset[str], Future[Ingested]]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        if _may_store_together(reading):
            self._threads = ThreadPoolExecutor(TOGETHER, "import")

    def put(self, items: Items) -> Iterator[Ingested]:
        """Has them stored; gives what was stored meanwhile, in the order of the file."""
        if not items:
            return
        if self._threads is None:
            yield self._stored(items)
            return
        uids = frozenset(item.cdr.uid for item in items if isinstance(item, Read))
        while self._flying and self._must_wait(uids):
            yield self._next()
        self._flying.append((uids, self._threads.submit(self._in_thread, items)))

    def _must_wait(self, uids: frozenset[str]) -> bool:
        if len(self._flying) >= TOGETHER:
            return True
        return any(not uids.isdisjoint(others) for others, _ in self._flying)

    def _next(self) -> Ingested:
        _, future = self._flying[0]
        stored = future.result()
        self._flying.popleft()
        return stored

    def rest(self) -> Iterator[Ingested]:
        """What was still being stored."""
        while self._flying:
            yield self._next()

    def stop(self) -> list[Ingested]:
        """Tries nothing again; what was still being stored, if it could be."""
        self._stopping.set()
        if self._threads is not None:
            self._threads.shutdown()
        left = [future for _, future in self._flying if future.exception() is None]
        self._flying.clear()
        return [future.result() for future in left]

    def _in_thread(self, items: Items) -> Ingested:
        try:
            return self._stored(items)
        finally:
            connection.close()  # this thread's

    def _stored(self, items: Items) -> Ingested:
        """The same again until it is stored: what was committed is a duplicate then."""
        of, waited, wait = self._reading, 0.0, FIRST_WAIT_SECONDS
        while True:
            try:
                return store(of.tenant, items, of.origin, now=self._clock())
            except StorageUnavailable:
                if waited >= PATIENCE.total_seconds() or self._stopping.is_set():
                    raise
                log.warning("import.waits", seconds=wait)
            self._pause(wait)
            waited += wait
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _may_store_together(reading: Reading) -> bool:
    """Not on SQLite, which has one writer, nor where legs of a call wait for each other.

    What the caller has not committed, no other connection would see.
    """
    source = reading.origin.source
    joins = source is not None and source.legs == Source.PER_CALL
    on_postgresql = connection.vendor == "postgresql"
    return on_postgresql and not joins and not connection.in_atomic_block
