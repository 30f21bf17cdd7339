"""Sends much again: a range of deliveries, what failed before an outage, past calls.

Starts, pauses, resumes and ends replays, and has those stepped that are due. Each change
of state is a compare-and-set; what a step does, and why, is in `replay_step`. A small
replay is over when it has been started; a large one goes on by the beat. Ending one
stops what it has not yet sent: deliveries that it made pending stay so.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q

from dispatcher.models import Delivery, Replay, Webhook
from dispatcher.pipeline import audit
from dispatcher.pipeline.outbound import utc_now
from dispatcher.pipeline.replay_pace import LONGEST_WAIT, MOST
from dispatcher.pipeline.replay_step import count, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

log = structlog.get_logger(__name__)

__all__ = [
    "MAX_HOURS",
    "MAX_PER_SECOND",
    "STATES",
    "Started",
    "cancel",
    "count",
    "due",
    "of_last_hours",
    "of_outage",
    "of_range",
    "pause",
    "resume",
    "start",
    "step",
    "step_due",
]

EARLIEST: Final = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
STATES: Final = (Delivery.FAILED, Delivery.DELIVERED, Delivery.CANCELLED)
MAX_PER_SECOND: Final = 10_000
MAX_HOURS: Final = 10 * 366 * 24
# Steps that are made at once, where all of it fits into one.
AT_ONCE: Final = 20
# For how long one task steps; the next one comes 2 s after it began.
BUDGET_SECONDS: Final = 1.0
# It rests as long as it worked, so that other writers have their turn.
LONGEST_REST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Started:
    """How many are sent again; None: there was nothing to start. `wake`: by lane."""

    count: int
    replay: Replay | None = None
    wake: Mapping[UUID, str] = field(default_factory=dict)


# What there is to send again ----------------------------------------------------------


def of_range(
    webhook: Webhook,
    *,
    since: dt.datetime,
    until: dt.datetime | None,
    states: Sequence[str],
    now: dt.datetime,
    per_second: int | None = None,
) -> Replay:
    """What exists now, was made in [since, until) and is in one of `states`; unsaved."""
    by_now = now + dt.timedelta.resolution
    return Replay(
        webhook=webhook,
        since=max(since, EARLIEST),
        until=max(EARLIEST, min(until or by_now, by_now)),
        states=[state for state in STATES if state in states],
        per_second=per_second,
        created_at=now,
    )


def of_outage(
    webhook: Webhook, *, now: dt.datetime, per_second: int | None = None
) -> Replay | None:
    """What failed from the last outage's first failure until it was back; unsaved.

    None: there was no outage, or the webhook is in one.
    """
    since, until = webhook.failing_since, webhook.recovered_at
    if since is None or until is None or not since < until:
        return None
    if webhook.health == "DOWN":
        return None
    return Replay(
        webhook=webhook,
        what=Replay.OUTAGE,
        since=since,
        until=until,
        states=[Delivery.FAILED],
        per_second=per_second,
        created_at=now,
    )


def of_last_hours(
    webhook: Webhook,
    hours: int,
    *,
    now: dt.datetime,
    per_second: int | None = None,
) -> Replay:
    """The calls of its tenants that were accepted in the last hours; unsaved.

    It gets those that its filters let through and that it was not owed yet. To be
    called after the webhook's own commit: what is accepted from then on, it is owed.
    """
    return Replay(
        webhook=webhook,
        what=Replay.CALLS,
        since=max(EARLIEST, now - dt.timedelta(hours=hours)),
        until=now,
        per_second=per_second,
        created_at=now,
    )


# What is done with it -----------------------------------------------------------------


def start(replay: Replay, *, now: dt.datetime, by: str = "") -> Started:
    """Saves it and makes its first step; all of it where one step is enough."""
    replay.total = count(replay)
    if not replay.total:
        return Started(0)
    replay.created_by, replay.next_step_at = by[:200], now
    with transaction.atomic():
        replay.save(force_insert=True)
        _note("replay started", replay, now)
    log.info(
        "replay.started",
        replay=str(replay.pk),
        webhook=str(replay.webhook_id),
        what=replay.what,
        total=replay.total,
        per_second=replay.per_second,
    )
    is_small = replay.total <= MOST and replay.per_second is None
    wake: dict[UUID, str] = {}
    for _ in range(AT_ONCE if is_small else 1):
        try:
            stepped = step(replay.pk, now)
        except DatabaseError as error:
            # It is saved, and goes on by the beat: a call may have been deleted beside it.
            log.warning(
                "replay.not_stepped",
                replay=str(replay.pk),
                error=type(error).__name__,
            )
            break
        wake.update(stepped.wake)
        if stepped.over or not stepped.stepped:
            break
    replay.refresh_from_db()
    return Started(replay.total, replay, wake)


def pause(replay_id: UUID) -> bool:
    """Stops a running one until it is resumed. False: it was not running."""
    return _change(replay_id, {Replay.RUNNING}, state=Replay.PAUSED, next_step_at=None)


def resume(replay_id: UUID, now: dt.datetime) -> bool:
    """Has a paused one go on. False: it was not paused, or its webhook is deleted."""
    there = Q(webhook__in=Webhook.objects.filter(deleted_at__isnull=True))
    return _change(
        replay_id, {Replay.PAUSED}, there, state=Replay.RUNNING, next_step_at=now
    )


def cancel(replay_id: UUID, now: dt.datetime) -> bool:
    """Ends one for good; what it has sent stays sent. False: it had ended."""
    return _change(
        replay_id,
        {Replay.RUNNING, Replay.PAUSED},
        state=Replay.CANCELLED,
        next_step_at=None,
        ended_at=now,
    )


def _change(
    replay_id: UUID, states: set[str], condition: Q | None = None, **columns: object
) -> bool:
    """Changes it while it is in one of `states`; a step that is under way ends first."""
    replays = Replay.objects.filter(condition or Q(), pk=replay_id, state__in=states)
    with transaction.atomic():
        changed = bool(replays.update(**columns))
        if changed:
            replay = Replay.objects.select_related("webhook").get(pk=replay_id)
            _note(f"replay {columns['state']}", replay, utc_now())
    if changed:
        log.info("replay.changed", replay=str(replay_id), state=columns["state"])
    return changed


def _note(action: str, replay: Replay, now: dt.datetime) -> None:
    """In its webhook's name; of a new one with what was asked for."""
    asked = ("what", "since", "until", "states", "per_second", "total")
    is_new = replay.state == Replay.RUNNING and replay.created_at == now
    after = {name: getattr(replay, name) for name in asked} if is_new else None
    audit.note(action, replay.webhook, now=now, after=after)


# The beat's side ----------------------------------------------------------------------


def due(now: dt.datetime) -> list[UUID]:
    """The replays whose next step is due, the one that waited longest first."""
    is_due = Q(next_step_at__lte=now) | Q(next_step_at__gt=now + LONGEST_WAIT)
    running = Replay.objects.filter(is_due, state=Replay.RUNNING)
    return list(running.order_by("next_step_at", "pk").values_list("pk", flat=True))


def step_due(
    *,
    clock: Callable[[], dt.datetime],
    rest: Callable[[float], None] = time.sleep,
    timer: Callable[[], float] = time.monotonic,
) -> Iterator[Mapping[UUID, str]]:
    """Steps what is due, in turn, until nothing is or for BUDGET_SECONDS.

    Yields whom to wake up, after each commit.
    """
    ends, broken = timer() + BUDGET_SECONDS, set[UUID]()
    while ids := [one for one in due(clock()) if one not in broken]:
        for replay_id in ids:
            if timer() >= ends:
                return
            began = timer()
            try:
                stepped = step(replay_id, clock())
            except Exception:  # one that cannot be stepped must not hold up the others
                log.exception("replay.not_stepped", replay=str(replay_id))
                broken.add(replay_id)
                continue
            yield stepped.wake
            rest(min(timer() - began, LONGEST_REST_SECONDS))
