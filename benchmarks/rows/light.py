"""Light load: how long a call takes from the PBX's request to the receiver.

Beside it, in turns of a second and a half, what no sender of this stack can do without:
a commit, a task that does nothing, and a POST to the same receiver.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import contextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import psycopg
import requests
from redis import Redis

from benchmarks import fill
from benchmarks.isolation import until_swept
from benchmarks.rivals import noop
from benchmarks.stage import until
from benchmarks.stamping import Stamping
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.stage import Stage

RATE: Final = 50
ROUNDS: Final = 3
TURNS: Final = 8
QUICK_TURNS: Final = 1
# Not two seconds: the sweep's clock would always strike in the same turn.
A_TURN: Final = 75
WARM_UP: Final = 100
PATH: Final = "light"


def run(stage: Stage, quick: bool) -> Measured:
    """Rounds of turns: 75 calls by cdrhook, then 75 of the three bare steps."""
    measured = Measured()
    owner = fill.tenant()
    token = fill.token(owner)
    noop_worker = stage.process(noop.command(), "noop")
    with (
        Stamping(stage) as receiver,
        stage.web(),
        stage.workers(),
        stage.beat(),
        noop_worker,
        _bare_steps(stage, receiver.url("bare")) as bare,
    ):
        fill.webhook(owner, receiver.url(PATH))
        ours = Ours(stage, token)
        until_swept(stage)
        _paced(WARM_UP, bare)
        _paced(WARM_UP, ours.post)
        for number in range(1 if quick else ROUNDS):
            ours.sent, begun = {}, time.time()
            for _ in range(QUICK_TURNS if quick else TURNS):
                _paced(A_TURN, ours.post)
                _paced(A_TURN, bare)
            until("the last delivery", lambda: fill.nothing_pending(stage), 10)
            measured.add(**_round(stage, receiver, ours, begun, number))
    calls = len(measured.rounds) * A_TURN * (QUICK_TURNS if quick else TURNS) + WARM_UP
    arrived = [row for row in receiver.arrived() if row[3] == f"/{PATH}"]
    fill.verify_all_arrived(
        stage, receiver, measured, deliveries=calls, requests=arrived
    )
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    return measured


class Ours:
    """POSTs one call at a time; `sent`: uid -> (sent, answered)."""

    def __init__(self, stage: Stage, token: str) -> None:
        self.sent: dict[str, tuple[float, float]] = {}
        self._connection = http.client.HTTPConnection("127.0.0.1", stage.web_port)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }

    def post(self) -> None:
        """One call."""
        uid = f"call-{uuid4()}"
        body = json.dumps(fill.call(uid, fill.number(1)))
        began = time.time()
        self._connection.request("POST", "/api/v1/cdrs", body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 202, answer.status
        self.sent[uid] = began, time.time()


@contextmanager
def _bare_steps(stage: Stage, url: str) -> Iterator[Callable[[], None]]:
    """A function that does the three; the POST tells the receiver when it all began."""
    stage.sql("CREATE TABLE bare (id bigserial PRIMARY KEY, body text NOT NULL)")
    key = f"bare:{uuid4()}"
    body = json.dumps(fill.call("bare", fill.number(1)))
    with (
        psycopg.connect(stage.database_url(), autocommit=True) as database,
        Redis.from_url(stage.broker_url) as redis,
        requests.Session() as session,
    ):
        session.trust_env = False

        def steps() -> None:
            began = time.time()
            database.execute("INSERT INTO bare (body) VALUES (%s)", (body,))
            noop.noop.apply_async(args=(key,), queue=noop.QUEUE)
            assert redis.blpop([key], timeout=5) is not None
            headers = {"webhook-id": f"{began:.6f}"}
            answer = session.post(url, data=body, headers=headers, timeout=10)
            assert answer.status_code == 200

        yield steps


def _paced(count: int, work: Callable[[], None]) -> None:
    """One after the other by the clock; one that takes longer is caught up with."""
    began = time.monotonic()
    for index in range(count):
        time.sleep(max(0.0, began + index / RATE - time.monotonic()))
        work()


def _round(
    stage: Stage, receiver: Stamping, ours: Ours, begun: float, number: int
) -> dict[str, float]:
    """The figures; a request of the bare steps is named by when it began."""
    known = stage.sql(
        "SELECT o.delivery_id::text, c.uid, extract(epoch FROM c.accepted_at)::float8"
        " FROM dispatcher_owedcdr o JOIN dispatcher_storedcdr c ON c.id = o.cdr_id"
    )
    uids = {delivery_id: (uid, at) for delivery_id, uid, at in known}
    accepted, answered, sent, bare = [], [], [], []
    for at, webhook_id, _, path in receiver.arrived():
        if path == "/bare":
            if float(webhook_id) >= begun:
                bare.append(at - float(webhook_id))
            continue
        uid, accepted_at = uids[webhook_id]
        if uid in ours.sent:
            accepted.append(at - accepted_at)
            answered.append(max(0.0, at - ours.sent[uid][1]))
            sent.append(at - ours.sent[uid][0])
    assert len(accepted) == len(bare), f"round {number + 1} is not whole"
    told: dict[str, float] = {}
    for percent in (50, 99):
        least = _percentile(bare, percent)
        told |= {
            f"p{percent}_ratio": _percentile(accepted, percent) / least,
            f"p{percent}_from_request_ratio": _percentile(sent, percent) / least,
            f"p{percent}_ms": _percentile(accepted, percent) * 1000,
            f"p{percent}_from_request_ms": _percentile(sent, percent) * 1000,
            f"p{percent}_from_answer_ms": _percentile(answered, percent) * 1000,
            f"p{percent}_bare_ms": least * 1000,
        }
    return told


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


ROW: Final = Row(
    name="light",
    title="Light load (50 CDR/s, one webhook), accepted until received",
    goals=(
        Goal("p50_ratio", "of commit, task and POST", must=3, aim=2, at_most=True),
        Goal("p99_ratio", "of commit, task and POST", must=10, aim=5, at_most=True),
        Goal("p50_from_request_ratio", "of commit, task and POST", at_most=True),
        Goal("p99_from_request_ratio", "of commit, task and POST", at_most=True),
        *(
            Goal(f"p{percent}_{name}ms", "ms", at_most=True)
            for percent in (50, 99)
            for name in ("", "from_request_", "from_answer_", "bare_")
        ),
    ),
    run=run,
    seconds=100,
)
