"""The drain, calls by HTTP, and taking calls in, on SQLite; beside the bare loop.

Nothing is asked of these figures: SQLite has one writer, and one worker for both lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.rivals import bare
from benchmarks.rows import api, drain, ingest
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage

DELIVERIES: Final = 5_000
QUICK_DELIVERIES: Final = 400
ROUNDS: Final = 3


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: all of it, and the bare loop with the bodies that were drained."""
    measured = Measured()
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    with stage.nginx() as nginx:
        stage.keep("nothing")
        for _ in range(1 if quick else ROUNDS):
            ours, loop = drained(stage, nginx, measured, deliveries)
            posted = by_http(stage, nginx, measured, deliveries // ingest.MATCHING)
            taken = taken_in(stage, measured, deliveries // ingest.MATCHING)
            measured.add(
                drain_rate=ours["rate"],
                posted_rate=posted,
                taken_in_rate=taken,
                bare_rate=loop.rate,
                drain_ratio=ours["rate"] / loop.rate,
                drain_cpu_ratio=ours["cpu_ms"] / (loop.cpu * 1000),
                posted_ratio=posted / loop.rate,
                taken_in_ratio=taken / loop.rate,
            )
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    return measured


def drained(
    stage: Stage, nginx: Nginx, measured: Measured, deliveries: int
) -> tuple[dict[str, float], bare.Bare]:
    """What the drain did, and what the bare loop did with the same requests."""
    stage.restore("nothing")
    drain.prepare(stage, nginx, deliveries)
    ours = drain.drain(stage, nginx, measured, deliveries)
    jobs = stage.work / "jobs.jsonl"
    bare.write_jobs(stage, jobs)
    loop = bare.run(jobs)
    measured.check(loop.sent == deliveries, "the bare loop sent as many")
    nginx.forget()
    return ours, loop


def by_http(stage: Stage, nginx: Nginx, measured: Measured, records: int) -> float:
    """Deliveries/s from the first POST until the last attempt is recorded."""
    stage.restore("nothing")
    bearer = api.prepare(stage, nginx, records)
    bodies = ingest.requests(records, api.BATCH, "posted")
    return api.one_round(stage, nginx, measured, bodies, bearer)["rate"]


def taken_in(stage: Stage, measured: Measured, records: int) -> float:
    """Records/s committed by requests of 1,000, one after the other."""
    stage.restore("nothing")
    ingest.prepare()
    bodies = ingest.requests(records, 1000)
    took = ingest.take_in(stage, bodies)["seconds"]
    ingest.verify(stage, measured, records)
    return records / took


ROW: Final = Row(
    name="sqlite",
    title="On SQLite: 5,000 deliveries drained, posted and taken in",
    goals=(
        Goal("bare_rate", "requests/s"),
        Goal("drain_rate", "deliveries/s"),
        Goal("drain_ratio", "of the bare loop"),
        Goal("drain_cpu_ratio", "of the bare loop's CPU", at_most=True),
        Goal("posted_rate", "deliveries/s"),
        Goal("posted_ratio", "of the bare loop"),
        Goal("taken_in_rate", "records/s"),
        Goal("taken_in_ratio", "of the bare loop's requests"),
    ),
    run=run,
    seconds=120,
    sqlite=True,
)
