"""Fetches calls from sources that have a folder or a connection, each in a thread.

The constraints, and what follows from them:

1. Sources change while this runs. Every few seconds their rows are looked at: what was
   switched off is stopped, what was changed is begun anew, from its stored place.
2. Several of these may run. A source is fetched by whoever holds its lease
   (pipeline.hold); when a machine dies, another takes over once that has lapsed.
3. A PBX may be away for days. It is tried again after 1 s, doubling to a minute, with
   jitter; the source says why, and since when.
4. None may hold up another, and a database connection is too dear to wait with: threads,
   and no connection of ours between two steps.
"""

from __future__ import annotations

import random
import threading
import time
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from django.db import (
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
)
from django.db.models import Q

from dispatcher.collecting.trouble import Trouble
from dispatcher.models import Source
from dispatcher.models.encryption import UndecryptableError, readable
from dispatcher.models.ids import uuid7
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.hold import (
    LEASE,
    TakenOverError,
    clear_trouble,
    hold,
    note_trouble,
    release,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from uuid import UUID

    Wake = Callable[[Mapping[UUID, str]], None]

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 3.0
RENEW_SECONDS: Final = LEASE.total_seconds() / 3
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0
# What threads have to end in, when the process is to stop.
STOP_SECONDS: Final = 2.0


class Job(Protocol):
    """One way of fetching, from one source.

    `tells_trouble`: it shows by itself on the source what is in the way, and that it is
    gone.
    """

    tells_trouble: bool

    def step(self) -> float:
        """Fetches a little; how long to wait until the next step, in seconds.

        Raises Trouble, StorageUnavailable or TakenOverError.
        """

    def close(self) -> None:
        """Ends what it has open. A step may follow."""


def retry_seconds(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row, counted from 1.

    `chance` (0 to 1) spreads it over the upper half: many sources that lost the same
    PBX must not come back together.
    """
    doubled = FIRST_RETRY_SECONDS * float(2 ** min(failures - 1, 10))
    longest = min(doubled, LONGEST_RETRY_SECONDS)
    return longest * (0.5 + chance / 2)


class Runner:
    """A thread that has a job's steps done until it is told to stop."""

    def __init__(
        self,
        source: Source,
        make: Callable[[Source], Job],
        *,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._source, self._make, self._clock = source, make, clock
        self._failures = 0
        self._is_well: bool | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, daemon=True, name=f"collect-{source.name}"
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended yet."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Has it end after the step that it is at; returns at once."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Waits for its end, not for ever."""
        self._thread.join(seconds)

    def _run(self) -> None:
        job: Job | None = None
        try:
            while not self._stop.is_set():
                try:
                    job = job or self._make(self._source)
                    wait = job.step()
                    self._note_well(job)
                except TakenOverError:
                    return
                except Exception as error:
                    wait = self._failed(error, job)
                # Nothing of ours is held while waiting, or in the next step for a PBX.
                connection.close()
                self._stop.wait(wait)
        finally:
            if job is not None:
                job.close()
            connection.close()

    def _note_well(self, job: Job) -> None:
        self._failures = 0
        if not self._is_well and not job.tells_trouble:
            clear_trouble(self._source.pk)
            log.info("source.fetched", source=str(self._source.pk))
            self._is_well = True

    def _failed(self, error: Exception, job: Job | None) -> float:
        self._failures += 1
        try:
            self._tell(error)
            if job is not None and not isinstance(error, StorageUnavailable):
                job.close()
        except (DatabaseError, InterfaceError, StorageUnavailable) as away:
            log.warning("collect.database_away", error=str(away)[:200])
        # No secret hangs on it.
        return retry_seconds(self._failures, random.random())  # noqa: S311

    def _tell(self, error: Exception) -> None:
        if isinstance(error, StorageUnavailable | DatabaseError | InterfaceError):
            log.warning("collect.not_stored", source=str(self._source.pk))
            return
        if isinstance(error, Trouble):
            reason = error.reason
            detail: Any = error.detail
            log.warning("source.trouble", source=str(self._source.pk), detail=detail)
        else:
            reason = f"cdrhook failed to read it: {type(error).__name__}."
            log.error("collect.failed", source=str(self._source.pk), exc_info=error)
        self._is_well = False
        note_trouble(self._source.pk, reason, self._clock())


@dataclass(slots=True)
class _Held:
    """A source that this process holds, as it was when its runners were started."""

    state: tuple[Any, ...]
    renewed_at: float
    runners: list[Runner] = field(default_factory=list)

    @property
    def is_at_work(self) -> bool:
        """Whether none of its threads has ended by itself."""
        return all(runner.is_alive for runner in self.runners)


class Collector:
    """Looks after all sources; `run` returns when `stop` is set."""

    def __init__(
        self,
        *,
        wake: Wake,
        clock: Callable[[], dt.datetime],
        stop: threading.Event,
        jobs: Callable[[Source], list[Callable[[Source], Job]]] | None = None,
    ) -> None:
        self.id = uuid7()
        self._wake, self._clock, self._stop = wake, clock, stop
        self._jobs = jobs or self._jobs_of
        self._held: dict[UUID, _Held] = {}
        self._ending: dict[UUID, list[Runner]] = {}

    def run(self) -> None:
        """Looks every few seconds; in the end all threads are stopped."""
        try:
            while not self._stop.is_set():
                self._try(self.look)
                self._stop.wait(LOOK_SECONDS)
        finally:
            self._end_all()

    def look(self) -> None:
        """Starts, renews and stops what the sources' rows ask for."""
        wanted = {source.pk: source for source in _sources()}
        for source_id in self._held.keys() - wanted.keys():
            self._let_go(source_id)
        for source_id, source in wanted.items():
            self._see_to(source_id, source)
        self._ending = {
            source_id: runners
            for source_id, runners in self._ending.items()
            if any(runner.is_alive for runner in runners)
        }

    def _see_to(self, source_id: UUID, source: Source) -> None:
        held = self._held.get(source_id)
        if held is None:
            # Not beside threads of its own that have yet to end.
            if source_id not in self._ending:
                self._begin(source_id, source)
        elif held.state != _state(source) or not held.is_at_work:
            self._let_go(source_id)
        elif time.monotonic() - held.renewed_at >= RENEW_SECONDS:
            held.renewed_at = time.monotonic()
            if not hold(source_id, self.id, self._clock()):
                self._let_go(source_id)

    def _begin(self, source_id: UUID, source: Source) -> None:
        if hold(source_id, self.id, self._clock()):
            runners = self._started(source)
            self._held[source_id] = _Held(_state(source), time.monotonic(), runners)

    def _started(self, source: Source) -> list[Runner]:
        return [
            # Each with a source of its own: places are noted on it.
            Runner(copy(source), make, clock=self._clock)
            for make in self._jobs(source)
        ]

    def _let_go(self, source_id: UUID) -> None:
        held = self._held.pop(source_id, None)
        if held is None:
            return
        for runner in held.runners:
            runner.stop()
        self._ending[source_id] = held.runners
        release(source_id, self.id)

    def _end_all(self) -> None:
        give_up_at = time.monotonic() + STOP_SECONDS
        running = [held.runners for held in self._held.values()]
        runners = [one for some in (*running, *self._ending.values()) for one in some]
        for runner in runners:
            runner.stop()
        for runner in runners:
            runner.join(max(0.0, give_up_at - time.monotonic()))
        self._try(self._release_all)

    def _release_all(self) -> None:
        for source_id in self._held:
            release(source_id, self.id)

    def _try(self, action: Callable[[], object]) -> None:
        """Without a database there is nothing to do but to wait for it."""
        try:
            action()
        except (DatabaseError, InterfaceError) as error:
            log.warning("collect.database_away", error=str(error)[:200])
        finally:
            close_old_connections()

    def _jobs_of(self, source: Source) -> list[Callable[[Source], Job]]:
        jobs: list[Callable[[Source], Job]] = []
        if source.connection:
            jobs.append(self._connected)
        if source.folder:
            jobs.append(self._watching)
        return jobs

    def _watching(self, source: Source) -> Job:
        from dispatcher.pipeline.watch import FolderWatch

        return FolderWatch(source, wake=self._wake, clock=self._clock)

    def _connected(self, source: Source) -> Job:
        """How a source's connection is spoken to. Raises Trouble."""
        # What a source needs is loaded when there is one.
        from dispatcher.collecting.database import is_database
        from dispatcher.pipeline.listen import AmiListen
        from dispatcher.pipeline.poll import TablePoll

        try:
            source.connection = readable(source.connection)
        except UndecryptableError as error:
            raise Trouble("The connection cannot be decrypted.", error) from error
        if source.connection.startswith(("ami://", "amis://")):
            return AmiListen(source, wake=self._wake, clock=self._clock)
        if is_database(source.connection):
            return TablePoll(
                source, collector=self.id, wake=self._wake, clock=self._clock
            )
        raise Trouble(
            "The connection must begin with ami://, amis://, postgresql://, mysql:// or"
            " sqlite:///."
        )


def _sources() -> list[Source]:
    """Those that calls are to be fetched from."""
    has_any = ~Q(folder="") | ~Q(connection="")
    return list(Source.objects.filter(has_any, active=True).select_related("tenant"))


_SETTINGS: Final = (
    *("tenant_id", "name", "pbx", "time_zone", "region", "directions", "mapping"),
    *("uid_prefix", "legs", "leg_wait_seconds", "secret", "folder", "file_format"),
    *("connection", "table"),
)


def _state(source: Source) -> tuple[Any, ...]:
    """What a runner goes by."""
    own = tuple(getattr(source, name) for name in _SETTINGS)
    return (*own, source.tenant.time_zone)
