"""Calls handed over by HTTP until they are delivered and recorded, beside the drain.

Each round, on the same web server and workers: deliveries that wait already are drained,
then as many come of calls that four clients POST in batches of 100.
"""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks import fill
from benchmarks.rows import ingest
from benchmarks.stage import until
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage

RECORDS: Final = 10_000
QUICK_RECORDS: Final = 500
BATCH: Final = 100
CLIENTS: Final = 4
ROUNDS: Final = 3
LONGEST_SECONDS: Final = 300


def run(stage: Stage, quick: bool) -> Measured:
    """Median of three rounds: deliveries/s of what is posted, of what waited."""
    measured = Measured()
    records = QUICK_RECORDS if quick else RECORDS
    with stage.nginx() as nginx:
        bearer = prepare(stage, nginx, records)
        bodies = ingest.requests(records, BATCH, "posted")
        for _ in range(1 if quick else ROUNDS):
            measured.add(**one_round(stage, nginx, measured, bodies, bearer))
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    return measured


def prepare(stage: Stage, nginx: Nginx, records: int) -> str:
    """Calls whose deliveries wait, kept as `waiting`; gives a token to post more."""
    from dispatcher.models import Tenant

    ingest.prepare(nginx.url(), lane="fast", quick_answers=1000, answer_ms=1)
    owner = Tenant.objects.get()
    bearer = fill.token(owner, "ingest")
    for body in ingest.requests(records, BATCH, "waiting"):
        fill.accept(owner, json.loads(body)["cdrs"])
    stage.keep("waiting")
    return bearer


def one_round(
    stage: Stage,
    nginx: Nginx,
    measured: Measured,
    bodies: Sequence[bytes],
    bearer: str,
) -> dict[str, float]:
    """The drain, then the calls by HTTP; verified together."""
    from dispatcher import broker

    deliveries = len(bodies) * BATCH * ingest.MATCHING
    stage.restore("waiting")
    with ExitStack() as stack:
        web = stack.enter_context(stage.web())
        workers = stack.enter_context(stage.workers(fast=2, slow=1))
        drained = drain(stage)
        # Not before: its sweep would have begun the drain.
        stack.enter_context(stage.beat())
        until("beat's first sweep", lambda: broker.signs_of_life()["beat"], 30)
        cpu, postgres = workers.cpu(), stage.postgres_cpu()
        web_cpu, receiver = web.cpu(), nginx.cpu()
        began = time.monotonic()
        answers = post(stage.web_port, bodies, bearer)
        answered = time.monotonic() - began
        _until_drained(stage)
        took = time.monotonic() - began
        figures = {
            "rate": deliveries / took,
            "drain_rate": deliveries / drained,
            "ratio": drained / took,
            "answered_after_s": answered,
            "web_cpu_ms": (web.cpu() - web_cpu) * 1000 / deliveries,
            "workers_cpu_ms": (workers.cpu() - cpu) * 1000 / deliveries,
            "postgres_cpu_ms": (stage.postgres_cpu() - postgres) * 1000 / deliveries,
            "nginx_cores": (nginx.cpu() - receiver) / took,
        }
    taken = {"accepted": BATCH, "duplicates": 0, "rejected": []}
    measured.check(
        all(answer == (202, taken) for answer in answers),
        "every request was answered with 202, every record accepted",
    )
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    fill.verify_all_arrived(stage, nginx, measured, deliveries=2 * deliveries)
    return figures


def drain(stage: Stage) -> float:
    """Seconds from the wake-up until what waited is delivered and recorded."""
    from dispatcher import tasks
    from dispatcher.models import Webhook

    ids = list(Webhook.objects.values_list("pk", flat=True))
    began = time.monotonic()
    tasks.wake_up(ids)
    _until_drained(stage)
    return time.monotonic() - began


def _until_drained(stage: Stage) -> None:
    until(
        "the end of the drain",
        lambda: fill.nothing_pending(stage),
        LONGEST_SECONDS,
        every=0.05,
    )


def post(
    port: int, bodies: Sequence[bytes], bearer: str
) -> list[tuple[int, dict[str, object]]]:
    """POSTs the bodies from four connections that are kept; status and answer of each."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}

    def client(share: Sequence[bytes]) -> list[tuple[int, dict[str, object]]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answers = []
        for body in share:
            connection.request("POST", "/api/v1/cdrs", body, headers)
            response = connection.getresponse()
            answers.append((response.status, json.loads(response.read())))
        connection.close()
        return answers

    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = [bodies[number::CLIENTS] for number in range(CLIENTS)]
        return [answer for share in clients.map(client, shares) for answer in share]


ROW: Final = Row(
    name="api",
    title="POST /api/v1/cdrs in batches of 100 until delivered and recorded",
    goals=(
        Goal("rate", "deliveries/s"),
        Goal("drain_rate", "deliveries/s"),
        Goal("ratio", "of the drain rate", must=0.5, aim=0.7),
    ),
    run=run,
    seconds=120,
)
