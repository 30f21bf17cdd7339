"""Taking calls in, beside PostgreSQL's COPY of the very rows that it makes.

Ours: the JSON of requests, parsed, routed to 2 of 10 webhooks and committed, one request
after the other. COPY: the same rows of the same three tables, with their indexes and
constraints, from files that are ready; in one transaction, and in one a request.
"""

from __future__ import annotations

import gc
import json
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks import fill
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.stage import Stage

WEBHOOKS: Final = 10
MATCHING: Final = 2
RECORDS: Final = 30_000
QUICK_RECORDS: Final = 3_000
ROUNDS: Final = 3
# In this order they can be copied: each refers to those before.
TABLES: Final = {
    "dispatcher_storedcdr": 1,
    "dispatcher_delivery": MATCHING,
    "dispatcher_owedcdr": MATCHING,
}
PIECE: Final = 1 << 18


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: the records taken in by cdrhook, then its rows copied, twice."""
    measured = Measured()
    records = QUICK_RECORDS if quick else RECORDS
    prepare()
    bodies = requests(records, fill.BATCH)
    stage.keep("empty")
    # As the web server does, once it is loaded (cdrhook.wsgi).
    gc.collect()
    gc.freeze()
    for _ in range(1 if quick else ROUNDS):
        stage.restore("empty")
        ours = take_in(stage, bodies)
        verify(stage, measured, records)
        rows = dumped(stage)
        copied = copy(stage, rows, 1)
        verify(stage, measured, records)
        by_request = copy(stage, rows, len(bodies))
        measured.add(
            rate=records / ours["seconds"],
            cpu_us=ours["cpu"] * 1e6 / records,
            postgres_cpu_us=ours["postgres_cpu"] * 1e6 / records,
            copy_rate=records / copied,
            copy_by_request_rate=records / by_request,
            ratio=copied / ours["seconds"],
            ratio_by_request=by_request / ours["seconds"],
        )
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    return measured


def prepare(url: str = "http://127.0.0.1:9/", **settings: Any) -> None:
    """A tenant with ten webhooks; two of them want calls to the same number."""
    owner = fill.tenant()
    for index in range(WEBHOOKS):
        fill.webhook(
            owner,
            f"{url}{index}",
            only=fill.number(index // MATCHING),
            **settings,
        )


def requests(records: int, size: int, prefix: str = "call") -> list[bytes]:
    """The bodies of requests with `size` calls each, dialled numbers taking turns."""
    calls = [
        fill.call(f"{prefix}-{n}", fill.number(n % (WEBHOOKS // MATCHING)))
        for n in range(records)
    ]
    return [
        json.dumps({"cdrs": calls[start : start + size]}).encode()
        for start in range(0, records, size)
    ]


def take_in(stage: Stage, bodies: Sequence[bytes]) -> dict[str, float]:
    """Seconds that it took until all were committed; CPU of this process, PostgreSQL's."""
    from django.utils import timezone

    from dispatcher.adapters import cdr_json
    from dispatcher.models import Tenant
    from dispatcher.pipeline.accept import accept
    from dispatcher.values import Cdr

    owner = Tenant.objects.get()  # connects as well
    postgres, cpu, began = stage.postgres_cpu(), time.process_time(), time.monotonic()
    for body in bodies:
        parsed = cdr_json.parse_many(body, limit=fill.BATCH)
        good = [cdr for cdr in parsed if isinstance(cdr, Cdr)]
        accept(owner, good, source="api", now=timezone.now())
    return {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - cpu,
        "postgres_cpu": stage.postgres_cpu() - postgres,
    }


def dumped(stage: Stage) -> dict[str, list[bytes]]:
    """What stands in each table, line by line, as COPY takes it."""
    rows = {}
    with psycopg.connect(stage.database_url(), autocommit=True) as connected:
        for table in TABLES:
            with connected.cursor().copy(f"COPY {table} TO STDOUT") as out:
                rows[table] = b"".join(out).splitlines(keepends=True)
    return rows


def copy(stage: Stage, rows: dict[str, list[bytes]], transactions: int) -> float:
    """Empties the tables and copies the rows into them; the seconds that took."""
    stage.sql(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    stage.sql("CHECKPOINT")
    shares = [
        {table: _share(lines, number, transactions) for table, lines in rows.items()}
        for number in range(transactions)
    ]
    with psycopg.connect(stage.database_url()) as connected:
        began = time.monotonic()
        for share in shares:
            for table, pieces in share.items():
                with connected.cursor().copy(f"COPY {table} FROM STDIN") as into:
                    for piece in pieces:
                        into.write(piece)
            connected.commit()
        return time.monotonic() - began


def _share(lines: list[bytes], number: int, of: int) -> list[bytes]:
    """The lines of one transaction, in pieces of a size that psycopg likes."""
    size = len(lines) // of
    data = b"".join(lines[number * size : (number + 1) * size])
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


def verify(stage: Stage, measured: Measured, records: int) -> None:
    """Every record is there, with its two deliveries and what they carry, all whole."""
    stage.sql("ANALYZE")  # the query below is slow by guesses
    for table, each in TABLES.items():
        [(count,)] = stage.sql(f"SELECT count(*) FROM {table}")
        measured.check(count == records * each, f"{each} a record in {table}")
    [(whole,)] = stage.sql(
        "SELECT count(*) FROM (SELECT c.id FROM dispatcher_storedcdr c"
        " JOIN dispatcher_owedcdr o ON o.cdr_id = c.id AND o.revision = 0"
        " JOIN dispatcher_webhookfilter f"
        " ON f.webhook_id = o.webhook_id AND f.value = c.dialed_number"
        " JOIN dispatcher_delivery d ON d.id = o.delivery_id"
        " AND d.webhook_id = o.webhook_id AND d.tenant_id = c.tenant_id"
        " AND d.state = 'pending' AND d.call_end = c.call_end"
        f" GROUP BY c.id HAVING count(DISTINCT o.webhook_id) = {MATCHING}) AS good"
    )
    measured.check(whole == records, "each record is owed to the webhooks that want it")


ROW: Final = Row(
    name="ingest",
    title="Taking calls in, two deliveries each, beside COPY of the same rows",
    goals=(
        Goal("rate", "records/s"),
        Goal("copy_rate", "records/s"),
        Goal("copy_by_request_rate", "records/s"),
        Goal("ratio", "of one COPY of all", must=0.25, aim=0.5),
        Goal("ratio_by_request", "of a COPY and commit a request"),
    ),
    run=run,
    seconds=120,
)
