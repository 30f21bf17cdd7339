"""Draining what waits, all recorded, beside a bare loop of requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks import fill
from benchmarks.rivals import bare
from benchmarks.stage import until
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage

WEBHOOKS: Final = 20
DELIVERIES: Final = 50_000
QUICK_DELIVERIES: Final = 2_000
ROUNDS: Final = 3


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: the same deliveries drained by cdrhook, then by the bare loop."""
    measured = Measured()
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    with stage.nginx() as nginx:
        prepare(stage, nginx, deliveries)
        for _ in range(1 if quick else ROUNDS):
            ours = drain(stage, nginx, measured, deliveries)
            jobs = stage.work / "jobs.jsonl"
            bare.write_jobs(stage, jobs)
            before, began = nginx.cpu(), time.monotonic()
            loop = bare.run(jobs)
            share = (nginx.cpu() - before) / (time.monotonic() - began)
            measured.check(loop.sent == deliveries, "the bare loop sent as many")
            nginx.forget()
            measured.add(
                **ours,
                bare_rate=loop.rate,
                bare_cpu_ms=loop.cpu * 1000,
                bare_nginx_cores=share,
                rate_ratio=ours["rate"] / loop.rate,
                cpu_ratio=ours["cpu_ms"] / (loop.cpu * 1000),
            )
    for name in ("rate", "bare_rate", "rate_ratio", "cpu_ratio"):
        measured.figures[name] = measured.median_of(name)
    return measured


def prepare(stage: Stage, nginx: Nginx, deliveries: int) -> None:
    """Calls that are accepted, one webhook each, and kept as `filled`."""
    owner = fill.tenant()
    for index in range(WEBHOOKS):
        fill.webhook(
            owner,
            nginx.url(f"w/{index}"),
            only=fill.number(index),
            lane="fast",
            quick_answers=1000,
            answer_ms=1,
        )
    fill.accept(
        owner,
        (fill.call(f"call-{n}", fill.number(n % WEBHOOKS)) for n in range(deliveries)),
    )
    stage.keep("filled")


def drain(
    stage: Stage, nginx: Nginx, measured: Measured, deliveries: int, *, workers: int = 2
) -> dict[str, float]:
    """One round: from the wake-up until the last attempt is recorded."""
    from dispatcher import tasks
    from dispatcher.models import Webhook

    stage.restore("filled")
    ids = list(Webhook.objects.values_list("pk", flat=True))
    with stage.workers(fast=workers) as processes:
        cpu, postgres, receiver = processes.cpu(), stage.postgres_cpu(), nginx.cpu()
        began = time.monotonic()
        tasks.wake_up(ids)
        until(
            "the end of the drain", lambda: fill.nothing_pending(stage), 600, every=0.05
        )
        took = time.monotonic() - began
        cpu = processes.cpu() - cpu
        postgres = stage.postgres_cpu() - postgres
        receiver = nginx.cpu() - receiver
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    fill.verify_all_arrived(stage, nginx, measured, deliveries=deliveries)
    return {
        "rate": deliveries / took,
        "cpu_ms": cpu * 1000 / deliveries,
        "postgres_cpu_ms": postgres * 1000 / deliveries,
        "nginx_cores": receiver / took,
    }


ROW: Final = Row(
    name="drain",
    title="Draining 50,000 deliveries over 20 webhooks, all recorded",
    goals=(
        Goal("rate", "deliveries/s"),
        Goal("bare_rate", "requests/s"),
        Goal("rate_ratio", "of the bare loop", must=0.55, aim=0.75),
        Goal("cpu_ratio", "of the bare loop's CPU", must=1.6, aim=1.2, at_most=True),
    ),
    run=run,
    seconds=300,
)
