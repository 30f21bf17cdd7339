"""Which rows of PBXs can be read by column name: one line each.

What a connection fetches comes as such rows: a database's, or AMI's events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from dispatcher.adapters.asterisk_columns import AsteriskRows
from dispatcher.adapters.kamailio_columns import KamailioRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dispatcher.adapters.base import Read, Undecodable
    from dispatcher.values import SourceRules


class RowReader(Protocol):
    """Makes calls of one PBX's rows."""

    @property
    def name(self) -> str:
        """What the records' source is called."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs at least, by its own names for them."""

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of `columns` a table with those column names has not got.

        Names are compared without case; aliases count.
        """

    def read(self, row: Mapping[str, object], rules: SourceRules) -> Read | Undecodable:
        """One row as a call; raises nothing.

        Values are what a driver gives: text, numbers, dates, None. `raw`, or `body`, is
        the row as canonical JSON.
        """


ROWS: Final[dict[str, RowReader]] = {
    "asterisk": AsteriskRows(),
    "kamailio": KamailioRows(),
}


def row_reader(name: str) -> RowReader | None:
    """The reader of a PBX's rows, or None if there is none."""
    return ROWS.get(name)
