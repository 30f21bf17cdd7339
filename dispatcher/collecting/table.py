"""Reads calls from a table of a PBX, page by page, from wherever it is told.

What orders the rows is found by reflection: an increasing id, or else the time of the
end or the start of a call. Remembers nothing: where reading goes on is an argument.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dispatcher.collecting.database import engine_for, told
from dispatcher.collecting.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Select

    from dispatcher.collecting.database import Target

# A row as its driver gives it, by column.
Row = dict[str, Any]

TABLES: Final = {"asterisk": "cdr", "kamailio": "acc_cdrs"}
_IDS: Final = ("id", "acctid", "cdr_id", "recid")
_ENDS: Final = ("end", "end_time", "endtime", "end_stamp")
_STARTS: Final = ("calldate", "start", "start_time", "starttime", "start_stamp")
# Tells rows of a table without an id apart, where it has all of one line.
_IDENTITIES: Final = (("uniqueid", "sequence"), ("callid", "from_tag", "to_tag"))
# A row is written when its call ends: one that is found by its start may be this late.
LONGEST_CALL: Final = dt.timedelta(hours=6)
LATE_COMMIT: Final = dt.timedelta(minutes=5)
# The Julian day of Python's first, 0001-01-01.
_JULIAN_EPOCH: Final = 1721425.5


@dataclass(frozen=True, slots=True)
class Order:
    """What rows are read by.

    `overlap`: how far behind the newest row another may still appear; None for ids.
    `identity`: the columns that tell two rows apart.
    """

    column: str
    overlap: dt.timedelta | None
    identity: tuple[str, ...]
    time_column: str | None


class Table:
    """A table that is there, and readable. Raises Trouble wherever it is not."""

    def __init__(self, target: Target, name: str) -> None:
        import sqlalchemy as sa

        self._engine = engine_for(target.url)
        try:
            with told("The database cannot be read"):
                columns, keys = self._reflected(name)
        except BaseException:
            self.close()
            raise
        self.columns = tuple(columns)
        self.order = order_of(columns, keys)
        schema, _, table = name.rpartition(".")
        # Without types: a value comes as it is, a Julian day under a timestamp, too.
        self._table = sa.table(
            table, *[sa.column(one) for one in columns], schema=schema or None
        )
        self._column = self._table.c[self.order.column]

    def close(self) -> None:
        """Ends its connection."""
        self._engine.dispose()

    def newest(self) -> Any:
        """The highest value of what orders the rows; None where there are none."""
        import sqlalchemy as sa

        return self._one(sa.select(sa.func.max(self._column)))

    def first_since(self, since: dt.datetime) -> Any:
        """What orders the first row since a time of the table's own clock, or None."""
        import sqlalchemy as sa

        if self.order.time_column is None:
            raise Trouble("since= needs a table that has the time of calls.")
        time = self._table.c[self.order.time_column]
        sample = self._one(sa.select(time).where(time.is_not(None)).limit(1))
        moment = as_stored(since, sample)
        return self._one(sa.select(sa.func.min(self._column)).where(time >= moment))

    def page(self, start: Any, limit: int) -> list[Row]:
        """The next rows from a value on, itself included; None: from the very first."""
        import sqlalchemy as sa

        query = sa.select(self._table).order_by(self._column).limit(limit)
        # Rows without a value could not be gone on from.
        found = self._column.is_not(None) if start is None else self._column >= start
        return self._rows(query.where(found))

    def between(self, start: Any, end: Any) -> list[tuple[Any, ...]]:
        """Order and identity of the rows from one value to another, both included."""
        import sqlalchemy as sa

        wanted = [self._column, *(self._table.c[name] for name in self.order.identity)]
        with told("The table cannot be read"), self._engine.connect() as connection:
            found = connection.execute(
                sa.select(*wanted).where(self._column.between(start, end))
            )
            return [tuple(row) for row in found]

    def at(self, values: Iterable[Any]) -> list[Row]:
        """The rows with these values of what orders them, at most a few hundred."""
        import sqlalchemy as sa

        is_one: ColumnElement[bool] = self._column.in_(list(values))
        return self._rows(sa.select(self._table).where(is_one).order_by(self._column))

    def _reflected(self, name: str) -> tuple[dict[str, bool], Sequence[str]]:
        """Its columns, each with whether it holds whole numbers, and its primary key."""
        import sqlalchemy as sa
        from sqlalchemy.exc import NoSuchTableError

        schema, _, table = name.rpartition(".")
        inspector = sa.inspect(self._engine)
        try:
            columns = inspector.get_columns(table, schema=schema or None)
        except NoSuchTableError as error:
            raise Trouble(f"There is no table {name[:100]}.") from error
        key = inspector.get_pk_constraint(table, schema=schema or None)
        whole = {one["name"]: isinstance(one["type"], sa.Integer) for one in columns}
        return whole, key["constrained_columns"]

    def _rows(self, query: Select[Any]) -> list[Row]:
        with told("The table cannot be read"), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _one(self, query: Select[Any]) -> Any:
        with told("The table cannot be read"), self._engine.connect() as connection:
            return connection.execute(query).scalar()


def order_of(columns: dict[str, bool], key: Sequence[str]) -> Order:
    """How a table's rows are told apart and found in order.

    `columns` says of each whether it holds whole numbers. Raises Trouble where there is
    neither an id nor a time.
    """
    by_name = {name.lower(): name for name in columns}
    end, start = _first(by_name, _ENDS), _first(by_name, _STARTS)
    candidates = [*(key if len(key) == 1 else ()), _first(by_name, _IDS)]
    for name in candidates:
        # `sequence` begins anew whenever Asterisk does.
        if name and columns[name] and name.lower() != "sequence":
            return Order(name, None, (name,), start or end)
    if not end and not start:
        raise Trouble("The table has neither an increasing id nor the time of calls.")
    identity = next(
        (
            tuple(by_name[one] for one in names)
            for names in _IDENTITIES
            if all(one in by_name for one in names)
        ),
        tuple(columns),
    )
    if end:
        return Order(end, LATE_COMMIT, identity, end)
    return Order(str(start), LONGEST_CALL, identity, start)


def _first(by_name: dict[str, str], names: Iterable[str]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)


def as_stored(moment: dt.datetime, sample: Any) -> Any:
    """A time as a column has it that holds `sample`: Julian days, text, or a time."""
    if isinstance(sample, int | float):
        since_epoch = moment.replace(tzinfo=None) - dt.datetime(1, 1, 1)  # noqa: DTZ001
        return _JULIAN_EPOCH + since_epoch / dt.timedelta(days=1)
    if isinstance(sample, str):
        return str(moment)
    if isinstance(sample, dt.datetime) and sample.tzinfo and not moment.tzinfo:
        return moment.replace(tzinfo=dt.UTC)
    return moment
