"""Draining beside what else one would pick: a task per delivery, django-webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.rivals import run_django_webhook, run_task_per_delivery
from benchmarks.rows import drain
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage

ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Deliveries:
    """How many each makes: rivals fewer, so that all take 10 to 15 s a round."""

    ours: int
    tasks: int
    django_webhook: int


FULL: Final = Deliveries(ours=16_000, tasks=2_000, django_webhook=2_000)
AS_THEY_COME: Final = 1_000
QUICK: Final = Deliveries(ours=600, tasks=100, django_webhook=60)


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: cdrhook, then each rival; after the last, rivals as they come."""
    measured = Measured()
    many = QUICK if quick else FULL
    with stage.nginx() as nginx:
        drain.prepare(stage, nginx, many.ours)
        for number in range(1 if quick else ROUNDS):
            ours = drain.drain(stage, nginx, measured, many.ours)
            if number == 0:
                run_task_per_delivery.prepare(stage, many.tasks)
            tasks = run_task_per_delivery.run(stage, nginx, measured, many.tasks)
            saves = run_django_webhook.run(stage, nginx, measured, many.django_webhook)
            measured.add(
                **ours,
                task_rate=tasks.rate,
                task_cpu_ms=tasks.cpu_ms,
                task_postgres_cpu_ms=tasks.postgres_cpu_ms,
                django_webhook_rate=saves.rate,
                django_webhook_cpu_ms=saves.cpu_ms,
                django_webhook_postgres_cpu_ms=saves.postgres_cpu_ms,
                task_ratio=ours["rate"] / tasks.rate,
                django_webhook_ratio=ours["rate"] / saves.rate,
            )
        measured.notes += _conditions(stage, many)
        if not quick:
            measured.notes.append(_as_they_come(stage, nginx, measured))
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    return measured


def _conditions(stage: Stage, many: Deliveries) -> list[str]:
    body = stage.sql("SELECT avg(octet_length(request_body)) FROM dispatcher_delivery")
    theirs = run_django_webhook.body_bytes(stage)
    return [
        f"A round: {many.ours:,} deliveries by cdrhook, {many.tasks:,} by a task each,"
        f" {many.django_webhook:,} by django-webhook; 20 webhooks each. The clock runs"
        " from the wake-up, for the rivals from when their workers, which have started,"
        " get the messages that were published before, until the last one is recorded.",
        "The rivals are tuned: prefork with two processes, connections to the database"
        " kept, 64 messages a process prefetched, no results, no gossip, mingle or"
        " heartbeat.",
        f"The task's requests ({body[0][0]:.0f} bytes on the average) are rendered"
        " before; signature and record are cdrhook's, but for the phases and address."
        f" django-webhook sends its own JSON ({theirs:.0f} bytes), signature and record:"
        " an event, stored when the task begins and updated at its end.",
    ]


def _as_they_come(stage: Stage, nginx: Nginx, measured: Measured) -> str:
    """One round without tuning, beside the goals."""
    tasks = run_task_per_delivery.run(stage, nginx, measured, FULL.tasks, tuned=False)
    saves = run_django_webhook.run(stage, nginx, measured, AS_THEY_COME, tuned=False)
    return (
        f"As Celery and Django come (one round): {tasks.rate:.0f} deliveries/s by a task"
        f" each, {saves.rate:.0f} by django-webhook."
    )


ROW: Final = Row(
    name="rivals",
    title="The same against one Celery task per delivery, and django-webhook",
    goals=(
        Goal("rate", "deliveries/s"),
        Goal("task_rate", "deliveries/s"),
        Goal("django_webhook_rate", "deliveries/s"),
        Goal("task_ratio", "times a task per delivery", must=5, aim=8),
        Goal("django_webhook_ratio", "times django-webhook", must=8, aim=15),
    ),
    run=run,
    seconds=220,
)
