"""Celery's side: wakes workers up, and what they do when they are.

The database is the truth; messages only say where to look. Publishing never retries,
takes half a second at most, and never fails the request that has committed.
"""

from __future__ import annotations

import gc
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from celery import current_app, shared_task
from celery.exceptions import Reject
from celery.signals import (
    celeryd_after_setup,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers
from redis.exceptions import RedisError

from dispatcher import broker
from dispatcher.models import Tenant, Webhook
from dispatcher.models.tenancy import EXTERNAL_ID_PATTERN
from dispatcher.pipeline import hand_over, held, legs, notify, probes, replay, silence
from dispatcher.pipeline import retain as retention
from dispatcher.pipeline import summarise as summarising
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.drain import Drainer
from dispatcher.pipeline.outbound import send_out, utc_now
from dispatcher.pipeline.sum_up import sum_up
from dispatcher.pipeline.sweep import (
    cancel_orphans,
    fail_forgotten_tests,
    overdue_webhooks,
    take_over_forgotten,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 12.0
# Webhooks that one message wakes up: each message costs a worker a millisecond.
WOKEN_TOGETHER: Final = 10
# Steps of call summaries that wait in their queue; and how long one that waits there is
# not queued again.
SUMMARIES: Final = "summaries"
MOST_QUEUED_STEPS: Final = 100
STEP_QUEUED_SECONDS: Final = 60
# How long the tries of a message that brings calls wait for the database: less than a
# minute in all, far below the visibility timeout.
WAITS_FOR_STORAGE_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 16.0)
# What redis-py and kombu raise when the broker does not answer, or not in time.
BROKER_ERRORS: Final = (RedisError, KombuError, OSError)
# Where an e-mail server may be waited for.
NOTICES_QUEUE: Final = "slow"
NOTICES: Final = UUID(int=1)
NOTICES_QUEUED_SECONDS: Final = 10
_drainer: Drainer | None = None
_telling = threading.Lock()
_stopping = threading.Event()
_retaining = threading.Lock()


# Publishing ---------------------------------------------------------------------------


def wake_up(webhooks: Iterable[UUID] | Mapping[UUID, str]) -> None:
    """Has the webhooks drained; to be called after the commit. Never raises.

    Their lanes are asked for where they are not given.
    """
    ids = list(webhooks)
    if not ids or broker.is_away():
        return
    try:
        first = broker.first_to_wake(ids)
        lanes = webhooks if isinstance(webhooks, Mapping) else _lanes_of(first)
        by_lane: dict[str, list[UUID]] = defaultdict(list)
        for webhook_id in first:
            by_lane[lanes.get(webhook_id, "fast")].append(webhook_id)
        for lane, together in by_lane.items():
            _publish_together(together, lane)
    except BROKER_ERRORS as error:
        broker.note_error(error)
    except (DatabaseError, InterfaceError) as error:
        log.warning("webhook.not_woken", error=str(error)[:200])


def _lanes_of(webhook_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    rows = Webhook.objects.filter(pk__in=webhook_ids).order_by()
    return dict(rows.values_list("pk", "lane")) if webhook_ids else {}


def pass_on(webhook_ids: Sequence[UUID], lane: str | None, seconds: float) -> None:
    """Has webhooks drained by a worker of `lane`, in `seconds`. Never raises."""
    if broker.is_away():
        return
    try:
        _publish_together(webhook_ids, lane or "fast", countdown=min(seconds, 60.0))
    except BROKER_ERRORS as error:
        broker.note_error(error)


def _publish_together(
    webhook_ids: Sequence[UUID], lane: str, countdown: float = 0.0
) -> None:
    for start in range(0, len(webhook_ids), WOKEN_TOGETHER):
        _publish(webhook_ids[start : start + WOKEN_TOGETHER], lane, countdown)


def _publish(webhook_ids: Sequence[UUID], lane: str, countdown: float = 0.0) -> None:
    if broker.is_full(lane):
        # Nobody reads it: more messages would only fill the broker's memory.
        return
    _send(drain, webhook_ids, lane, countdown)


def _queue_steps() -> None:
    """Has due summaries stepped, unless they wait in the queue already."""
    if broker.is_away():
        return
    try:
        room = broker.room(SUMMARIES, MOST_QUEUED_STEPS)
        found = summarising.due(utc_now(), room) if room else []
        for summary_id in broker.first_to_wake(found, STEP_QUEUED_SECONDS):
            _send(summarise, [summary_id], SUMMARIES)
    except BROKER_ERRORS as error:
        broker.note_error(error)


def _queue_notices(now: dt.datetime) -> None:
    """Has operators told, if there is anything to tell."""
    if broker.is_away() or not notify.is_due(now):
        return
    try:
        # Not one more every 2 s where nobody reads that queue.
        if broker.first_to_wake([NOTICES], NOTICES_QUEUED_SECONDS):
            _send(tell, [], NOTICES_QUEUE)
    except BROKER_ERRORS as error:
        broker.note_error(error)


def _send(task: Any, ids: Sequence[UUID], queue: str, countdown: float = 0.0) -> None:
    with producers[_publishing()].acquire(
        block=True, timeout=broker.TIMEOUT_SECONDS
    ) as producer:
        task.apply_async(
            args=[str(of_id) for of_id in ids],
            queue=queue,
            producer=producer,
            retry=False,
            countdown=countdown,
        )


@lru_cache(maxsize=1)
def _publishing() -> Connection:
    """A connection that gives up soon: publishing must not hold up a request."""
    return Connection(
        current_app.conf.broker_url,
        transport_options={
            "socket_timeout": broker.TIMEOUT_SECONDS,
            "socket_connect_timeout": broker.TIMEOUT_SECONDS,
        },
    )


# Tasks --------------------------------------------------------------------------------


@shared_task(name="dispatcher.drain")
def drain(*webhook_ids: str) -> None:
    """Sends the due deliveries of webhooks; does not wait for their outcome."""
    ids = [UUID(webhook_id) for webhook_id in webhook_ids]
    broker.woken(ids)
    if _drainer is not None:
        _drainer.drain(*ids)


@shared_task(name="dispatcher.sweep")
def sweep() -> None:
    """Wakes up what was forgotten: after a crash, or without a broker."""
    broker.beat_is_alive()
    for part in (
        cancel_orphans,
        fail_forgotten_tests,
        take_over_forgotten,
        _wake_overdue,
        _have_probed,
        held.fail_held_too_long,
        _queue_notices,
    ):
        try:
            part(utc_now())
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # whatever it is, the other parts must not suffer from it
            log.exception("sweep.failed", part=part.__name__)


def _wake_overdue(now: dt.datetime) -> None:
    by_lane: dict[str, list[UUID]] = defaultdict(list)
    for webhook_id, lane in overdue_webhooks(now):
        by_lane[lane].append(webhook_id)
    for lane, webhook_ids in by_lane.items():
        pass_on(webhook_ids, lane, 0.0)


def _have_probed(now: dt.datetime) -> None:
    pass_on(probes.grant(now), "slow", 0.0)


@shared_task(name="dispatcher.tell")
def tell() -> None:
    """Tells operators what is due; one of this process does so at a time."""
    broker.woken([NOTICES])
    if _telling.acquire(blocking=False):
        try:
            notify.tell(clock=utc_now, is_over=_stopping.is_set)
        finally:
            _telling.release()


@shared_task(name="dispatcher.retain")
def retain() -> None:
    """Deletes what tenants keep no longer; one of this process does so at a time."""
    if not _retaining.acquire(blocking=False):
        return
    try:
        for _ in retention.retain(utc_now, pause=_rest):
            if _stopping.is_set():
                break
    finally:
        _retaining.release()


def _rest(seconds: float) -> None:
    """Without a connection, which others may need."""
    close_old_connections()
    _stopping.wait(seconds)


@shared_task(name="dispatcher.enqueue", acks_late=True, reject_on_worker_lost=True)
def enqueue(**content: Any) -> None:
    """Takes calls from a message: `cdrs`, or `pbx` and `body`, of `tenant`.

    The message stays the broker's until the database has all of it: see docs/python.md.
    """
    for wait in WAITS_FOR_STORAGE_SECONDS:
        try:
            return _take_over(content)
        except (StorageUnavailable, DatabaseError, InterfaceError) as error:
            log.warning("message.not_taken", error=str(error)[:200])
            _rest(wait)
            if _stopping.is_set():
                break
    raise Reject("the database does not take it", requeue=True)


def _take_over(content: dict[str, Any]) -> None:
    tenant = _tenant_called(content.get("tenant"))
    if tenant is None:
        # Nobody's page could show it.
        cdrs = content.get("cdrs")
        count = len(cdrs) if isinstance(cdrs, list) else 1
        log.error("message.of_unknown_tenant", records=count)
        return
    try:
        for taken in hand_over.from_message(tenant, content, clock=utc_now):
            wake_up(taken.wake)
    except (StorageUnavailable, DatabaseError, InterfaceError):
        raise
    except Exception as error:  # of ours: the message must not be lost by it
        log.exception("message.failed")
        reason = f"cdrhook failed to read the message: {type(error).__name__}"
        hand_over.keep_whole(tenant, content, reason, now=utc_now())


def _tenant_called(name: object) -> Tenant | None:
    if not isinstance(name, str) or not re.fullmatch(EXTERNAL_ID_PATTERN, name):
        return None
    return Tenant.objects.filter(external_id=name).first()


@shared_task(name="dispatcher.summarise")
def summarise(summary_id: str) -> None:
    """Makes the next request for one call summary; waits for its answer."""
    broker.woken([UUID(summary_id)])
    wake_up(summarising.step(UUID(summary_id), clock=utc_now))


@shared_task(name="dispatcher.step_replays")
def step_replays() -> None:
    """Has the replays go on whose next step is due, for a second at most."""
    for wake in replay.step_due(clock=utc_now):
        wake_up(wake)


@shared_task(name="dispatcher.join_legs")
def join_legs() -> None:
    """Has calls taken in whose legs are waited for no longer, for a second at most."""
    for wake in legs.join_due(clock=utc_now):
        wake_up(wake)


@shared_task(name="dispatcher.sweep_summaries")
def sweep_summaries() -> None:
    """Has the call summaries stepped whose time has come."""
    if summarising.mind_the_packages(utc_now()):
        _queue_steps()


@shared_task(name="dispatcher.sum_up")
def sum_up_tallies() -> None:
    """Makes one row an hour of what was counted request by request."""
    sum_up(pause=_rest)


@shared_task(name="dispatcher.watch_sources")
def watch_sources() -> None:
    """Notices sources that are silent, and those that are heard of again."""
    now = utc_now()
    since = broker.watched_since(now)
    if since is not None:
        silence.watch(now, watched_since=since)


# The worker process ---------------------------------------------------------------------


@celeryd_after_setup.connect
def start_draining(sender: str, instance: Any, **_: Any) -> None:
    """Opens this worker's lanes, which are the queues that it consumes.

    A worker of summaries has none.
    """
    global _drainer
    threads = {
        "fast": settings.CDRHOOK_FAST_LANE_THREADS,
        "slow": settings.CDRHOOK_SLOW_LANE_THREADS,
    }
    lanes = set(instance.app.amqp.queues.consume_from) & set(threads)
    if not lanes:
        return
    # What has been loaded stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    _drainer = Drainer(
        send=send_out,
        clock=utc_now,
        threads={lane: threads[lane] for lane in sorted(lanes)},
        pass_on=pass_on,
    )
    _drainer.start()
    threading.Thread(target=_tell_alive, args=(sender,), daemon=True).start()


def _tell_alive(name: str) -> None:
    while not _stopping.is_set():
        if _drainer is not None and _drainer.is_alive():
            broker.worker_is_alive(name)
        _stopping.wait(broker.ALIVE_SECONDS / 3)


@worker_shutting_down.connect
def end_long_tasks(**_: Any) -> None:
    """Celery waits for them before it says `worker_shutdown`."""
    _stopping.set()


@worker_shutdown.connect
def stop_draining(**_: Any) -> None:
    """What is in flight finishes and is recorded; the rest is handed back."""
    _stopping.set()
    if _drainer is not None:
        _drainer.stop(STOP_SECONDS)


def alive() -> dict[str, bool]:
    """Whether database, broker, workers and beat answer (GET /readyz)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = True
    except (DatabaseError, InterfaceError):
        database = False
    return {"database": database, **broker.signs_of_life()}
