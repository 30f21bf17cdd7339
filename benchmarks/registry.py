"""All rows, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.rows import drain

if TYPE_CHECKING:
    from benchmarks.values import Row

ROWS: Final[dict[str, Row]] = {row.name: row for row in (drain.ROW,)}
