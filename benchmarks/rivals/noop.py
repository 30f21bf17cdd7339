"""A Celery task that does nothing but say that it ran; its worker has our settings."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final

from celery import Celery
from redis import Redis

from cdrhook.supervisor.programs import worker

QUEUE: Final = "noop"

app = Celery("noop")
app.config_from_object("django.conf:settings", namespace="CELERY")


@lru_cache(maxsize=1)
def _client() -> Redis:
    return Redis.from_url(os.environ["REDIS_URL"])


@app.task(name="benchmarks.noop")
def noop(key: str) -> None:
    """Pushes onto a list, on which whoever asked waits."""
    _client().lpush(key, 1)


def command() -> tuple[str, ...]:
    """The worker, started as ours are."""
    ours = worker(QUEUE, QUEUE, QUEUE).command
    return tuple(__name__ if word == "cdrhook.celery" else word for word in ours)
