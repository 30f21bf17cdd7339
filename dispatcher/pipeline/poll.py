"""Takes in the rows of a PBX's table, page by page, from a stored place on.

The place is committed with what was read up to it. No connection of our database is
held while the PBX's is asked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

from django.db import close_old_connections

from dispatcher.adapters.rows import row_reader
from dispatcher.collecting.database import ALL, target_of
from dispatcher.collecting.reading import PAGE, Reading, after, from_json, to_json
from dispatcher.collecting.table import TABLES, Row, Table
from dispatcher.collecting.trouble import Trouble
from dispatcher.pipeline.hold import write_cursor
from dispatcher.pipeline.ingest import Ingested, Origin, rules_of, store

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dispatcher.collecting.database import Target
    from dispatcher.models import Source
    from dispatcher.pipeline.collect import Wake

POLL_SECONDS: Final = 3.0
# Between two looks for rows that were committed late; longer where a look takes long.
LOOK_BACK_SECONDS: Final = 30.0
REST_FACTOR: Final = 20


class TablePoll:
    """Reads one source's table; `step` by `step`, as pipeline.collect has it."""

    tells_trouble = False

    def __init__(
        self,
        source: Source,
        *,
        collector: UUID,
        wake: Wake,
        clock: Callable[[], dt.datetime],
    ) -> None:
        reader = row_reader(source.pbx)
        if reader is None:
            raise Trouble(f"Rows of {source.pbx} cannot be read.")
        self._reader, self._source, self._collector = reader, source, collector
        self._wake, self._clock = wake, clock
        self._rules = rules_of(source, source.tenant)
        self._table: Table | None = None
        self._reading: Reading | None = None
        self._look_back_at = 0.0

    def step(self) -> float:
        """Stores a page; how long to wait before the next, in seconds.

        Raises Trouble, StorageUnavailable or TakenOverError.
        """
        table, reading = self._opened()
        rows = table.page(*reading.next_page())
        new = reading.unseen(rows)
        self._store(new)
        if len(rows) >= PAGE and new:
            return 0.0
        if time.monotonic() >= self._look_back_at:
            self._look_back(table, reading)
        return POLL_SECONDS

    def close(self) -> None:
        """Ends the connection; the next step opens another."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def _opened(self) -> tuple[Table, Reading]:
        target = target_of(self._source.connection)
        name = self._source.table or TABLES[self._reader.name]
        if self._table is None:
            self._table = Table(target, name)
            self._check(self._table)
        if self._reading is None:
            self._reading = self._begun(target, name, self._table)
        return self._table, self._reading

    def _check(self, table: Table) -> None:
        missing = self._reader.missing(table.columns)
        if missing:
            raise Trouble(f"The table has no column {', '.join(missing)}.")

    def _begun(self, target: Target, name: str, table: Table) -> Reading:
        """Where it was left; of another table than before: from now on, or `since`."""
        self._of = _digest(target.url, name, table.order.column)
        cursor = self._source.cursor
        if cursor.get("of") == self._of:
            return Reading(table.order, from_json(cursor["from"]))
        reading = Reading(table.order, _first(target, table))
        kept = self._cursor(reading.start)
        write_cursor(self._source.pk, self._collector, kept)
        close_old_connections()
        self._source.cursor = kept
        return reading

    def _cursor(self, start: Any) -> dict[str, Any]:
        return {"of": self._of, "from": to_json(start)}

    def _store(self, rows: list[Row]) -> None:
        """Stores rows and the place; both are remembered once they are committed."""
        if not rows or self._reading is None:
            return
        at_seconds = time.monotonic()
        cursor = self._cursor(self._reading.start_after(rows, at_seconds))

        def beside(_stored: Ingested) -> None:
            write_cursor(self._source.pk, self._collector, cursor)

        taken = store(
            self._source.tenant,
            [self._reader.read(row, self._rules) for row in rows],
            Origin(self._reader.name, self._source),
            now=self._clock(),
            beside=beside,
        )
        self._source.cursor = cursor
        self._reading.note(rows, at_seconds)
        self._wake(taken.wake)
        # The PBX's database is asked next.
        close_old_connections()

    def _look_back(self, table: Table, reading: Reading) -> None:
        began = time.monotonic()
        stretch = reading.stretch()
        if stretch is not None:
            late = reading.late(table.between(*stretch))
            for start in range(0, len(late), PAGE):
                rows = table.at(late[start : start + PAGE])
                self._store(reading.unseen(rows))
        took = time.monotonic() - began
        self._look_back_at = began + max(LOOK_BACK_SECONDS, REST_FACTOR * took)


def _first(target: Target, table: Table) -> Any:
    """Where reading a table begins."""
    if target.since == ALL:
        return None
    if isinstance(target.since, dt.datetime):
        first = table.first_since(target.since)
        if first is not None:
            return first
    newest = table.newest()
    return None if newest is None else after(newest)


def _digest(url: Any, name: str, column: str) -> str:
    """Tells tables apart, whoever logs in."""
    parts = (url.drivername, url.host, url.port, url.database, name, column)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
