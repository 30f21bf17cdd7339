"""A dead webhook with a million deliveries waiting, and others that do not notice.

It hangs for the first half of each round, then refuses connections.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fill, many
from benchmarks.load import Load
from benchmarks.stage import until
from benchmarks.values import Goal, Measured, Row
from cdrhook.supervisor.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.load import Answer
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Group, Stage

WAITING: Final = 1_000_000
QUICK_WAITING: Final = 2_000
WEBHOOKS: Final = 20
RATE: Final = 100
SECONDS: Final = 60
QUICK_SECONDS: Final = 4
# By then, of the time, processes have opened connections and filled their caches.
SETTLED: Final = 1 / 6
SAMPLE_SECONDS: Final = 1.0
ON_TIME_SECONDS: Final = 1.0
MEGABYTE: Final = 1_000_000


@dataclass(slots=True)
class Samples:
    """What was seen once a second; `worker` and `broker` in bytes, `sweep` in ms."""

    at: list[float] = field(default_factory=list)
    worker: list[int] = field(default_factory=list)
    broker: list[int] = field(default_factory=list)
    sweep: list[float] = field(default_factory=list)

    def growth(self, of: Sequence[int]) -> float:
        """In MB, from when it had settled until the end: medians of a few samples."""
        settled = [n for n, at in enumerate(self.at) if at >= self.at[-1] * SETTLED]
        first, last = settled[:5], settled[-5:]
        grown = median(of[n] for n in last) - median(of[n] for n in first)
        return grown / MEGABYTE


def run(stage: Stage, quick: bool) -> Measured:
    """One round: everything it does is over a minute."""
    measured = Measured()
    seconds = QUICK_SECONDS if quick else SECONDS
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(stage.nginx())
        requests = _prepare(stage, nginx, QUICK_WAITING if quick else WAITING, seconds)
        empty = _broker_bytes(stage)
        stack.enter_context(stage.web())
        workers = stack.enter_context(stage.workers(fast=2, slow=1))
        stack.enter_context(stage.beat())
        load = stack.enter_context(Load(stage.work, requests))
        load.go()
        samples = _watch(stage, load, workers, nginx, seconds)
        until("the end of what is healthy", lambda: _healthy_over(stage), 30)
        answers = load.answers()
        time.sleep(0.2)  # nginx writes its log 0.1 s late
        received = {row[1]: row[0] for row in nginx.arrived()}
    _verify(stage, measured, answers, received)
    figures = _punctuality(stage, answers, received)
    tried = stage.sql(_TRIED)[0][0]
    measured.add(
        **figures,
        broker_mb=(max(samples.broker) - empty) / MEGABYTE,
        worker_mb=samples.growth(samples.worker),
        worker_pss_mb=samples.worker[-1] / MEGABYTE,
        sweep_ms=median(samples.sweep),
        sweep_worst_ms=max(samples.sweep),
        dead_attempts=tried,
    )
    measured.figures |= measured.rounds[-1]
    return measured


def _prepare(
    stage: Stage, nginx: Nginx, waiting: int, seconds: int
) -> list[dict[str, object]]:
    """The dead webhook's backlog, and the load for the healthy ones."""
    owner, other = fill.tenant("acme"), fill.tenant("globex")
    dead = fill.webhook(owner, nginx.url("hang/dead"), only="none", lane="fast")
    many.fill(stage, many.Many(waiting, waiting=dead, waiting_calls=waiting))
    for index in range(WEBHOOKS):
        fill.webhook(other, nginx.url(f"w/{index}"), only=fill.number(index))
    token = fill.token(other)
    return [
        {
            "at": n / RATE,
            "token": token,
            "body": json.dumps(fill.call(f"call-{n}", fill.number(n % WEBHOOKS))),
        }
        for n in range(seconds * RATE)
    ]


def _watch(
    stage: Stage, load: Load, workers: Group, nginx: Nginx, seconds: int
) -> Samples:
    """Until the load is over; half way, what hung refuses connections instead."""
    samples, began, refuses = Samples(), time.monotonic(), False
    while not load.is_over():
        now = time.monotonic() - began
        if not refuses and now > seconds / 2:
            url = f"http://127.0.0.1:{free_port()}/dead"
            stage.sql(
                "UPDATE dispatcher_webhook SET url = %s WHERE url LIKE %s",
                *(url, "%/hang/%"),
            )
            refuses = True
        samples.at.append(now)
        samples.worker.append(workers.pss())
        samples.broker.append(_broker_bytes(stage))
        samples.sweep.append(_sweep_ms())
        time.sleep(SAMPLE_SECONDS)
    return samples


def _broker_bytes(stage: Stage) -> int:
    from redis import Redis

    with Redis.from_url(stage.broker_url) as client:
        return int(client.info("memory")["used_memory"])


def _sweep_ms() -> float:
    """What `dispatcher.sweep` asks the database; it is not told to anybody."""
    from dispatcher.pipeline import sweep
    from dispatcher.pipeline.outbound import utc_now

    began = time.monotonic()
    sweep.cancel_orphans(utc_now())
    sweep.fail_forgotten_tests(utc_now())
    sweep.overdue_webhooks(utc_now())
    return (time.monotonic() - began) * 1000


_HEALTHY: Final = (
    "FROM dispatcher_delivery d JOIN dispatcher_webhook w ON w.id = d.webhook_id"
    " JOIN dispatcher_tenant t ON t.id = w.tenant_id AND t.external_id = 'globex'"
)
_TRIED: Final = (
    "SELECT count(*)::int FROM dispatcher_attempt a"
    " JOIN dispatcher_delivery d ON d.id = a.delivery_id"
    " JOIN dispatcher_tenant t ON t.id = d.tenant_id AND t.external_id = 'acme'"
)


def _healthy_over(stage: Stage) -> bool:
    waiting = f"SELECT EXISTS (SELECT 1 {_HEALTHY} WHERE d.state = 'pending')"
    return not stage.sql(waiting)[0][0]


def _verify(
    stage: Stage,
    measured: Measured,
    answers: Sequence[Answer],
    received: dict[str, float],
) -> None:
    measured.check(all(one.status == 202 for one in answers), "every POST got its 202")
    stored = stage.sql(
        f"SELECT d.id::text, d.state, d.attempt_count, count(a.id) {_HEALTHY}"
        " LEFT JOIN dispatcher_attempt a ON a.delivery_id = d.id GROUP BY d.id"
    )
    measured.check(len(stored) == len(answers), "every call is owed to one webhook")
    measured.check(
        all(row[1:] == ("delivered", 1, 1) for row in stored),
        "every healthy delivery and its one attempt are recorded",
    )
    measured.check(
        all(row[0] in received for row in stored), "every healthy delivery arrived"
    )
    odd = stage.sql(
        "SELECT count(*) FROM dispatcher_delivery d WHERE attempt_count <>"
        " (SELECT count(*) FROM dispatcher_attempt a WHERE a.delivery_id = d.id)"
        " AND attempt_count > 0"
    )
    measured.check(odd[0][0] == 0, "every attempt at the dead one is recorded")


def _punctuality(
    stage: Stage, answers: Sequence[Answer], received: dict[str, float]
) -> dict[str, float]:
    """Of the healthy deliveries, from their 202."""
    uids = stage.sql(
        f"SELECT c.uid, d.id::text {_HEALTHY}"
        " JOIN dispatcher_owedcdr o ON o.delivery_id = d.id"
        " JOIN dispatcher_storedcdr c ON c.id = o.cdr_id"
    )
    waits = sorted(
        received[key] - answers[int(uid.removeprefix("call-"))].at for uid, key in uids
    )
    late = sum(wait > ON_TIME_SECONDS for wait in waits)
    return {
        "on_time": 1 - late / len(waits),
        "p99_ms": waits[int(len(waits) * 0.99)] * 1000,
        "longest_s": waits[-1],
    }


ROW: Final = Row(
    name="dead",
    title="One dead webhook with 1,000,000 deliveries waiting; 20 healthy ones",
    goals=(
        Goal("broker_mb", "MB that the broker grows by", 5, at_most=True),
        Goal("worker_mb", "MB that the workers grow by", 5, at_most=True),
        Goal("worker_pss_mb", "MB of three workers", at_most=True),
        Goal("sweep_ms", "ms, median", 50, at_most=True),
        Goal("sweep_worst_ms", "ms, worst", 50, at_most=True),
        Goal("on_time", "of healthy deliveries within 1 s", 0.99, 0.999),
        Goal("p99_ms", "ms", at_most=True),
        Goal("longest_s", "s", at_most=True),
        Goal("dead_attempts", "attempts at the dead one"),
    ),
    run=run,
    seconds=150,
    postgres=many.POSTGRES_OPTIONS,
)
