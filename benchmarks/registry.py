"""All rows, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.rows import (
    api,
    dead,
    drain,
    fairness,
    hang1000,
    importing,
    ingest,
    latency,
    light,
    memory,
    purge,
    rivals,
    sizes,
    sqlite,
    workers,
)

if TYPE_CHECKING:
    from benchmarks.values import Row

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        drain.ROW,
        rivals.ROW,
        api.ROW,
        ingest.ROW,
        importing.ROW,
        light.ROW,
        fairness.ROW,
        hang1000.ROW,
        dead.ROW,
        sizes.ROW,
        latency.ROW,
        workers.ROW,
        memory.ROW,
        purge.ROW,
        sqlite.ROW,
    )
}
