"""Takes in the calls that Asterisk tells of by AMI, as they end.

What ends while nobody listens is lost: AMI repeats nothing (docs/collect.md). So what
has come is kept in memory, and the connection is read on, while our database is away.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

import structlog

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.rows import row_reader
from dispatcher.collecting.ami import Message, Session, address_of
from dispatcher.collecting.trouble import Trouble
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.ingest import Origin, rules_of, store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from dispatcher.models import Source
    from dispatcher.pipeline.collect import Wake

log = structlog.get_logger(__name__)

# What comes within this time is stored together.
TOGETHER_SECONDS: Final = 0.2
MOST_TOGETHER: Final = 500
# How long one wait for an event takes; a request to stop is looked for in between.
WAIT_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 2.0
# Kept in memory while the database is away: about 20 MB. Then Asterisk is not read.
MOST_WAITING: Final = 20_000


class AmiListen:
    """Listens for one source's calls; `step` by `step`, as pipeline.collect has it."""

    tells_trouble = False

    def __init__(
        self, source: Source, *, wake: Wake, clock: Callable[[], dt.datetime]
    ) -> None:
        reader = row_reader(source.pbx)
        if reader is None or reader.name != "asterisk":
            raise Trouble("AMI is Asterisk's: the source's PBX must be asterisk.")
        self._reader, self._source, self._wake, self._clock = (
            reader,
            source,
            wake,
            clock,
        )
        self._rules = rules_of(source, source.tenant)
        self._session: Session | None = None
        self._waiting: list[Message] = []
        self._first_at = self._retry_at = 0.0

    def step(self) -> float:
        """Listens for half a second and stores what is due; always goes on at once.

        Raises Trouble when the connection is at fault: what had come is stored first.
        """
        try:
            if self._session is None:
                self._session = Session(address_of(self._source.connection))
            self._listen(self._session)
        except Trouble:
            self._store_if_due(is_last=True)
            raise
        self._store_if_due()
        return 0.0

    def close(self) -> None:
        """Logs off; what has come and is not stored is stored, or given up and told."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self._retry_at = 0.0
        self._store_if_due(is_last=True)
        if self._waiting:
            log.error("ami.events_waiting", records=len(self._waiting))

    def _listen(self, session: Session) -> None:
        if len(self._waiting) >= MOST_WAITING:
            time.sleep(WAIT_SECONDS)
            return
        wait = TOGETHER_SECONDS / 4 if self._waiting else WAIT_SECONDS
        events = session.calls(wait)
        if events and not self._waiting:
            self._first_at = time.monotonic()
        self._waiting += events

    def _store_if_due(self, *, is_last: bool = False) -> None:
        now = time.monotonic()
        is_due = now - self._first_at >= TOGETHER_SECONDS or is_last
        is_full = len(self._waiting) >= MOST_TOGETHER
        if not self._waiting or now < self._retry_at or not (is_due or is_full):
            return
        try:
            while self._waiting:
                self._store(self._waiting[:MOST_TOGETHER])
                del self._waiting[:MOST_TOGETHER]
        except StorageUnavailable:
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def _store(self, messages: list[Message]) -> None:
        taken = store(
            self._source.tenant,
            [self._read(message) for message in messages],
            Origin(self._reader.name, self._source),
            now=self._clock(),
        )
        self._wake(taken.wake)

    def _read(self, message: Message) -> Read | Undecodable:
        """Kept beside the call is what came over the wire."""
        item = self._reader.read(message.fields, self._rules)
        if isinstance(item, Read):
            return item._replace(raw=message.raw)
        return dataclasses.replace(item, body=message.raw)
