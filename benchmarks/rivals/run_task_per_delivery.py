"""Runs the rival with one task per delivery on deliveries that cdrhook accepted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from celery import Celery

from benchmarks import fill
from benchmarks.rivals import celery_workers

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from benchmarks.values import Measured

APP: Final = "benchmarks.rivals.task_per_delivery"
QUEUE: Final = "deliver"
_KEPT: Final = "rendered"


def prepare(stage: Stage, deliveries: int) -> None:
    """Keeps some of the deliveries that were drained as if none had been sent.

    Their requests stay rendered: that is not charged to the rival.
    """
    first = f"(SELECT id FROM dispatcher_delivery ORDER BY id LIMIT {deliveries})"
    stage.sql("TRUNCATE dispatcher_attempt")
    stage.sql(f"DELETE FROM dispatcher_owedcdr WHERE delivery_id NOT IN {first}")
    stage.sql(f"DELETE FROM dispatcher_delivery WHERE id NOT IN {first}")
    stage.sql(
        "UPDATE dispatcher_delivery SET state = 'pending', tries = 0,"
        " attempt_count = 0, next_attempt_at = created_at, ended_at = NULL,"
        " last_status_code = NULL"
    )
    stage.sql("VACUUM FULL dispatcher_delivery")
    stage.keep(_KEPT)


def run(
    stage: Stage,
    nginx: Nginx,
    measured: Measured,
    deliveries: int,
    *,
    tuned: bool = True,
) -> celery_workers.Timed:
    """One round, verified as cdrhook's is."""
    stage.restore(_KEPT)
    _publish(stage)
    timed = celery_workers.work_off(
        stage,
        APP,
        QUEUE,
        lambda: fill.nothing_pending(stage),
        deliveries=deliveries,
        tuned=tuned,
        DJANGO_SETTINGS_MODULE="benchmarks.rivals.task_settings",
    )
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    fill.verify_all_arrived(stage, nginx, measured, deliveries=deliveries)
    return timed


def _publish(stage: Stage) -> None:
    """A message for each delivery, in order."""
    from dispatcher.models import Delivery

    # Not the rival's own application: in this process cdrhook's is the current one.
    app = Celery(broker=stage.broker_url, set_as_current=False)
    with app.producer_or_acquire() as producer:
        for key in Delivery.objects.order_by("id").values_list("pk", flat=True):
            app.send_task("deliver", (str(key),), queue=QUEUE, producer=producer)
