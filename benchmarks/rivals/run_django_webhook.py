"""Runs django-webhook in a project, and a database, of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from benchmarks.rivals import celery_workers
from benchmarks.rows.drain import WEBHOOKS

if TYPE_CHECKING:
    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from benchmarks.values import Measured

PROJECT: Final = "benchmarks.rivals.django_webhook_project"
DATABASE: Final = "django_webhook"
QUEUE: Final = "celery"
_EVENTS: Final = "FROM django_webhook_webhookevent"


def run(
    stage: Stage,
    nginx: Nginx,
    measured: Measured,
    deliveries: int,
    *,
    tuned: bool = True,
) -> celery_workers.Timed:
    """One round: of calls that were saved before, each for all webhooks."""
    calls, rest = divmod(deliveries, WEBHOOKS)
    assert rest == 0, "each call goes to every webhook"
    env = _fill(stage, nginx, calls)
    timed = celery_workers.work_off(
        stage,
        PROJECT,
        QUEUE,
        lambda: _recorded(stage) >= deliveries,
        deliveries=deliveries,
        tuned=tuned,
        **env,
    )
    time.sleep(0.2)  # nginx writes its log 0.1 s late
    _verify(stage, nginx, measured, calls)
    return timed


def body_bytes(stage: Stage) -> float:
    """How long the bodies of the last round were, on the average."""
    # PostgreSQL writes JSON with the same blanks as Python.
    average = f"SELECT avg(octet_length(object::text)) {_EVENTS}"
    return float(stage.sql(average, database=DATABASE)[0][0])


def _fill(stage: Stage, nginx: Nginx, calls: int) -> dict[str, str]:
    """A new database with its calls, their tasks published; gives the environment."""
    env = {
        "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
        "RIVAL_DATABASE_URL": stage.database_url(DATABASE),
    }
    drop = f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"
    stage.sql(drop, database="postgres")
    stage.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
    stage.flush_broker()
    subprocess.run(
        [
            # django-webhook asks for its topics when Django starts, which warns.
            *(sys.executable, "-W", "ignore::RuntimeWarning"),
            *("-m", f"{PROJECT}.fill"),
            *(str(calls), str(WEBHOOKS), nginx.url("django-webhook")),
        ],
        env={**os.environ, **stage.settings, **env},
        check=True,
    )
    stage.sql("VACUUM ANALYZE", database=DATABASE)
    stage.sql("CHECKPOINT", database=DATABASE)
    return env


def _recorded(stage: Stage) -> int:
    statement = f"SELECT count(*) {_EVENTS} WHERE status = 'SUCCESS'"
    return int(stage.sql(statement, database=DATABASE)[0][0])


def _verify(stage: Stage, nginx: Nginx, measured: Measured, calls: int) -> None:
    """Every call reached every webhook once, and an event tells of it.

    django-webhook's requests bear no id. But an event is a success only after its
    request was answered, and there are exactly as many requests as events.
    """
    paths = Counter(path for _, _, status, path in nginx.arrived() if status == 200)
    wanted = {f"/django-webhook/{index}": calls for index in range(WEBHOOKS)}
    measured.check(
        paths == wanted, "django-webhook: the receiver has as many calls a webhook"
    )
    events, successes, distinct = stage.sql(
        "SELECT count(*), count(*) FILTER (WHERE status = 'SUCCESS'),"
        f" count(DISTINCT (webhook_id, object->'object'->>'uid')) {_EVENTS}",
        database=DATABASE,
    )[0]
    measured.check(
        events == successes == distinct == calls * WEBHOOKS,
        "django-webhook: each call has an event a webhook, a success",
    )
