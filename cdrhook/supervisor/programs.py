"""Which processes make up cdrhook: web, workers by lane, beat, collect; their command lines.

The graces add up to less than 20 s with Valkey's: so long may a stop take. Starts
nothing. The Procfile lists the same ones.
"""

from __future__ import annotations

import sys
from typing import Final

from cdrhook.supervisor.process import Program

WORKER_STAGE: Final = 1
# What is in flight finishes: a request takes at most 10 s.
WORKER_GRACE_SECONDS: Final = 14.0
# Beat looks at its clock once a second.
BEAT_GRACE_SECONDS: Final = 3.0
# Its threads store what they have read within 2 s.
COLLECT_GRACE_SECONDS: Final = 3.0
# Threads of one worker that coordinate drains; requests have an executor of their own.
DRAIN_THREADS: Final = 4


def programs(
    *,
    has_one_writer: bool,
    cores: int,
    has_summaries: bool,
    has_shared_broker: bool = False,
) -> list[Program]:
    """What to run; `has_one_writer` is SQLite, where one worker serves both lanes.

    `has_summaries`: the SDKs that make call summaries are installed. They have a worker
    of their own, so that waiting for their services occupies nobody else's threads.
    `has_shared_broker`: others may put calls into the queue `enqueue`. Neither drains
    nor these may wait for each other, so they have a worker of their own, too.
    """
    if has_one_writer:
        workers = [worker("worker", "all", "fast,slow")]
    else:
        workers = [
            worker(f"fast{number}", f"fast{number}", "fast")
            for number in range(1, cores + 1)
        ]
        workers.append(worker("slow", "slow", "slow"))
    if has_summaries:
        workers.append(worker("summaries", "summaries", "summaries"))
    if has_shared_broker:
        workers.append(worker("enqueue", "enqueue", "enqueue"))
    return [web(), *workers, beat(), collect()]


def web() -> Program:
    """The web server. Its command line must not say "worker": that finds the others."""
    return Program(name="web", command=(sys.executable, "-m", "cdrhook", "web"))


def worker(name: str, node: str, queues: str) -> Program:
    """A Celery worker for `queues`, known to Celery as `node`@host."""
    return Program(
        name=name,
        command=(
            *_celery("worker"),
            *("--queues", queues, "--hostname", f"{node}@%h"),
            *("--pool", "threads", "--concurrency", str(DRAIN_THREADS)),
            # Workers have nothing to tell each other: the database knows everything.
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        stage=WORKER_STAGE,
        grace_seconds=WORKER_GRACE_SECONDS,
    )


def beat() -> Program:
    """The one beat; its scheduler comes from the settings."""
    return Program(
        name="beat", command=_celery("beat"), grace_seconds=BEAT_GRACE_SECONDS
    )


def collect() -> Program:
    """What fetches calls from folders and connections of sources."""
    return Program(
        name="collect",
        command=(sys.executable, "-m", "cdrhook", "collect"),
        grace_seconds=COLLECT_GRACE_SECONDS,
    )


def _celery(command: str) -> tuple[str, ...]:
    return (
        # Celery warns whoever is root, as one is in a container.
        *(sys.executable, "-W", "ignore::UserWarning:celery.platforms"),
        *("-m", "celery", "--quiet"),
        *("--app", "cdrhook.celery", command, "--loglevel", "WARNING"),
    )
