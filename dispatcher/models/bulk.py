"""Updates of many rows with a value each, in one round trip.

Django's bulk_update writes one CASE per column and row, which costs more than the rest
of a flush; executemany sends one short statement with many parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db import models


def update_rows(
    model: type[models.Model],
    fields: Sequence[str],
    rows: Iterable[tuple[object, Mapping[str, Any]]],
) -> None:
    """Sets `fields` of each (primary key, values) in `rows`.

    Joins the transaction of the caller, who holds the rows' lock.
    """
    meta = model._meta
    columns = [field for field in meta.concrete_fields if field.name in fields]
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(str(column.column))} = %s" for column in columns)
    key = meta.pk
    sql = (
        f"UPDATE {quote(meta.db_table)} SET {assignments}"  # noqa: S608  our own names
        f" WHERE {quote(str(key.column))} = %s"
    )
    parameters = [
        [
            *(
                column.get_db_prep_save(values[column.name], connection)
                for column in columns
            ),
            key.get_db_prep_value(row_key, connection),
        ]
        for row_key, values in rows
    ]
    if parameters:
        with connection.cursor() as cursor:
            cursor.executemany(sql, parameters)
