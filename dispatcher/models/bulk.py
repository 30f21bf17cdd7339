"""Updates of many rows with values of their own, in one round trip.

Django's bulk_update writes one CASE per column and row, which costs more than the rest
of a flush. PostgreSQL gets an array a column (see `models.insert`); SQLite, which is in
this process, one short statement with many parameters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connection

from dispatcher.models import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db import models


def update_rows(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Sets `names` of each row, which is (primary key, value, value, ...).

    Joins the transaction of the caller, who holds the rows' lock.
    """
    given = list(rows)
    if not given:
        return
    columns = _columns(model, tuple(names))
    if connection.vendor == "postgresql":
        arrays = insert.arrays_of(columns, given)
        insert.execute(_from_arrays(model, tuple(names)), arrays)
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            _one_by_one(model, tuple(names)),
            [
                (
                    *(
                        column.get_db_prep_save(value, connection)
                        for column, value in zip(columns[1:], values, strict=True)
                    ),
                    columns[0].get_db_prep_value(key, connection),
                )
                for key, *values in given
            ],
        )


@lru_cache(maxsize=64)
def _from_arrays(model: type[models.Model], names: tuple[str, ...]) -> str:
    key, *changed = columns = _columns(model, names)
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    changes = ", ".join(
        f"{quote(str(column.column))} = given.{quote(str(column.column))}"
        f"{'::jsonb' if column.get_internal_type() == 'JSONField' else ''}"
        for column in changed
    )
    key_name = quote(str(key.column))
    return (
        f"UPDATE {table} SET {changes} FROM {insert.given(columns)}"  # noqa: S608  our own names
        f" WHERE {table}.{key_name} = given.{key_name}"
    )


@lru_cache(maxsize=64)
def _one_by_one(model: type[models.Model], names: tuple[str, ...]) -> str:
    key, *changed = _columns(model, names)
    quote = connection.ops.quote_name
    changes = ", ".join(f"{quote(str(column.column))} = %s" for column in changed)
    return (
        f"UPDATE {quote(model._meta.db_table)} SET {changes}"  # noqa: S608  our own names
        f" WHERE {quote(str(key.column))} = %s"
    )


def _columns(
    model: type[models.Model], names: tuple[str, ...]
) -> list[models.Field[Any, Any]]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [model._meta.pk, *(by_name[name] for name in names)]
