"""What cdrhook asks of Redis itself: wake-up keys, limits and signs of life.

Never raises: without the broker nothing is lost, only later (the sweep finds it).
"""

from __future__ import annotations

import datetime as dt
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 0.5
WAKE_SECONDS: Final = 5
# How long after an error the broker is left alone.
REST_SECONDS: Final = 5.0
ALIVE_SECONDS: Final = 10
WORKERS_KEY: Final = "cdrhook:workers"
BEAT_KEY: Final = "cdrhook:beat"
WATCH_KEY: Final = "cdrhook:watch"
# Between two rounds; longer, and the time between them was not watched.
LONGEST_PAUSE_SECONDS: Final = 150.0
# How far processes' clocks may be apart.
CLOCK_MARGIN_SECONDS: Final = 30.0

# Messages of a queue that is not read; a worker takes thousands a second.
FULL: Final = 5000
FULL_CHECK_SECONDS: Final = 1.0

_away_until = 0.0
_lengths: dict[str, tuple[float, int]] = {}


def is_away() -> bool:
    """True for 5 s after an error: do not ask again yet."""
    return not settings.REDIS_URL or time.monotonic() < _away_until


def note_error(error: Exception) -> None:
    """Remembers that the broker did not answer."""
    global _away_until
    _away_until = time.monotonic() + REST_SECONDS
    log.warning("broker.away", error=str(error)[:200])


@lru_cache(maxsize=1)
def client() -> Redis:
    """The process's client; every operation ends within half a second."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )


def first_to_wake(wake_ids: Iterable[UUID], seconds: int = WAKE_SECONDS) -> list[UUID]:
    """Those of the webhooks (or summaries) that nobody has woken up within `seconds`."""
    ids = list(wake_ids)
    pipe = client().pipeline(transaction=False)
    for wake_id in ids:
        pipe.set(_wake_key(wake_id), 1, nx=True, ex=seconds)
    return [
        wake_id for wake_id, was_set in zip(ids, pipe.execute(), strict=True) if was_set
    ]


def is_full(queue: str) -> bool:
    """True when nobody seems to read a queue; looks at most once a second.

    Raises RedisError.
    """
    checked_at, length = _lengths.get(queue, (float("-inf"), 0))
    if time.monotonic() - checked_at > FULL_CHECK_SECONDS:
        length = int(client().llen(queue))
        _lengths[queue] = time.monotonic(), length
    return length > FULL


def room(queue: str, most: int) -> int:
    """How many more messages a queue may get that is to hold `most`. Raises RedisError."""
    return max(0, most - int(client().llen(queue)))


def woken(wake_ids: Iterable[UUID]) -> None:
    """To be called before claiming: what comes from now on wakes them up again."""
    try:
        client().delete(*map(_wake_key, wake_ids))
    except RedisError as error:
        note_error(error)


def _wake_key(wake_id: UUID) -> str:
    return f"cdrhook:wake:{wake_id}"


def wait_seconds(who: str, *, per_minute: int, now: dt.datetime) -> int:
    """Counts a request of `who`; how long until it may be made, 0 if it may now.

    At most `per_minute` in each minute of the clock, over all processes. Without the
    broker there is no limit.
    """
    if is_away():
        return 0
    minute, second = divmod(int(now.timestamp()), 60)
    key = f"cdrhook:asked:{who}:{minute}"
    try:
        pipe = client().pipeline(transaction=False)
        pipe.incr(key)
        pipe.expire(key, 60)
        asked = int(pipe.execute()[0])
    except RedisError as error:
        note_error(error)
        return 0
    return 60 - second if asked > per_minute else 0


def beat_is_alive() -> None:
    """Notes that the sweep, which beat sends, has come."""
    try:
        client().set(BEAT_KEY, 1, ex=ALIVE_SECONDS)
    except RedisError as error:
        note_error(error)


def worker_is_alive(name: str) -> None:
    """Notes that this worker lives."""
    try:
        client().zadd(WORKERS_KEY, {name: time.time()})
        client().zremrangebyscore(WORKERS_KEY, 0, time.time() - 60 * ALIVE_SECONDS)
    except RedisError as error:
        note_error(error)


def signs_of_life() -> dict[str, bool]:
    """Whether the broker answers, and workers and beat have told that they live."""
    dead = {"broker": False, "workers": False, "beat": False}
    if not settings.REDIS_URL:
        return dead
    try:
        workers = client().zcount(WORKERS_KEY, time.time() - ALIVE_SECONDS, "+inf")
        beat = client().exists(BEAT_KEY)
    except RedisError:
        return dead
    return {"broker": True, "workers": bool(workers), "beat": bool(beat)}


def watched_since(now: dt.datetime) -> dt.datetime | None:
    """Notes a round over the sources; since when they have been made without a pause.

    Begins anew after a pause, or where the clock was set. None: the broker is away.
    """
    if is_away():
        return None
    at = now.timestamp()
    try:
        noted: Any = client().get(WATCH_KEY)
        since, _, last = (noted or b"").decode().partition(" ")
        paused = at - float(last or "-inf")
        if not -CLOCK_MARGIN_SECONDS <= paused <= LONGEST_PAUSE_SECONDS:
            since = repr(at)
        client().set(WATCH_KEY, f"{since} {at!r}", ex=3600)
    except RedisError as error:
        note_error(error)
        return None
    return now - dt.timedelta(seconds=max(0.0, at - float(since)))
