"""Has a rival's Celery workers work off a queue, and times them.

In the rivals' favour: their messages are published before the clock starts, and the
workers have started and idle when they get them.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from celery import Celery
from redis import Redis

from benchmarks.stage import READY_SECONDS, Group, until
from tests import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.stage import Stage

PROCESSES: Final = 2
# What a worker does for others, of which there are none.
TUNED_OPTIONS: Final = ("--without-gossip", "--without-mingle", "--without-heartbeat")
MOST_SECONDS: Final = 120
_ASIDE: Final = "put aside"


@dataclass(frozen=True, slots=True)
class Timed:
    """`rate` in deliveries a second; CPU in milliseconds a delivery."""

    rate: float
    cpu_ms: float
    postgres_cpu_ms: float


def work_off(
    stage: Stage,
    app: str,
    queue: str,
    all_recorded: Callable[[], bool],
    *,
    deliveries: int,
    tuned: bool = True,
    **env: str,
) -> Timed:
    """From when the workers get what is in the queue until all of it is recorded."""
    with Redis.from_url(stage.broker_url) as client:
        client.rename(queue, _ASIDE)
        with _workers(stage, app, queue, tuned=tuned, **env) as processes:
            cpu, postgres = processes.cpu(), stage.postgres_cpu()
            began = time.monotonic()
            client.rename(_ASIDE, queue)
            until(f"{app}'s last record", all_recorded, MOST_SECONDS, every=0.05)
            took = time.monotonic() - began
            return Timed(
                rate=deliveries / took,
                cpu_ms=(processes.cpu() - cpu) * 1000 / deliveries,
                postgres_cpu_ms=(stage.postgres_cpu() - postgres) * 1000 / deliveries,
            )


@contextlib.contextmanager
def _workers(
    stage: Stage, app: str, queue: str, *, tuned: bool, **env: str
) -> Iterator[Group]:
    command: Sequence[str] = (
        *(sys.executable, "-W", "ignore::UserWarning:celery.platforms"),
        *("-m", "celery", "--quiet", "--app", app, "worker"),
        *("--queues", queue, "--concurrency", str(PROCESSES)),
        *(TUNED_OPTIONS if tuned else ()),
    )
    observer = Celery(broker=stage.broker_url, set_as_current=False)
    with stage.process(
        command, app.rpartition(".")[2], RIVAL_TUNED="1" if tuned else "0", **env
    ) as started:
        programs.wait_for(
            f"the first answer of {app}'s worker",
            lambda: bool(observer.control.ping(timeout=0.3)),
            READY_SECONDS,
        )
        yield Group([started])
