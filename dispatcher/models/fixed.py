"""Queries that are compiled once and run with other values each time.

Django compiles a query to SQL whenever it is run, which costs more than to run it where
it finds a handful of rows. What a claim and a record ask a hundred times a second is
therefore compiled the first time only; the ORM still writes the SQL and converts what
comes back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet
    from django.db.models.sql.compiler import SQLCompiler


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`values`: for each parameter the number of the value that it is, or a constant."""

    sql: str
    values: tuple[int | None, ...]
    constants: tuple[Any, ...]
    compiler: SQLCompiler
    converters: dict[int, Any]


class FixedQuery:
    """`build(*values)` gives a queryset of values_list; it is called once a database.

    `examples` are values of the right types, all different and like nothing else that
    stands in the query: its parameters are recognised by them. Where a value is
    changed by the query (a time, a minute later), it has to be a value of its own.
    """

    def __init__(
        self, build: Callable[..., QuerySet[Any, Any]], *examples: Any
    ) -> None:
        self._build = build
        self._examples = examples
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, *values: Any) -> list[Any]:
        """The rows, as values_list would give them."""
        compiled = self._compiled.get(connection.vendor)
        if compiled is None:
            compiled = self._compiled[connection.vendor] = self._compile()
        given = [_prepared(value) for value in values]
        parameters = [
            constant if number is None else given[number]
            for number, constant in zip(
                compiled.values, compiled.constants, strict=True
            )
        ]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, parameters)
            found: list[Any] = cursor.fetchall()
        if compiled.converters:
            converted = compiled.compiler.apply_converters(found, compiled.converters)
            return list(converted)
        return found

    def _compile(self) -> _Compiled:
        compiler = self._build(*self._examples).query.get_compiler(
            connection=connection
        )
        sql, parameters = compiler.as_sql()
        examples = [_prepared(example) for example in self._examples]
        numbers = tuple(
            examples.index(one) if one in examples else None for one in parameters
        )
        missing = set(range(len(examples))) - set(numbers)
        if missing:
            raise ValueError(f"the query has no parameter for the values {missing}")
        return _Compiled(
            sql,
            numbers,
            tuple(parameters),
            compiler,
            compiler.get_converters([column for column, _, _ in compiler.select]),
        )


def _prepared(value: Any) -> Any:
    """As the ORM gives it to the database."""
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, dt.datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


# For `examples`.
SOME_ID: Final = UUID("7c1a0a56-9a0e-7f3b-8c1d-5b8f0e6d4a11")
SOME_TIME: Final = dt.datetime(1987, 6, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
OTHER_TIME: Final = dt.datetime(1988, 7, 6, 5, 4, 3, 2, tzinfo=dt.UTC)


# Lists of ids are filled up to these sizes, so that there are few queries.
SIZES: Final = (1, 5, 20, 50)


def some_ids(count: int) -> tuple[UUID, ...]:
    """`examples` for a query of so many ids."""
    return tuple(UUID(int=number + 1) for number in range(count))


def chunked_rows(query: Callable[[int], FixedQuery], ids: Sequence[UUID]) -> list[Any]:
    """The rows for all of `ids`, of queries for 1, 5, 20 or 50 of them.

    `query(size)` gives the query for as many; a row of it must come once, however often
    an id is given.
    """
    found: list[Any] = []
    for start in range(0, len(ids), SIZES[-1]):
        some = list(ids[start : start + SIZES[-1]])
        size = next(size for size in SIZES if size >= len(some))
        some += some[-1:] * (size - len(some))
        found += query(size).rows(*some)
    return found
