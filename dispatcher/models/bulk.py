"""Inserts and updates of many rows with values of their own, in one round trip.

Django's bulk_create and bulk_update build one SQL text from every value, which costs
more than the rest of a flush. PostgreSQL gets an array a column, which it unnests;
SQLite, which is in this process, one short statement with many parameters. Neither
knows of defaults or signals: every column without a default in the database is given.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db import models

# Arrays go as these; the assignment to the column narrows them.
_ARRAY_TYPES: Final = {"smallint": "integer", "jsonb": "text", "varchar": "text"}


def insert_rows(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Inserts rows of the values of `names`, as the fields' attributes hold them.

    Names are of fields (`delivery_id` for a foreign key's column).
    """
    columns = _columns(model, tuple(names))
    parameters = _prepared(columns, rows)
    if not parameters:
        return
    table, listed = _quoted(model._meta.db_table), ", ".join(map(_name_of, columns))
    if connection.vendor == "postgresql":
        chosen = ", ".join(_value_of(column, n) for n, column in enumerate(columns))
        _with_arrays(
            f"INSERT INTO {table} ({listed}) SELECT {chosen} FROM {_unnest(columns)}",  # noqa: S608
            parameters,
        )
        return
    marks = ", ".join(["%s"] * len(columns))
    _one_by_one(f"INSERT INTO {table} ({listed}) VALUES ({marks})", parameters)  # noqa: S608


def update_rows(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Sets `names` of each row, which is (primary key, value, value, ...).

    Joins the transaction of the caller, who holds the rows' lock.
    """
    key = model._meta.pk
    columns = _columns(model, (key.attname, *names))
    parameters = _prepared(columns, rows)
    if not parameters:
        return
    table, key_name = _quoted(model._meta.db_table), _name_of(columns[0])
    if connection.vendor == "postgresql":
        changes = ", ".join(
            f"{_name_of(column)} = {_value_of(column, n)}"
            for n, column in enumerate(columns)
            if n
        )
        _with_arrays(
            f"UPDATE {table} SET {changes} FROM {_unnest(columns)}"  # noqa: S608
            f" WHERE {table}.{key_name} = new.c0",
            parameters,
        )
        return
    changes = ", ".join(f"{_name_of(column)} = %s" for column in columns[1:])
    _one_by_one(
        f"UPDATE {table} SET {changes} WHERE {key_name} = %s",  # noqa: S608
        [(*values[1:], values[0]) for values in parameters],
    )


@lru_cache(maxsize=64)
def _columns(
    model: type[models.Model], names: tuple[str, ...]
) -> tuple[models.Field[Any, Any], ...]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return tuple(by_name[name] for name in names)


def _prepared(
    columns: Sequence[models.Field[Any, Any]], rows: Iterable[Sequence[Any]]
) -> list[Sequence[Any]]:
    """The values as the database takes them."""
    prepare = [_preparation(column) for column in columns]
    if not any(prepare):
        return list(rows)
    return [
        [
            value if how is None else how(value)
            for how, value in zip(prepare, row, strict=True)
        ]
        for row in rows
    ]


def _preparation(column: models.Field[Any, Any]) -> Callable[[Any], Any] | None:
    """What turns a value into a parameter; None where it is one as it stands."""
    kind = _kind(column)
    if connection.vendor == "postgresql":
        if kind == "JSONField":
            return json.dumps
        if kind in _KNOWN_TO_PSYCOPG:
            return None
    elif kind in _PLAIN:
        return None
    return lambda value: column.get_db_prep_save(value, connection)


def _kind(column: models.Field[Any, Any]) -> str:
    """The internal type, of a foreign key the one that it refers to; "" of our own."""
    if column.is_relation:
        column = column.target_field  # type: ignore[attr-defined]
    # A field of ours, such as an encrypted one, prepares its values in its own way.
    is_djangos = type(column).__module__.startswith("django.")
    return column.get_internal_type() if is_djangos else ""


# Their Python values are parameters to any database; and these to psycopg.
_PLAIN: Final = frozenset(
    {
        "BigAutoField",
        "BigIntegerField",
        "CharField",
        "IntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "TextField",
    }
)
_KNOWN_TO_PSYCOPG: Final = _PLAIN | {
    "BinaryField",
    "BooleanField",
    "DateTimeField",
    "UUIDField",
}


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _name_of(column: models.Field[Any, Any]) -> str:
    return _quoted(str(column.column))


def _unnest(columns: Sequence[models.Field[Any, Any]]) -> str:
    arrays = ", ".join(f"%s::{_array_type(column)}[]" for column in columns)
    names = ", ".join(f"c{n}" for n in range(len(columns)))
    return f"unnest({arrays}) AS new({names})"


def _value_of(column: models.Field[Any, Any], position: int) -> str:
    is_json = _array_type(column) != _type(column) == "jsonb"
    return f"new.c{position}::jsonb" if is_json else f"new.c{position}"


def _array_type(column: models.Field[Any, Any]) -> str:
    return _ARRAY_TYPES.get(_type(column), _type(column))


def _type(column: models.Field[Any, Any]) -> str:
    return str(column.rel_db_type(connection)).partition("(")[0]


def _with_arrays(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Runs it with an array a column, bound by the server: nothing becomes SQL text."""
    import psycopg

    connection.ensure_connection()
    arrays = [list(values) for values in zip(*rows, strict=True)]
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
    ):
        cursor.execute(statement.encode(), arrays)


def _one_by_one(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
