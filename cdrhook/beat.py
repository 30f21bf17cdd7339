"""Beat's scheduler: what is due is published, unless nobody reads that queue.

A message that has expired stays in the broker until a worker takes it out, so that
without workers beat would fill the broker's memory. Keeps no schedule of its own.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler
from redis.exceptions import RedisError

from dispatcher import broker


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """The schedule in the database; what it leaves out is due again the next time."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Publishes a due task; never raises."""
        queue = entry.options.get("queue") or settings.CELERY_TASK_DEFAULT_QUEUE
        if not _is_full(queue):
            super().apply_entry(entry, producer=producer)


def _is_full(queue: str) -> bool:
    """Whether as much waits there as may; False where the broker does not say."""
    if broker.is_away():
        return False
    try:
        return broker.is_full(queue)
    except RedisError as error:
        broker.note_error(error)
        return False
