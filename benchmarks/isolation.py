"""Whether webhooks that hang hold up healthy ones: one round under load.

Web server, workers, beat and load run in processes of their own; a delivery's time of
receipt comes from nginx's log, that of its 202 from the load.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks import fill
from benchmarks.load import Load
from benchmarks.stage import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.load import Answer
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from benchmarks.values import Measured
    from dispatcher.models import Tenant

RATE: Final = 200
SAMPLE_SECONDS: Final = 0.25
ON_TIME_SECONDS: Final = 1.0
# After the load: how long healthy deliveries may still take until they count as lost.
PATIENCE_SECONDS: Final = 20.0
# As long as one request may take, and what it takes to note its end.
DEADLINE_SECONDS: Final = 10.0
LONGEST_ATTEMPT_SECONDS: Final = 11.0
# Stands for nginx's address until its port of this round is known.
PLACEHOLDER: Final = "http://127.0.0.1:9/"
TENANTS_SIZE: Final = 10
HANGING: Final = ("hang/", "switch/")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the load: calls for these webhooks (by index), `at` in seconds."""

    at: float
    webhooks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """One round: what is kept under `name`, the load, and when webhooks begin to hang.

    Calls count from `hang_at` on; None: what hangs does so from the start. `waiting`:
    deliveries that are there before, and become due at that moment.
    """

    name: str
    requests: Sequence[Request]
    hang_at: float | None = None
    waiting: int = 0


class Cast:
    """Tenants with ten webhooks each, and their tokens."""

    def __init__(self, paths: Sequence[str], *, known: bool) -> None:
        """`paths`: of each webhook; `known`: all have been quick for long."""
        history = {"quick_answers": 100, "answer_ms": 1} if known else {}
        self._owners: list[Tenant] = []
        self._tokens: list[str] = []
        for index, path in enumerate(paths):
            if index % TENANTS_SIZE == 0:
                self._owners.append(fill.tenant(f"tenant-{index // TENANTS_SIZE}"))
                self._tokens.append(fill.token(self._owners[-1]))
            url, only = f"{PLACEHOLDER}{path}{index}", fill.number(index)
            fill.webhook(self._owners[-1], url, only=only, lane="fast", **history)

    def have_waiting(self, webhooks: Sequence[int], each: int) -> None:
        """Has calls accepted that are owed to these webhooks; see `Scene.waiting`."""
        for number, owner in enumerate(self._owners):
            theirs = [one for one in webhooks if one // TENANTS_SIZE == number]
            calls = [
                fill.call(f"waiting-{one}-{n}", fill.number(one))
                for one in theirs
                for n in range(each)
            ]
            fill.accept(owner, calls)

    def plan(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """As the load plays it; a request's webhooks are of one tenant."""
        plan = []
        for index, request in enumerate(requests):
            calls = [
                fill.call(f"call-{index}-{n}", fill.number(webhook))
                for n, webhook in enumerate(request.webhooks)
            ]
            body = calls[0] if len(calls) == 1 else {"cdrs": calls}
            token = self._tokens[request.webhooks[0] // TENANTS_SIZE]
            plan.append({"at": request.at, "token": token, "body": json.dumps(body)})
        return plan


def stream(webhooks: Sequence[int], since: float, until: float) -> list[Request]:
    """Calls at the rate of the table: a tenant's PBX hands over one a webhook at a time.

    Single calls would measure the web server, which shares the two cores.
    """
    together = [
        tuple(webhooks[first : first + TENANTS_SIZE])
        for first in range(0, len(webhooks), TENANTS_SIZE)
    ]
    count = int((until - since) * RATE / TENANTS_SIZE)
    return [
        Request(since + n * TENANTS_SIZE / RATE, together[n % len(together)])
        for n in range(count)
    ]


def play(
    stage: Stage, measured: Measured, cast: Cast, scene: Scene
) -> dict[str, float]:
    """One round, verified: the share of healthy deliveries on time, and so on."""
    stage.restore(scene.name)
    stage.sql(_PUT_OFF, NOT_YET)
    with contextlib.ExitStack() as stack:
        stack.enter_context(stage.web())
        workers = stack.enter_context(stage.workers(fast=2, slow=1))
        stack.enter_context(stage.beat())
        until_swept(stage)
        # Stopped before the workers: without it, all that is under way ends at once.
        nginx = stack.enter_context(stage.nginx())
        change = "UPDATE dispatcher_webhook SET url = replace(url, %s, %s)"
        stage.sql(change, PLACEHOLDER, nginx.url())
        load = stack.enter_context(Load(stage.work, cast.plan(scene.requests)))
        before, began = workers.cpu(), time.monotonic()
        load.go()
        oldest = _watch(stage, nginx, scene, load.is_over)
        cores = (workers.cpu() - before) / (time.monotonic() - began)
        answers = load.answers()
        time.sleep(0.2)  # nginx writes its log 0.1 s late
        received = {row[1]: row[0] for row in nginx.arrived()}
    figures = _verified(stage, measured, scene, answers, received)
    return {**figures, "oldest_s": oldest, "worker_cores": cores}


def until_swept(stage: Stage) -> None:
    """Waits for the first sweep: starting beat takes a second of a core."""
    from redis import Redis

    from dispatcher.broker import BEAT_KEY

    with Redis.from_url(stage.broker_url) as client:
        until("the first sweep", lambda: bool(client.exists(BEAT_KEY)), 30)


def _watch(
    stage: Stage, nginx: Nginx, scene: Scene, is_over: Callable[[], bool]
) -> float:
    """Until nothing healthy waits any more; the age of the oldest at any sample."""
    oldest, began, hangs = 0.0, time.monotonic(), scene.hang_at is None
    over_at: float | None = None
    statement = (
        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - created_at)), -1)"
        "::float8 FROM dispatcher_delivery WHERE state = 'pending'"
        " AND webhook_id = ANY(%s)"
    )
    healthy = [row[0] for row in stage.sql(_HEALTHY)]
    with psycopg.connect(stage.database_url(), autocommit=True) as database:
        while True:
            row = database.execute(statement, (healthy,)).fetchone()
            assert row is not None
            age, now = float(row[0]), time.monotonic()
            oldest = max(oldest, age)
            if over_at is None and is_over():
                over_at = now
            if over_at and (age < 0 or now - over_at > PATIENCE_SECONDS):
                return oldest
            if not hangs and now - began >= (scene.hang_at or 0.0):
                _start_hanging(stage, nginx)
                hangs = True
            time.sleep(SAMPLE_SECONDS)


def _start_hanging(stage: Stage, nginx: Nginx) -> None:
    """What waits becomes due at once, and its webhooks are woken up together."""
    from dispatcher import tasks

    nginx.start_hanging()
    tasks.wake_up(row[0] for row in stage.sql(_NOW_DUE))


_OF_HEALTHY: Final = "w.url NOT LIKE '%%/hang/%%' AND w.url NOT LIKE '%%/switch/%%'"
_HEALTHY: Final = f"SELECT w.id FROM dispatcher_webhook w WHERE {_OF_HEALTHY}"
# Further ahead than a round takes; two minutes would count as a clock set back.
NOT_YET: Final = "100 seconds"
_PUT_OFF: Final = (
    "UPDATE dispatcher_delivery SET next_attempt_at = clock_timestamp() + %s::interval"
)
_NOW_DUE: Final = (
    "WITH due AS (UPDATE dispatcher_delivery SET next_attempt_at = clock_timestamp()"
    " WHERE next_attempt_at > clock_timestamp() + interval '30 seconds'"
    " RETURNING webhook_id) SELECT DISTINCT webhook_id FROM due"
)
_DELIVERIES: Final = (
    "SELECT d.id::text, c.uid, d.state, d.attempt_count, count(a.id),"
    " max(a.duration_ms) FILTER (WHERE a.error_class = 'timeout'),"
    f" {_OF_HEALTHY}"
    " FROM dispatcher_delivery d JOIN dispatcher_webhook w ON w.id = d.webhook_id"
    " JOIN dispatcher_owedcdr o ON o.delivery_id = d.id"
    " JOIN dispatcher_storedcdr c ON c.id = o.cdr_id"
    " LEFT JOIN dispatcher_attempt a ON a.delivery_id = d.id"
    " GROUP BY d.id, c.uid, w.url"
)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A delivery, as the database has it."""

    id: str
    uid: str
    state: str
    attempt_count: int
    attempts: int
    timed_out_ms: int | None
    healthy: bool


def _verified(
    stage: Stage,
    measured: Measured,
    scene: Scene,
    answers: Sequence[Answer],
    received: dict[str, float],
) -> dict[str, float]:
    """What arrived and is recorded; the figures. Raises VerificationError."""
    stored = [_Stored(*row) for row in stage.sql(_DELIVERIES)]
    calls = scene.waiting + sum(len(request.webhooks) for request in scene.requests)
    measured.check(all(one.status == 202 for one in answers), "every POST got its 202")
    measured.check(len(stored) == calls, "every call is owed to exactly one webhook")
    measured.check(
        all(one.attempts == one.attempt_count for one in stored),
        "every attempt is recorded",
    )
    leases = stage.sql("SELECT count(*) FROM dispatcher_lease")[0][0]
    measured.check(leases == 0, "nothing is left claimed")
    healthy = [one for one in stored if one.healthy]
    measured.check(
        all(one.state == "delivered" and one.attempts for one in healthy),
        "every healthy delivery is recorded as delivered",
    )
    measured.check(
        all(one.id in received for one in healthy), "every healthy delivery arrived"
    )
    hanging = [one for one in stored if not one.healthy and one.id not in received]
    measured.check(
        all(one.state in ("pending", "failed") for one in hanging),
        "what hangs is pending or has failed",
    )
    timed_out = [one.timed_out_ms for one in hanging if one.timed_out_ms is not None]
    measured.check(
        all(
            DEADLINE_SECONDS * 990 <= took <= LONGEST_ATTEMPT_SECONDS * 1000
            for took in timed_out
        ),
        "what hangs ended at its deadline of 10 s",
    )
    return {
        **_punctuality(scene, answers, {one.uid: received[one.id] for one in healthy}),
        "hanging": len(hanging),
        "timed_out": len(timed_out),
    }


def _punctuality(
    scene: Scene, answers: Sequence[Answer], received: dict[str, float]
) -> dict[str, float]:
    """Of the healthy deliveries since something hangs, from their 202."""
    waits = sorted(
        received[uid] - answer.at
        for index, (request, answer) in enumerate(
            zip(scene.requests, answers, strict=True)
        )
        for n in range(len(request.webhooks))
        if request.at >= (scene.hang_at or 0.0)
        and (uid := f"call-{index}-{n}") in received
    )
    late = sum(wait > ON_TIME_SECONDS for wait in waits)
    calls = sum(len(request.webhooks) for request in scene.requests)
    span = answers[-1].at - answers[0].sent
    took = sorted(answer.at - answer.sent for answer in answers)
    return {
        "on_time": 1 - late / len(waits),
        "p50_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[int(len(waits) * 0.99)] * 1000,
        "longest_s": waits[-1],
        "accepted_rate": calls / span,
        "p99_answer_ms": took[int(len(took) * 0.99)] * 1000,
    }
