"""Runs the rival with one task per delivery on deliveries that cdrhook accepted."""

from __future__ import annotations

import datetime as dt
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
_RENDERED: Final = (
    "request_method",
    "request_content_type",
    "request_body",
    "request_headers",
)


def prepare(stage: Stage, deliveries: int) -> None:
    """Keeps the first of the deliveries that there are, with their requests rendered.

    Rendering is not charged to the rival.
    """
    from dispatcher.models import Delivery, Webhook
    from dispatcher.pipeline.freeze import freeze

    first = f"(SELECT id FROM dispatcher_delivery ORDER BY id LIMIT {deliveries})"  # noqa: S608
    stage.sql(f"DELETE FROM dispatcher_owedcdr WHERE delivery_id NOT IN {first}")  # noqa: S608
    stage.sql(f"DELETE FROM dispatcher_delivery WHERE id NOT IN {first}")  # noqa: S608
    for webhook in Webhook.objects.all():
        waiting = list(Delivery.objects.filter(webhook=webhook))
        rows = freeze(webhook, waiting, dt.datetime.now(dt.UTC))
        Delivery.objects.bulk_update(rows, _RENDERED, batch_size=500)
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
