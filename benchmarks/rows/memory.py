"""What a worker's memory comes to after a million deliveries.

The deliveries are made in slices, while the workers run: each time the tables are
emptied and filled with the same calls owed anew, so that they stay small and filling
them costs little. The workers see nothing of that but new deliveries.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from benchmarks import fill
from benchmarks.stage import Group, until
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage

WEBHOOKS: Final = 20
SLICE: Final = 50_000
QUICK_SLICE: Final = 1_000
# How many in all; fewer to try it out.
DELIVERIES: Final = int(os.environ.get("BENCH_MEMORY_DELIVERIES", "1000000"))
QUICK_DELIVERIES: Final = 2_000
# What the memory is compared with: that after a tenth.
WARM: Final = 10
MB: Final = 1_000_000
FAST: Final = 2


def run(stage: Stage, quick: bool) -> Measured:
    """Each round is a slice: drained, verified, and the workers' memory taken down."""
    measured = Measured()
    size = QUICK_SLICE if quick else SLICE
    slices = max(2, (QUICK_DELIVERIES if quick else DELIVERIES) // size)
    with stage.nginx() as nginx:
        ids = prepare(stage, nginx, size)
        with stage.workers(fast=FAST) as workers:
            for number in range(1, slices + 1):
                refill(stage)
                rate = _drain(stage, nginx, measured, ids, size)
                measured.add(
                    deliveries=number * size,
                    rate=rate,
                    **_pss(workers),
                    **_files(workers),
                )
    _sum_up(measured)
    return measured


def prepare(stage: Stage, nginx: Nginx, size: int) -> list[UUID]:
    """Accepts the calls of a slice, and keeps what they are owed as a pattern."""
    owner = fill.tenant()
    ids = [
        fill.webhook(owner, nginx.url(f"w/{n}"), only=fill.number(n)).pk
        for n in range(WEBHOOKS)
    ]
    calls = (fill.call(f"call-{n}", fill.number(n % WEBHOOKS)) for n in range(size))
    fill.accept(owner, calls)
    for table in ("delivery", "owedcdr"):
        stage.sql(f"CREATE TABLE slice_{table} AS TABLE dispatcher_{table}")
    return ids


def refill(stage: Stage) -> None:
    """Owes the same calls anew, in new deliveries, and forgets the former ones."""
    # The first 48 bits of an id are the time; the rest of it tells a slice's apart.
    prefix = stage.sql("SELECT left(uuidv7()::text, 13)")[0][0]
    new = "overlay({}::text PLACING %s FROM 1 FOR 13)::uuid"
    stage.sql(
        f"UPDATE slice_delivery SET id = {new.format('id')},"
        " created_at = now(), next_attempt_at = now()",
        prefix,
    )
    stage.sql(
        f"UPDATE slice_owedcdr SET delivery_id = {new.format('delivery_id')}",
        prefix,
    )
    stage.sql("TRUNCATE dispatcher_attempt, dispatcher_owedcdr, dispatcher_delivery")
    for table in ("delivery", "owedcdr"):
        stage.sql(f"INSERT INTO dispatcher_{table} TABLE slice_{table}")
        stage.sql(f"VACUUM ANALYZE dispatcher_{table}")
        stage.sql(f"VACUUM slice_{table}")


def _drain(
    stage: Stage, nginx: Nginx, measured: Measured, ids: Sequence[UUID], size: int
) -> float:
    """Deliveries a second; every one of the slice has arrived and is recorded."""
    from dispatcher import tasks

    began = time.monotonic()
    tasks.wake_up(ids)
    until("the end of a slice", lambda: fill.nothing_pending(stage), 300, every=0.05)
    took = time.monotonic() - began
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    fill.verify_all_arrived(stage, nginx, measured, deliveries=size)
    return size / took


def _pss(workers: Group) -> dict[str, float]:
    """MB of each worker process: those of the fast lane, numbered, and the slow one's."""
    each = [Group([process]).pss() / MB for process in workers.processes]
    names = [f"pss_fast{n}" for n in range(1, FAST + 1)]
    return dict(zip([*names, "pss_slow"], each, strict=True))


def _files(workers: Group) -> dict[str, float]:
    """Open files and threads of the worker that has the most: they grow as leaks do."""
    return {
        "open_files": max(process.num_fds() for process in workers.processes),
        "threads": max(process.num_threads() for process in workers.processes),
    }


def _sum_up(measured: Measured) -> None:
    rounds = measured.rounds
    total = rounds[-1]["deliveries"]
    warm = next(one for one in rounds if one["deliveries"] >= total / WARM)
    fast = [f"pss_fast{n}" for n in range(1, FAST + 1)]
    measured.figures = {
        "deliveries": total,
        "pss_mb": max(rounds[-1][name] for name in fast),
        "growth_mb": max(rounds[-1][name] - warm[name] for name in fast),
        "rate": measured.median_of("rate"),
    }
    measured.axes = ("deliveries so far", "MB PSS")
    measured.series = {
        name.removeprefix("pss_"): [(one["deliveries"], one[name]) for one in rounds]
        for name in (*fast, "pss_slow")
    }
    measured.notes.append(
        f"Memory grew by that since the first {warm['deliveries']:,.0f} of"
        f" {total:,.0f} deliveries, in the worker that grew most;"
        f" {rounds[-1]['threads']:.0f} threads at the end."
    )


ROW: Final = Row(
    name="memory",
    title="Worker memory after 1,000,000 deliveries",
    goals=(
        Goal("pss_mb", "MB PSS a process", must=200, aim=120, at_most=True),
        Goal("growth_mb", "MB more than after 100,000", must=5, at_most=True),
        Goal("deliveries", "deliveries"),
        Goal("rate", "deliveries/s meanwhile"),
    ),
    run=run,
    seconds=600,
)
