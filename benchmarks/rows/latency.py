"""Receivers that take their time: how many requests are under way, and how fast it goes.

In flight is counted where nobody can flatter it: by the receiver, which holds each
request for exactly its latency and notes when it has answered. The attempts' own times
are the cross-check: a sender cannot have had less under way than the receiver.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks import fill
from benchmarks.stage import until
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Group, Stage

WEBHOOKS: Final = 20
IN_FLIGHT: Final = 10
ROUNDS: Final = 3
LONG_MS: Final = 500
SHORT_MS: Final = 50
AT_ONCE: Final = 0
# Deliveries a webhook, by latency: at 500 ms enough for 30 s with all 200 in flight.
DELIVERIES: Final = {LONG_MS: 650, SHORT_MS: 500, AT_ONCE: 500}
QUICK_DELIVERIES: Final = {LONG_MS: 40, SHORT_MS: 50, AT_ONCE: 50}
WINDOW_SECONDS: Final = 30.0
QUICK_WINDOW_SECONDS: Final = 1.5
# Attempts' times and the receiver's log are in milliseconds.
ROUNDING: Final = 0.99

Spans = list[tuple[float, float]]


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: 20 webhooks of each latency, one latency after the other."""
    measured = Measured()
    with stage.nginx(delays_ms=(LONG_MS, SHORT_MS, AT_ONCE)) as nginx:
        ids = prepare(stage, nginx, QUICK_DELIVERIES if quick else DELIVERIES)
        for number in range(1 if quick else ROUNDS):
            _round(stage, nginx, measured, ids, number, quick=quick)
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    measured.notes.append(
        "All webhooks are new: that they are fast is learned while it is measured."
        " In flight is counted by the receiver, over the first"
        f" {QUICK_WINDOW_SECONDS if quick else WINDOW_SECONDS:g} s from the first"
        " request on."
    )
    return measured


def prepare(
    stage: Stage, nginx: Nginx, deliveries: Mapping[int, int]
) -> dict[int, list[UUID]]:
    """Calls that are accepted for webhooks of each latency; the webhooks by latency."""
    owner = fill.tenant()
    ids: dict[int, list[UUID]] = {}
    calls: list[dict[str, object]] = []
    for at, (delay_ms, count) in enumerate(deliveries.items()):
        numbers = range(at * WEBHOOKS, (at + 1) * WEBHOOKS)
        ids[delay_ms] = [
            fill.webhook(
                owner,
                nginx.url(f"{_folder(delay_ms)}/{number}"),
                only=fill.number(number),
                max_in_flight=IN_FLIGHT,
            ).pk
            for number in numbers
        ]
        calls += [
            fill.call(f"call-{number}-{n}", fill.number(number))
            for n in range(count)
            for number in numbers
        ]
    fill.accept(owner, calls)
    stage.keep("filled")
    return ids


def _folder(delay_ms: int) -> str:
    """Also what answers at once goes through the delay, so that all answers are alike."""
    return f"after/{delay_ms}"


def _round(
    stage: Stage,
    nginx: Nginx,
    measured: Measured,
    ids: Mapping[int, Sequence[UUID]],
    number: int,
    *,
    quick: bool,
) -> None:
    stage.restore("filled")
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    told: dict[int, tuple[float, float]] = {}
    # The longest first: it warms the workers up for the two that are compared.
    compared = (AT_ONCE, SHORT_MS) if number % 2 else (SHORT_MS, AT_ONCE)
    with stage.workers() as workers:
        for delay_ms in (LONG_MS, *compared):
            count = deliveries[delay_ms] * WEBHOOKS
            told[delay_ms] = _drain(stage, workers, ids[delay_ms], count)
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    arrived = list(nginx.arrived())
    fill.verify_all_arrived(
        stage,
        nginx,
        measured,
        deliveries=sum(deliveries.values()) * WEBHOOKS,
        requests=arrived,
    )
    long = f"/{_folder(LONG_MS)}/"
    held = LONG_MS / 1000
    seen = [(at - held, at) for at, _, _, path in arrived if path.startswith(long)]
    recorded = _recorded(stage, ids[LONG_MS])
    window = QUICK_WINDOW_SECONDS if quick else WINDOW_SECONDS
    in_flight = _in_flight(measured, seen, recorded, window)
    measured.add(
        **in_flight,
        rate_at_once=told[AT_ONCE][0],
        rate_at_50_ms=told[SHORT_MS][0],
        rate_ratio=told[SHORT_MS][0] / told[AT_ONCE][0],
        **{f"cpu_ms_at_{ms}": cpu_ms for ms, (_, cpu_ms) in told.items()},
    )


def _drain(
    stage: Stage, workers: Group, ids: Sequence[UUID], deliveries: int
) -> tuple[float, float]:
    """Deliveries a second, all recorded, and the workers' CPU ms for each."""
    from dispatcher import tasks

    cpu, began = workers.cpu(), time.monotonic()
    tasks.wake_up(ids)
    until("the end of the drain", lambda: _nothing_pending(stage, ids), 120, every=0.05)
    took = time.monotonic() - began
    return deliveries / took, (workers.cpu() - cpu) * 1000 / deliveries


def _nothing_pending(stage: Stage, ids: Sequence[UUID]) -> bool:
    waiting = (
        "SELECT EXISTS (SELECT 1 FROM dispatcher_delivery"
        " WHERE state = 'pending' AND webhook_id = ANY(%s))"
    )
    return not stage.sql(waiting, list(ids))[0][0]


def _recorded(stage: Stage, ids: Sequence[UUID]) -> Spans:
    """When the attempts of these webhooks began and ended, in seconds."""
    rows = stage.sql(
        "SELECT extract(epoch FROM a.started_at)::float8,"
        " extract(epoch FROM a.ended_at)::float8"
        " FROM dispatcher_attempt a JOIN dispatcher_delivery d ON d.id = a.delivery_id"
        " WHERE d.webhook_id = ANY(%s)",
        list(ids),
    )
    return [(began, ended) for began, ended in rows]


def _in_flight(
    measured: Measured, seen: Spans, recorded: Spans, window: float
) -> dict[str, float]:
    """The mean number under way in the window, and the least in any second of it.

    The first second, in which the connections are opened, counts for the mean alone.
    """
    began = min(start for start, _ in seen)
    mean = under_way(seen, began, began + window)
    by_attempts = under_way(recorded, began, began + window)
    seconds = range(1, int(window))
    least = min(
        (under_way(seen, began + n, began + n + 1) for n in seconds), default=mean
    )
    measured.check(
        by_attempts >= mean * ROUNDING,
        "the attempts' times hold at least as many in flight as the receiver saw",
    )
    most = WEBHOOKS * IN_FLIGHT
    measured.check(mean <= most * (2 - ROUNDING), f"no more than {most} are in flight")
    return {
        "in_flight": mean,
        "in_flight_least": least,
        "in_flight_by_attempts": by_attempts,
    }


def under_way(spans: Iterable[tuple[float, float]], start: float, end: float) -> float:
    """How many of the spans are under way between two times, on average."""
    total = sum(max(0.0, min(b, end) - max(a, start)) for a, b in spans)
    return total / (end - start)


ROW: Final = Row(
    name="latency",
    title="Receivers with 500 ms and 50 ms latency, 20 webhooks x 10 in flight",
    goals=(
        Goal("in_flight", "of 200 in flight at 500 ms, mean of 30 s", must=160),
        Goal("in_flight_least", "of 200 in the least of these seconds"),
        Goal("in_flight_by_attempts", "of 200, by the attempts' times"),
        Goal("rate_at_once", "deliveries/s, answered at once"),
        Goal("rate_at_50_ms", "deliveries/s, answered after 50 ms"),
        Goal("rate_ratio", "of the rate at once", must=0.8),
    ),
    run=run,
    seconds=200,
)
