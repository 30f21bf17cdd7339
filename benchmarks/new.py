"""Deliveries that come new into tables that are full, and what sending them costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks import fill
from benchmarks.stage import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from benchmarks.values import Measured


def drain_new(
    stage: Stage, nginx: Nginx, measured: Measured, deliveries: int, *, name: str
) -> dict[str, float]:
    """Calls of that name are accepted, then drained as in the row `drain`; verified.

    They go to the webhooks of the tenant `acme`, which want the numbers of `fill`.
    """
    from dispatcher import tasks
    from dispatcher.models import Delivery, Tenant, Webhook

    acme = Tenant.objects.get(external_id="acme")
    wanted = Webhook.objects.filter(tenant=acme, active=True)
    ids = list(wanted.values_list("pk", flat=True))
    last = Delivery.objects.latest("pk").pk
    fill.accept(
        acme,
        (
            fill.call(f"{name}-{n}", fill.number(n % len(ids)))
            for n in range(deliveries)
        ),
    )
    with (
        stage.workers() as processes,
        psycopg.connect(stage.database_url(), autocommit=True) as database,
    ):

        def is_over() -> bool:
            waiting = database.execute(_WAITING, (last,)).fetchone()
            return waiting is None

        cpu, postgres = processes.cpu(), stage.postgres_cpu()
        began = time.monotonic()
        tasks.wake_up(ids)
        until("the end of the drain", is_over, 300, every=0.05)
        took = time.monotonic() - began
        cpu, postgres = processes.cpu() - cpu, stage.postgres_cpu() - postgres
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    _verify(nginx, measured, stage.sql(_DRAINED, last), deliveries)
    return {
        "rate": deliveries / took,
        "worker_ms": cpu * 1000 / deliveries,
        "postgres_ms": postgres * 1000 / deliveries,
        "cost_ms": (cpu + postgres) * 1000 / deliveries,
    }


_WAITING: Final = (
    "SELECT 1 FROM dispatcher_delivery d WHERE state = 'pending' AND id > %s LIMIT 1"
)
_DRAINED: Final = (
    "SELECT d.id::text, d.state, d.attempt_count, count(a.id) FROM dispatcher_delivery d"
    " LEFT JOIN dispatcher_attempt a ON a.delivery_id = d.id WHERE d.id > %s"
    " GROUP BY d.id"
)


def _verify(
    nginx: Nginx, measured: Measured, drained: Sequence[Any], deliveries: int
) -> None:
    arrived = sorted(webhook_id for _, webhook_id, _, _ in nginx.arrived())
    measured.check(len(drained) == deliveries, "as many deliveries as were owed")
    measured.check(
        all(row[1:] == ("delivered", 1, 1) for row in drained),
        "every delivery and its one attempt are recorded",
    )
    measured.check(
        arrived == sorted(row[0] for row in drained), "every delivery arrived once"
    )
