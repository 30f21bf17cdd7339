"""Two worker processes against one: what the second one brings, and what limits it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import psutil

from benchmarks import fill
from benchmarks.rows import drain
from benchmarks.stage import until
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Group, Stage

DELIVERIES: Final = 12_000
QUICK_DELIVERIES: Final = 1_000
ROUNDS: Final = 3
# A core, or a machine, that is busy for this share of the time has no more to give.
FULL: Final = 0.9
# Cores of other programs beyond which nothing can be said about the limit.
DISTURBED: Final = 0.3


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: the same deliveries drained by one worker process, and by two."""
    measured = Measured()
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    with stage.nginx() as nginx:
        drain.prepare(stage, nginx, deliveries)
        for number in range(1 if quick else ROUNDS):
            figures: dict[str, float] = {}
            for workers in (2, 1) if number % 2 else (1, 2):
                figures |= _drain(stage, nginx, measured, deliveries, workers)
            measured.add(**figures, ratio=figures["rate_2"] / figures["rate_1"])
    _sum_up(measured)
    return measured


def _drain(
    stage: Stage, nginx: Nginx, measured: Measured, deliveries: int, workers: int
) -> dict[str, float]:
    """The rate, and how many cores each part of it kept busy meanwhile."""
    from dispatcher import tasks
    from dispatcher.models import Webhook

    stage.restore("filled")
    ids = list(Webhook.objects.values_list("pk", flat=True))
    with stage.workers(fast=workers) as processes:
        before = _Busy(stage, nginx, processes)
        tasks.wake_up(ids)
        until(
            "the end of the drain", lambda: fill.nothing_pending(stage), 300, every=0.05
        )
        cores = _Busy(stage, nginx, processes).since(before)
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    fill.verify_all_arrived(stage, nginx, measured, deliveries=deliveries)
    seconds = cores.pop("seconds")
    told = {"rate": deliveries / seconds, **cores}
    return {f"{name}_{workers}": value for name, value in told.items()}


class _Busy:
    """CPU seconds so far of all that takes part, of the machine, and of one thread."""

    def __init__(self, stage: Stage, nginx: Nginx, workers: Group) -> None:
        machine = psutil.cpu_times()
        self._at = time.monotonic()
        self._idle = machine.idle + machine.iowait
        self._parts = {
            "workers": workers.cpu(),
            "postgres": stage.postgres_cpu(),
            "nginx": nginx.cpu(),
        }
        self._threads = {
            thread.id: thread.user_time + thread.system_time
            for process in workers.processes
            for thread in process.threads()
        }

    def since(self, before: _Busy) -> dict[str, float]:
        """Cores kept busy by each since then, and the share of the machine left idle."""
        seconds = self._at - before._at
        threads = [
            used - before._threads.get(of_thread, 0.0)
            for of_thread, used in self._threads.items()
        ]
        return {
            "seconds": seconds,
            **{
                f"{name}_cores": (used - before._parts[name]) / seconds
                for name, used in self._parts.items()
            },
            "busiest_thread_cores": max(threads) / seconds,
            "idle": (self._idle - before._idle) / seconds / cores(),
        }


def cores() -> int:
    """How many the machine has."""
    return os.cpu_count() or 1


def _sum_up(measured: Measured) -> None:
    medians = {name: measured.median_of(name) for name in measured.rounds[0]}
    ceiling = cores() / _known(medians, 1)
    for name in ("rate_1", "rate_2", "ratio", "idle_1", "idle_2"):
        measured.figures[name] = medians[name]
    measured.figures["ceiling"] = ceiling
    measured.figures["of_ceiling"] = medians["ratio"] / ceiling
    measured.notes += [_told(medians, 1), _told(medians, 2), _limit(medians, ceiling)]


def _known(medians: dict[str, float], workers: int) -> float:
    """Cores that cdrhook, PostgreSQL and the receiver kept busy."""
    parts = ("workers", "postgres", "nginx")
    return sum(medians[f"{part}_cores_{workers}"] for part in parts)


def _other(medians: dict[str, float], workers: int) -> float:
    """Cores that anything else kept busy: a little, unless the machine is shared."""
    busy = cores() * (1 - medians[f"idle_{workers}"])
    return max(0.0, busy - _known(medians, workers))


def _told(medians: dict[str, float], workers: int) -> str:
    """Where the CPU time of a drain went, in words."""

    def of(name: str) -> float:
        return medians[f"{name}_{workers}"]

    other = _other(medians, workers)
    return (
        f"{workers} worker process(es): {of('rate'):,.0f} deliveries/s. Cores busy:"
        f" {of('workers_cores'):.2f} in cdrhook (its busiest thread"
        f" {of('busiest_thread_cores'):.2f}), {of('postgres_cores'):.2f} in PostgreSQL,"
        f" {of('nginx_cores'):.2f} in the receiver, {other:.2f} in anything else;"
        f" {of('idle'):.0%} of {cores()} cores idle."
    )


def _limit(medians: dict[str, float], ceiling: float) -> str:
    """What keeps two from being twice as fast as one."""
    bound = (
        f"With one process {_known(medians, 1):.2f} of {cores()} cores are needed: at"
        f" the same CPU time a delivery, two cannot be more than {ceiling:.2f} x as fast"
        f" on this machine, and are {medians['ratio']:.2f} x. "
    )
    if max(_other(medians, 1), _other(medians, 2)) > DISTURBED:
        return bound + "The machine was busy with other programs: measure it again."
    if 1 - medians["idle_2"] >= FULL:
        return bound + "With two, the machine's cores are the limit."
    if medians["workers_cores_2"] >= 2 * FULL:
        return bound + "With two, the limit is the one core that each Python can use."
    return bound + (
        "With two, neither the cores nor Python are used up: the limit is what the"
        " coordinators wait for, which is PostgreSQL's commits and locks."
    )


ROW: Final = Row(
    name="workers",
    title="Two worker processes against one",
    goals=(
        Goal("ratio", "of one process' rate", must=1.5, aim=1.8),
        Goal("rate_1", "deliveries/s with one"),
        Goal("rate_2", "deliveries/s with two"),
        Goal("idle_1", "of the machine idle with one"),
        Goal("idle_2", "of the machine idle with two"),
        Goal("ceiling", "x at most, by the cores that one needs"),
        Goal("of_ceiling", "of that"),
    ),
    run=run,
    seconds=110,
)
