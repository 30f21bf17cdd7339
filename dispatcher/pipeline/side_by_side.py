"""Reads and stores chunks of a file in several processes, as if one came after another.

What a call costs is mostly Python's work, of which one process does one piece at a time.
A process reads a chunk and tells whose uids it holds; it may store once nothing that stands
before it in the file is being stored under one of them. For the first record of a uid is
the call, and what differs from it a revision.

Only on PostgreSQL: SQLite has one writer.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from dispatcher.adapters.base import Read
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import parts
from dispatcher.pipeline.ingest import Ingested, store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator

    from dispatcher.pipeline.chunks import Chunk, Reading

    Clock = Callable[[], dt.datetime]

# More than these PostgreSQL would have to wait for.
MOST: Final = 4
STOP_SECONDS: Final = 30.0
_GO: Final = "go"

# A fork has what its parent has read, and texts have the same hash in it.
_forked: Final = multiprocessing.get_context("fork")


def processors() -> int:
    """How many processes it pays to have."""
    return min(MOST, len(os.sched_getaffinity(0)))


@dataclass(slots=True)
class _Job:
    """A chunk that a process has. `uids`: their hashes; None until it has told them."""

    process: Connection
    uids: frozenset[int] | None = None
    may_store: bool = False
    # It could not store, and waits to be told to try again.
    failed: bool = False

    def must_wait_for(self, earlier: Iterable[_Job]) -> bool:
        """Whether it may not store beside the chunks before it, as far as is known."""
        ours = self.uids
        return ours is None or any(
            one.uids is None or not ours.isdisjoint(one.uids) for one in earlier
        )


class SideBySide:
    """Processes that store chunks; to be closed.

    Made where nothing has been begun with the database that only this process sees.
    """

    def __init__(self, reading: Reading, clock: Clock, count: int) -> None:
        # In the order of the file.
        self._jobs: list[_Job] = []
        self._processes = []
        self._connections: list[Connection] = []
        _leave_database()
        for _ in range(count):
            ours, theirs = _forked.Pipe()
            self._connections.append(ours)
            process = _forked.Process(
                target=_serve,
                args=(theirs, list(self._connections), reading, clock),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._processes.append(process)
        self._idle = list(self._connections)

    def put(self, chunk: Chunk) -> Iterator[Ingested | StorageUnavailable]:
        """Has it read and stored; gives what became of what was put before.

        What could not be stored is tried again when the next thing is asked for.
        """
        while not self._idle:
            yield from self._next()
        process = self._idle.pop()
        process.send(chunk)
        self._jobs.append(_Job(process))

    def rest(self) -> Iterator[Ingested | StorageUnavailable]:
        """What became of all that was put."""
        while self._jobs:
            yield from self._next()

    def close(self) -> list[Ingested]:
        """Tries nothing again, begins nothing; what was still being stored."""
        self._jobs = [job for job in self._jobs if job.may_store and not job.failed]
        stored: list[Ingested] = []
        with contextlib.suppress(Exception):
            while self._jobs:
                told = list(self._heard())
                stored += [one for one in told if isinstance(one, Ingested)]
                self._jobs = [job for job in self._jobs if not job.failed]
        for connection in self._connections:
            connection.close()
        for one in self._processes:
            one.join(STOP_SECONDS)
            one.terminate()
        return stored

    def _next(self) -> Iterator[Ingested | StorageUnavailable]:
        for job in self._jobs:
            if job.failed:
                job.failed = False
                job.process.send(_GO)
        self._let_go()
        yield from self._heard()

    def _let_go(self) -> None:
        for number, job in enumerate(self._jobs):
            earlier = self._jobs[:number]
            if not (job.may_store or job.must_wait_for(earlier)):
                job.may_store = True
                job.process.send(_GO)

    def _heard(self) -> Iterator[Ingested | StorageUnavailable]:
        """What one or more processes say; waits for it."""
        ready = wait([job.process for job in self._jobs])
        for job in [job for job in self._jobs if job.process in ready]:
            told = _received(job.process)
            if told is None:
                self._jobs.remove(job)
                self._idle.append(job.process)
            elif isinstance(told, frozenset):
                job.uids = told
            elif isinstance(told, StorageUnavailable):
                job.failed = True
                yield told
            elif isinstance(told, Ingested):
                yield told
            else:
                raise told


def _leave_database() -> None:
    """A connection that several processes had would be nobody's; so would the pool's."""
    connections.close_all()
    for one in connections.all(initialized_only=True):
        one.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


def _received(process: Connection) -> Any:
    try:
        return process.recv()
    except EOFError:
        raise StorageUnavailable("a process that stored records has ended") from None


# In a process of its own ----------------------------------------------------------------


def _serve(
    parent: Connection, not_ours: list[Connection], reading: Reading, clock: Clock
) -> None:
    """Until the parent closes the connection, or is gone."""
    # Ctrl-C is for the parent, which lets us finish what has been begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for one in not_ours:
        one.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            chunk = parent.recv()
            try:
                _stored(parent, reading, clock, chunk)
            except (EOFError, OSError):
                raise
            except Exception as error:
                parent.send(error)
                return


def _stored(parent: Connection, reading: Reading, clock: Clock, chunk: Chunk) -> None:
    handfuls = parts(reading, chunk)
    parent.send(
        frozenset(
            hash(item.cdr.uid)
            for items in handfuls
            for item in items
            if isinstance(item, Read)
        )
    )
    parent.recv()
    for items in filter(None, handfuls):
        while True:
            try:
                told = store(reading.tenant, items, reading.origin, now=clock())
            except StorageUnavailable as error:
                parent.send(StorageUnavailable(str(error)))
                parent.recv()
            else:
                parent.send(told)
                break
    parent.send(None)
