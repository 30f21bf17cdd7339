"""Millions of calls, made by the database itself, and analysed.

Each has a CDR, what is owed of it, its delivery and, if that has ended, one attempt;
made over the last 30 days, evenly. Bodies have 200 bytes and records 300. Of those that
have ended, nine in a hundred failed or were cancelled.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import Model

    from benchmarks.stage import Stage
    from dispatcher.models import Webhook

# What rows that bring millions ask of their PostgreSQL: what is written into tables
# that were emptied in the same transaction is not written into the log as well.
POSTGRES_OPTIONS: Final = (
    "wal_level=minimal",
    "max_wal_senders=0",
    "maintenance_work_mem=512MB",
)
DAYS: Final = 30
BODY: Final = 200

# Of n calls, the older the smaller n; n // 100 spreads failures over the kinds of error.
_CALLS: Final = """
CREATE UNLOGGED TABLE many AS
SELECT n, w.id AS webhook_id, w.tenant_id, at,
  uuidv7(at - clock_timestamp()) AS cdr_id,
  uuidv7(at - clock_timestamp()) AS delivery_id,
  CASE WHEN n >= %(count)s - %(waiting)s THEN 'pending'
    WHEN n %% 100 < 6 THEN 'failed' WHEN n %% 100 < 9 THEN 'cancelled'
    ELSE 'delivered' END AS state
FROM generate_series(0, %(count)s - 1) n
CROSS JOIN LATERAL (
  SELECT now() - make_interval(secs => (%(count)s - n) * %(seconds)s / %(count)s) AS at
) AS made
JOIN unnest(%(webhooks)s::uuid[]) WITH ORDINALITY AS chosen (id, place)
  ON place = 1 + CASE WHEN n >= %(count)s - %(waiting)s THEN 0
    WHEN n < %(quiet)s THEN 1 ELSE n %% %(spread)s + 2 END
JOIN dispatcher_webhook w ON w.id = chosen.id
"""
_ERRORS: Final = (
    "(ARRAY['status','timeout','dns','connect','tls','reset'])[1 + n / 100 % 6]"
)
_RECORD: Final = (
    '\'{"uid":"old-\' || n || \'","started_at":"2026-11-20T09:37:35+00:00",\''
    ' || \'"duration":70,"direction":"inbound","caller":{"number":"+4420397\''
    ' || n % 100000 || \'"},"tags":{"Support":"\' || repeat(\'x\', 120) || \'"}}\''
)
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "StoredCdr": {
        "id": "cdr_id",
        "tenant_id": "tenant_id",
        "uid": "'old-' || n",
        "source": "'api'",
        "record": _RECORD,
        "content_hash": "md5(n::text) || md5(n::text)",
        "started_at": "at - interval '70 s'",
        "call_end": "at",
        "caller_number": "'+4420397' || n % 100000",
        "dialed_number": "'+4420396' || n % 1000000",
        "direction": "'inbound'",
        "disposition": "'answered'",
        "duration": "70",
        "accepted_at": "at",
    },
    "Delivery": {
        "id": "delivery_id",
        "webhook_id": "webhook_id",
        "tenant_id": "tenant_id",
        "state": "state",
        "created_at": "at",
        "next_attempt_at": "CASE state WHEN 'pending' THEN at END",
        "ended_at": "CASE WHEN state <> 'pending' THEN at + interval '1 s' END",
        "call_end": "at",
        "tries": "(state <> 'pending')::int",
        "attempt_count": "(state <> 'pending')::int",
        "last_status_code": "CASE state WHEN 'delivered' THEN 200 END",
        "last_error_class": f"CASE state WHEN 'failed' THEN {_ERRORS} ELSE '' END",
        "last_error": "CASE state WHEN 'failed' THEN 'it did not arrive' ELSE '' END",
        "request_method": "CASE state WHEN 'pending' THEN '' ELSE 'POST' END",
        "request_content_type": (
            "CASE state WHEN 'pending' THEN '' ELSE 'application/json' END"
        ),
        "request_body": (
            "CASE WHEN state <> 'pending'"
            f" THEN convert_to(repeat('b', {BODY}), 'UTF8') END"
        ),
    },
    "OwedCdr": {
        "webhook_id": "webhook_id",
        "cdr_id": "cdr_id",
        "delivery_id": "delivery_id",
    },
    "Attempt": {
        "delivery_id": "delivery_id",
        "number": "1",
        "started_at": "at",
        "ended_at": "at + interval '1 s'",
        "duration_ms": "3",
        "status_code": "CASE state WHEN 'delivered' THEN 200 END",
        "error_class": f"CASE state WHEN 'failed' THEN {_ERRORS} ELSE '' END",
        "error": "CASE state WHEN 'failed' THEN 'it did not arrive' ELSE '' END",
        "url": "'http://127.0.0.1:65000/hook'",
        "address": "'127.0.0.1'",
        "response_body": "convert_to('ok', 'UTF8')",
    },
}


@dataclass(frozen=True, slots=True)
class Many:
    """How many calls there are to be, and whose.

    The `waiting_calls` newest of them are pending, for the webhook `waiting`; the
    `quiet_calls` oldest went to `quiet`. All others went to `webhooks` in turn.
    """

    count: int
    webhooks: Sequence[Webhook] = ()
    waiting: Webhook | None = None
    waiting_calls: int = 0
    quiet: Webhook | None = None
    quiet_calls: int = 0


def fill(stage: Stage, many: Many, database: str | None = None) -> None:
    """Empties the tables and fills them anew; what they hold is analysed."""
    url = stage.database_url(database) if database else stage.database_url()
    with psycopg.connect(url, autocommit=True) as source:
        _make_calls(source, many)
        with psycopg.connect(url) as connected:
            indexes = _indexes(connected)
            # Foreign keys are not asked row by row: what is made here agrees.
            connected.execute("SET session_replication_role = replica")
            connected.execute(
                "TRUNCATE dispatcher_storedcdr, dispatcher_delivery,"
                " dispatcher_owedcdr, dispatcher_attempt CASCADE"
            )
            for name, _ in indexes:
                connected.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            for name, values in _COLUMNS.items():
                _copy(source, connected, name, values)
        source.execute("DROP TABLE many")
    statements = [definition for _, definition in indexes]
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda statement: _execute(url, statement), statements))
    _execute(url, "VACUUM ANALYZE")
    _execute(url, "CHECKPOINT")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connected:
        connected.execute(statement.encode())


def _indexes(connected: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """(name, statement that makes it) of those that hold up no constraint.

    They are made when the rows are there, which is faster; keys are filled in order.
    """
    return connected.execute(
        "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE NOT i.indisunique AND i.indrelid = ANY (ARRAY["
        "'dispatcher_storedcdr', 'dispatcher_delivery', 'dispatcher_owedcdr',"
        "'dispatcher_attempt']::regclass[]) ORDER BY c.relname"
    ).fetchall()


def _make_calls(connected: psycopg.Connection[Any], many: Many) -> None:
    others = (many.waiting, many.quiet)
    connected.execute(
        _CALLS,
        {
            "count": many.count,
            "seconds": DAYS * 86_400.0,
            "webhooks": [
                webhook.pk if webhook is not None else None
                for webhook in (*others, *many.webhooks)
            ],
            "waiting": many.waiting_calls,
            "quiet": many.quiet_calls,
            "spread": max(1, len(many.webhooks)),
        },
    )


def _copy(
    source: psycopg.Connection[Any],
    into: psycopg.Connection[Any],
    name: str,
    values: Mapping[str, str],
) -> None:
    """Fills a table that was emptied in this transaction: its rows are frozen at once.

    Every other column of the model gets its default; attempts are of what has ended.
    """
    from django.apps import apps

    model: type[Model] = apps.get_model("dispatcher", name)
    table = model._meta.db_table
    columns: dict[str, sql.Composable] = {
        column: sql.SQL(expression) for column, expression in values.items()
    }
    for field in model._meta.concrete_fields:
        column = str(field.column)
        if column not in columns and not (field.primary_key and field.db_returning):
            columns[column] = sql.Literal(_default(field))
    types = dict(into.execute(_TYPES, (table,)).fetchall())
    select = sql.SQL(", ").join(
        sql.SQL("({})::{}").format(expression, sql.SQL(types[column]))
        for column, expression in columns.items()
    )
    which = "state <> 'pending'" if name == "Attempt" else "true"
    out = sql.SQL("COPY (SELECT {} FROM many WHERE {}) TO STDOUT (FORMAT binary)")
    taken = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with (
        source.cursor().copy(out.format(select, sql.SQL(which))) as rows,
        into.cursor().copy(taken) as filled,
    ):
        for block in rows:
            filled.write(block)


_TYPES: Final = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
    " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
)


def _default(field: Any) -> Any:
    from django.db import connection

    return field.get_db_prep_save(field.get_default(), connection)
