"""Inserts many rows in one statement: from arrays on PostgreSQL, by Django elsewhere.

An INSERT from unnest() takes each column as one binary parameter. Django's bulk_create
prepares every value by itself and has psycopg write them all into the statement's text,
which took fifteen times as long as everything else that Python does with a call. Very
many rows go by COPY, which takes half of that again, and cannot pass over any.

Knows nothing of what the rows mean; joins the transaction of the caller.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, connection, models, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Rows = Sequence[Sequence[Any]]
    Column = models.Field[Any, Any]


# From so many rows on, COPY's further round trips pay.
MANY: Final = 200


@dataclass(frozen=True, slots=True)
class _Insert:
    """A statement, and the values of columns that are the same in all rows ever.

    `constants` are the columns of those and of what is the same in all rows this time.
    """

    sql: str
    copy: str
    defaults: tuple[Any, ...]
    constants: tuple[Column, ...]
    arrays: tuple[Column, ...]


def by_copy(rows: Rows) -> bool:
    """Whether so many are copied, where that can be: none of them passed over."""
    return connection.vendor == "postgresql" and len(rows) >= MANY


def insert(
    model: type[models.Model],
    fields: tuple[str, ...],
    rows: Rows,
    *,
    parents_added: bool = False,
    **same: Any,
) -> None:
    """Inserts rows, each with the values of `fields` in that order.

    `same` are values that all of them have. Both are named as attributes of the model
    (`tenant_id`); what is left out gets the model's default, one for all rows.
    `parents_added`: the calls and deliveries that they name were added by this very
    transaction, which nobody else can delete, so that many need not be looked up.
    """
    if not rows:
        return
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(_objects(model, fields, rows, same))
        return
    statement = _statement(model, fields, tuple(same))
    if not by_copy(rows):
        _from_arrays(statement, rows, same)
    elif parents_added:
        _say_that_parents_were_added("on")
        _copied(statement, rows, same)
        _say_that_parents_were_added("off")
    else:
        _copied(statement, rows, same)


def insert_missing(
    model: type[models.Model],
    fields: tuple[str, ...],
    rows: Rows,
    *,
    seem_new: bool = False,
    **same: Any,
) -> bool:
    """Inserts those rows that no unique constraint keeps out.

    True if that was none of them. False: some may have been, look. `seem_new`: probably
    none is kept out.
    """
    if not rows:
        return True
    if connection.vendor == "postgresql":
        if seem_new and by_copy(rows) and _all_copied(model, fields, rows, same):
            return True
        statement = _statement(model, fields, tuple(same), missing_only=True)
        # Which ones went in is not asked: to read a thousand ids takes 10 ms.
        return _from_arrays(statement, rows, same) == len(rows)
    objects = _objects(model, fields, rows, same)
    model._default_manager.bulk_create(objects, ignore_conflicts=True)
    return False


def _objects(
    model: type[models.Model], fields: tuple[str, ...], rows: Rows, same: dict[str, Any]
) -> list[models.Model]:
    return [model(**dict(zip(fields, row, strict=True)), **same) for row in rows]


# PostgreSQL ---------------------------------------------------------------------------


def _from_arrays(statement: _Insert, rows: Rows, same: dict[str, Any]) -> int:
    """Runs it; how many rows were inserted."""
    constants = (*same.values(), *statement.defaults)
    return execute(statement.sql, (*constants, *arrays_of(statement.arrays, rows)))


def _all_copied(
    model: type[models.Model], fields: tuple[str, ...], rows: Rows, same: dict[str, Any]
) -> bool:
    """Copies all rows, or none where a constraint keeps one out."""
    try:
        with transaction.atomic():
            _copied(_statement(model, fields, tuple(same)), rows, same)
    except IntegrityError:
        return False
    return True


def _copied(statement: _Insert, rows: Rows, same: dict[str, Any]) -> None:
    from psycopg.types.json import Jsonb

    constants = (*same.values(), *statement.defaults)
    documents = [
        position
        for position, field in enumerate(statement.arrays)
        if isinstance(field, models.JSONField)
    ]
    with _cursor() as cursor, cursor.copy(statement.copy.encode()) as copy:
        copy.set_types(
            [_type(field) for field in (*statement.constants, *statement.arrays)]
        )
        for row in rows:
            values = [*constants, *row]
            for position in documents:
                values[position - len(row)] = Jsonb(row[position], json.dumps)
            copy.write_row(values)


def _say_that_parents_were_added(said: str) -> None:
    """To the triggers of migration 0008; a transaction that fails takes it back."""
    execute("SELECT set_config('cdrhook.parents_added', %s, true)", [said])


def execute(sql: str, parameters: Sequence[Any]) -> int:
    """Runs a statement that the server binds arrays to; how many rows it concerned."""
    with _cursor() as cursor:
        cursor.execute(sql.encode(), parameters)
        return int(cursor.rowcount)


def fetch(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Runs a query that the server binds arrays to; its rows as the driver gives them."""
    with _cursor() as cursor:
        cursor.execute(sql.encode(), parameters)
        return list(cursor.fetchall())


@contextmanager
def _cursor() -> Iterator[Any]:
    # Django's own cursors write parameters into the text of a statement, and know
    # nothing of binary ones.
    from psycopg import Cursor

    with connection.wrap_database_errors:
        connection.ensure_connection()
        with Cursor(connection.connection) as cursor:
            yield cursor


@lru_cache(maxsize=64)
def _statement(
    model: type[models.Model],
    fields: tuple[str, ...],
    same: tuple[str, ...],
    *,
    missing_only: bool = False,
) -> _Insert:
    """The statement; its parameters: values of `same`, the defaults, then arrays."""
    known = {field.attname: field for field in model._meta.concrete_fields}
    defaults = {
        name: value
        for name, field in known.items()
        if name not in {*fields, *same} and (value := field.get_default()) is not None
    }
    constants = [known[name] for name in (*same, *defaults)]
    arrays = [known[name] for name in fields]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in (*constants, *arrays))
    values = ", ".join(
        [f"%s::{_type(field)}" for field in constants]
        + [f"given.{quote(str(field.column))}::{_type(field)}" for field in arrays]
    )
    sql = (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns}) SELECT {values}"  # noqa: S608  our own names
        f" FROM {given(arrays)}"
    )
    if missing_only:
        sql += " ON CONFLICT DO NOTHING"
    copy = f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN (FORMAT BINARY)"
    prepared = tuple(_prepared(known[name], value) for name, value in defaults.items())
    return _Insert(sql, copy, prepared, tuple(constants), tuple(arrays))


def _prepared(field: Column, value: Any) -> Any:
    """As the driver takes it; JSON as its text, which COPY would make for each row."""
    from psycopg.types.json import Jsonb

    if isinstance(field, models.JSONField):
        return Jsonb(json.dumps(value), lambda text: text)
    return field.get_db_prep_save(value, connection)


def arrays_of(fields: Sequence[Column], rows: Rows) -> list[list[Any]]:
    """The rows, column by column; JSON as its text."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for position, field in enumerate(fields):
        if isinstance(field, models.JSONField):
            columns[position] = [json.dumps(value) for value in columns[position]]
    return columns


def given(fields: Sequence[Column]) -> str:
    """Arrays, one a field, as a table `given` with the fields' columns."""
    arrays = ", ".join(
        f"%b::{_ARRAYS.get(_type(field), _type(field))}[]" for field in fields
    )
    columns = ", ".join(
        connection.ops.quote_name(str(field.column)) for field in fields
    )
    return f"unnest({arrays}) AS given ({columns})"


def _type(field: Column) -> str:
    """Without a length: a cast would cut off what is too long, and not refuse it."""
    return str(field.db_type(connection)).partition("(")[0]


# JSON goes as its text.
_ARRAYS: Final = {"jsonb": "text"}
