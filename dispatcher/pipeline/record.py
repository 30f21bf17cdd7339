"""Writes down how attempts ended, and what comes next for their deliveries.

Many outcomes in one transaction. Every write is conditional on the lease: whoever
lost it may not change the delivery. Sends nothing and wakes nobody up.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count

from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.models.bulk import update_rows
from dispatcher.models.fixed import SIZES, FixedQuery, chunked_rows, some_ids
from dispatcher.models.insert import insert
from dispatcher.pipeline import audit, health, leases
from dispatcher.pipeline.claim import QUICK_MS
from dispatcher.pipeline.health import Health
from dispatcher.sending.retry import WAIT_STEP, next_attempt

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from dispatcher.pipeline.claim import Claimed
    from dispatcher.values import Outcome

log = structlog.get_logger(__name__)

# A request older than this stops counting against its lane.
SLOW_AFTER: Final = dt.timedelta(seconds=1)
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended."""

    claimed: Claimed
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Recorded:
    """When the next attempt of each webhook is due, of those that were recorded."""

    retries: dict[UUID, dt.datetime]


def record(ended: Sequence[Ended], *, now: dt.datetime) -> Recorded:
    """Stores attempts and moves their deliveries on: delivered, failed, or a retry."""
    with transaction.atomic():
        webhooks = _locked_webhooks({item.claimed.webhook_id for item in ended})
        held = leases.locked(item.claimed.token for item in ended)
        ours = _ours(ended, held)
        rows = _locked_deliveries(ours)
        kept = [item for item in ours if item.claimed.delivery_id in rows]
        healths = {pk: _health_of(pk, row) for pk, row in webhooks.items()}
        judge = _Judge(webhooks, healths, _trials(kept, webhooks), now)
        judged = [judge.of(item, rows[item.claimed.delivery_id]) for item in kept]
        changes = [one.state for one in judged]
        insert(
            Attempt,
            _ATTEMPT,
            [
                _attempt(item, probe=one.probe)
                for item, one in zip(kept, judged, strict=True)
            ],
        )
        _write_states(kept, changes)
        health.write(healths.values(), now)
        _update_webhooks(kept, webhooks, healths, now)
        leases.give_back(
            held, ((one.claimed.token, one.claimed.delivery_id) for one in ours)
        )
    _log(ended, kept)
    return Recorded(_earliest_retries(kept, changes, healths))


def record_one_by_one(ended: Sequence[Ended], *, now: dt.datetime) -> Recorded:
    """Stores each attempt by itself, where one of them cannot be stored as it is.

    That one is stored without what the receiver said, so that it holds up nothing.
    What even so cannot be stored is dropped: its lease runs out, and whoever claims it
    next tells of the interruption. Raises OperationalError or InterfaceError when the
    database is away; what had been stored by then is passed over the next time.
    """
    retries: dict[UUID, dt.datetime] = {}
    for item in ended:
        try:
            recorded = record([item], now=now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception(
                "delivery.not_recorded", delivery=str(item.claimed.delivery_id)
            )
            recorded = _record_without_answer(item, error, now)
        for webhook_id, at in recorded.retries.items():
            retries[webhook_id] = min(at, retries.get(webhook_id, at))
    return Recorded(retries)


def _record_without_answer(item: Ended, error: Exception, now: dt.datetime) -> Recorded:
    try:
        return record([_without_answer(item, error)], now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("delivery.dropped", delivery=str(item.claimed.delivery_id))
        return Recorded({})


def _without_answer(item: Ended, error: Exception) -> Ended:
    outcome = replace(
        item.outcome,
        error=f"the answer could not be stored ({type(error).__name__})",
        response_headers=(),
        response_body=b"",
        address="",
    )
    return replace(item, outcome=outcome)


def hand_back(claimed: Sequence[Claimed]) -> None:
    """Gives up the lease of deliveries that were claimed and not sent."""
    with transaction.atomic():
        held = leases.locked(item.token for item in claimed)
        leases.give_back(held, ((item.token, item.delivery_id) for item in claimed))


def move_to_lane(webhook_ids: Collection[UUID], lane: str) -> None:
    """Puts webhooks into a lane; they have to prove themselves quick from there on."""
    with transaction.atomic():
        locked = Webhook.objects.select_for_update(no_key=True).filter(
            pk__in=webhook_ids
        )
        ids = list(locked.order_by("pk").values_list("pk", flat=True))
        Webhook.objects.filter(pk__in=ids).update(lane=lane, quick_answers=0)


class _State(NamedTuple):
    """What becomes of a delivery: its columns, in this order."""

    state: str
    tries: int
    attempt_count: int
    next_attempt_at: dt.datetime | None
    ended_at: dt.datetime | None
    last_status_code: int | None
    last_error_class: str
    last_error: str


class _Webhook(NamedTuple):
    """What a webhook says about retries, and what its answers say about it: columns."""

    retries: int
    honour_retry_after: bool
    disable_on_410: bool
    when_down: str
    created_at: dt.datetime
    health: str
    down_since: dt.datetime | None
    failing_since: dt.datetime | None
    recovered_at: dt.datetime | None
    probed_at: dt.datetime | None
    lane: str
    quick_answers: int
    answer_ms: int
    failures_in_a_row: int
    last_success_at: dt.datetime | None
    last_failure_at: dt.datetime | None
    active: bool


# From here on they are written.
_WRITTEN: Final = _Webhook._fields[_Webhook._fields.index("lane") :]


def _locked_webhooks(ids: set[UUID]) -> dict[UUID, _Webhook]:
    """Webhooks before leases and deliveries, by id: everybody locks in this order."""
    found = chunked_rows(_locked_webhooks_query, sorted(ids))
    return {pk: _Webhook(*values) for pk, *values in found}


@lru_cache(maxsize=len(SIZES))
def _locked_webhooks_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *ids: (
            Webhook.objects.select_for_update(no_key=True)
            .filter(pk__in=ids)
            .order_by("pk")
            .values_list("pk", *_Webhook._fields)
        ),
        *some_ids(size),
    )


def _ours(ended: Sequence[Ended], held: Mapping[UUID, list[str]]) -> list[Ended]:
    """Those of which we still hold the lease."""
    ids = {token: set(deliveries) for token, deliveries in held.items()}
    return [
        item
        for item in ended
        if str(item.claimed.delivery_id) in ids.get(item.claimed.token, ())
    ]


def _locked_deliveries(ours: Sequence[Ended]) -> dict[UUID, _State]:
    ids = sorted(item.claimed.delivery_id for item in ours)
    found = chunked_rows(_locked_deliveries_query, ids)
    return {pk: _State(*values) for pk, *values in found}


@lru_cache(maxsize=len(SIZES))
def _locked_deliveries_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *ids: (
            Delivery.objects.select_for_update(no_key=True)
            .filter(pk__in=ids)
            .order_by("pk")
            .values_list("pk", *_State._fields)
        ),
        *some_ids(size),
    )


def _write_states(kept: Sequence[Ended], changes: Sequence[_State]) -> None:
    """With the request, where it has been made for the first time."""
    again, first = [], []
    for item, change in zip(kept, changes, strict=True):
        key = item.claimed.delivery_id
        if item.claimed.is_first:
            request = item.claimed.outgoing.request
            sent = (request.method, request.content_type, request.body, request.headers)
            first.append((key, *change, *sent))
        else:
            again.append((key, *change))
    update_rows(Delivery, _State._fields, again)
    update_rows(Delivery, _State._fields + leases.REQUEST, first)


def _health_of(webhook_id: UUID, row: _Webhook) -> Health:
    return Health(
        webhook_id=webhook_id,
        when_down=row.when_down,
        created_at=row.created_at,
        health=row.health,
        failures_in_a_row=row.failures_in_a_row,
        success_at=row.last_success_at,
        failure_at=row.last_failure_at,
        down_since=row.down_since,
        failing_since=row.failing_since,
        recovered_at=row.recovered_at,
        probed_at=row.probed_at,
    )


def _trials(
    kept: Sequence[Ended], webhooks: Mapping[UUID, _Webhook]
) -> Mapping[UUID, int]:
    """Attempts that spent no try, in this outage, of what failed while RECOVERING."""
    found: dict[UUID, int] = {}
    for webhook_id, webhook in webhooks.items():
        if webhook.health != health.RECOVERING:
            continue
        failed = [
            item.claimed.delivery_id
            for item in kept
            if item.claimed.webhook_id == webhook_id
            and item.outcome.verdict != "delivered"
        ]
        if not failed:
            continue
        trials = Attempt.objects.filter(delivery__in=failed, probe=True).order_by()
        if webhook.failing_since is not None:
            trials = trials.filter(started_at__gte=webhook.failing_since)
        found |= dict(trials.values_list("delivery").annotate(Count("pk")))
    return found


class _Judged(NamedTuple):
    """What becomes of a delivery, and whether its attempt was a probe: spent no try."""

    state: _State
    probe: bool


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges attempts in the order in which they ended: each may change the health."""

    webhooks: Mapping[UUID, _Webhook]
    healths: Mapping[UUID, Health]
    trials: Mapping[UUID, int]
    now: dt.datetime

    def of(self, item: Ended, row: _State) -> _Judged:
        """What becomes of the delivery, whose row is as it was before this attempt."""
        claimed, outcome = item.claimed, item.outcome
        webhook = self.webhooks[claimed.webhook_id]
        its_health = self.healths[claimed.webhook_id]
        delivered = outcome.verdict == "delivered"
        if claimed.outgoing.test:
            its_health.tested = its_health.tested or delivered
            return _Judged(_next_state(item, webhook, row), False)
        if delivered:
            its_health.succeeded(self.now)
        else:
            its_health.failed(outcome, self.now)
        probe = claimed.probe or (not delivered and self._is_trial(claimed, its_health))
        state = _next_state(item, webhook, row, probe=probe)
        if probe and its_health.holds and state.state == Delivery.PENDING:
            # Held since then, not since this probe.
            state = state._replace(next_attempt_at=row.next_attempt_at)
        if row.state == Delivery.PENDING and state.state == Delivery.FAILED:
            its_health.gave_up(self.now)
        return _Judged(state, probe)

    def _is_trial(self, claimed: Claimed, its_health: Health) -> bool:
        """Whether a failed attempt that was none before counts as a probe after all."""
        if its_health.when_down != "hold" or its_health.health == health.OK:
            return False
        trials = self.trials.get(claimed.delivery_id, 0)
        return its_health.health == health.DOWN or trials < health.MOST_TRIALS


def _next_state(
    item: Ended, webhook: _Webhook, row: _State, *, probe: bool = False
) -> _State:
    """What the delivery becomes (DESIGN: Retry rule).

    One that was cancelled or sent again while this attempt was under way stays so,
    unless it arrived after all. A probe spends no try; one that failed leaves the
    delivery pending, where the webhook's calls do not fail while it is DOWN.
    """
    outcome, tries = item.outcome, item.claimed.tries + (not probe)
    attempt_count = item.claimed.attempt_count + 1
    delivered = outcome.verdict == "delivered"
    still_meant = (
        row.state == Delivery.PENDING and row.next_attempt_at == item.claimed.due_at
    )
    if not (delivered or still_meant):
        return row._replace(attempt_count=attempt_count)
    ended = _State(
        state=Delivery.DELIVERED if delivered else Delivery.FAILED,
        tries=tries,
        attempt_count=attempt_count,
        next_attempt_at=None,
        ended_at=outcome.ended_at,
        last_status_code=outcome.status_code,
        last_error_class=outcome.error_class,
        last_error=_storable(outcome.error),
    )
    if delivered or (probe and webhook.when_down == "fail"):
        return ended
    if probe:
        return ended._replace(
            state=Delivery.PENDING,
            next_attempt_at=outcome.ended_at + WAIT_STEP,
            ended_at=None,
        )
    retry_at = next_attempt(
        outcome.ended_at,
        tries,
        0 if item.claimed.outgoing.test or _is_gone(item, webhook) else webhook.retries,
        retry_after=outcome.retry_after,
        honour_retry_after=webhook.honour_retry_after,
    )
    if retry_at is None:
        return ended
    return ended._replace(
        state=Delivery.PENDING, next_attempt_at=retry_at, ended_at=None
    )


def _is_gone(item: Ended, webhook: _Webhook) -> bool:
    return webhook.disable_on_410 and item.outcome.status_code == GONE


_ATTEMPT: Final = (
    "delivery_id",
    "number",
    "probe",
    "started_at",
    "ended_at",
    "duration_ms",
    "resolve_ms",
    "connect_ms",
    "tls_ms",
    "send_ms",
    "wait_ms",
    "body_ms",
    "status_code",
    "error_class",
    "error",
    "url",
    "address",
    "response_headers",
    "response_body",
)


def _attempt(item: Ended, *, probe: bool) -> tuple[Any, ...]:
    """The columns of `_ATTEMPT`."""
    outcome, claimed = item.outcome, item.claimed
    phases = outcome.phases
    return (
        claimed.delivery_id,
        claimed.attempt_count + 1,
        probe,
        outcome.started_at,
        outcome.ended_at,
        outcome.duration_ms,
        phases.resolve_ms,
        phases.connect_ms,
        phases.tls_ms,
        phases.send_ms,
        phases.wait_ms,
        phases.body_ms,
        outcome.status_code,
        outcome.error_class,
        _storable(outcome.error),
        claimed.outgoing.url,
        outcome.address,
        [
            [_storable(name), _storable(value)]
            for name, value in outcome.response_headers
        ],
        outcome.response_body,
    )


def _storable(text: str) -> str:
    """Without NUL, which receivers can send and PostgreSQL cannot store in text."""
    return text.replace("\x00", "\ufffd")


def _update_webhooks(
    kept: Sequence[Ended],
    webhooks: Mapping[UUID, _Webhook],
    healths: Mapping[UUID, Health],
    now: dt.datetime,
) -> None:
    """What a webhook's answers say about it: how many failed, speed, lane."""
    by_webhook: dict[UUID, list[Ended]] = defaultdict(list)
    for item in kept:
        if not item.claimed.outgoing.test:
            by_webhook[item.claimed.webhook_id].append(item)
    changed = []
    for webhook_id, items in by_webhook.items():
        webhook, its_health = webhooks[webhook_id], healths[webhook_id]
        gone = any(_is_gone(item, webhook) for item in items)
        if gone and webhook.active:
            _note_gone(webhook_id, now)
        changed.append(
            (
                webhook_id,
                *_speed(items, webhook, its_health),
                its_health.failures_in_a_row,
                its_health.success_at,
                its_health.failure_at,
                webhook.active and not gone,
            )
        )
    update_rows(Webhook, _WRITTEN, changed)


def _note_gone(webhook_id: UUID, now: dt.datetime) -> None:
    """Also when: what is pending is held since its webhook was changed last."""
    Webhook.objects.filter(pk=webhook_id).update(updated_at=now)
    webhook = Webhook.objects.defer("secret", "previous_secret").get(pk=webhook_id)
    was, on, off = {"answer": None}, {"active": True}, {"active": False}
    audit.note(
        "changed", webhook, now=now, before={**was, **on}, after={"answer": GONE, **off}
    )


def _speed(
    items: Sequence[Ended], webhook: _Webhook, its_health: Health
) -> tuple[str, int, int]:
    """Lane, answers in a row that were quick, and how long an answer takes in ms."""
    lane, quick, answer_ms = webhook.lane, webhook.quick_answers, webhook.answer_ms
    for item in items:
        took = item.outcome.duration_ms
        answered = item.outcome.status_code is not None
        if answered and took < QUICK_MS:
            # What was claimed before it changed lanes proves nothing in this one.
            quick += item.claimed.lane == webhook.lane
        else:
            quick = 0
        answer_ms = (answer_ms * 7 + took) // 8 if answer_ms else took
        if took > SLOW_AFTER.total_seconds() * 1000:
            lane = "slow"
    if its_health.health == health.DOWN:
        return "slow", 0, answer_ms
    if lane == "slow" and quick >= _BACK_AFTER:
        lane = "fast"
    return lane, min(quick, 1000), answer_ms


_BACK_AFTER: Final = 20


def _earliest_retries(
    kept: Sequence[Ended],
    changes: Sequence[_State],
    healths: Mapping[UUID, Health],
) -> dict[UUID, dt.datetime]:
    """Of webhooks that hold there is none: whoever looks would find nothing to send."""
    retries: dict[UUID, dt.datetime] = {}
    for item, change in zip(kept, changes, strict=True):
        webhook_id = item.claimed.webhook_id
        if healths[webhook_id].holds:
            continue
        if (retry_at := change.next_attempt_at) is not None:
            retries[webhook_id] = min(retries.get(webhook_id, retry_at), retry_at)
    return retries


def _log(ended: Sequence[Ended], kept: Sequence[Ended]) -> None:
    ours = {id(item) for item in kept}
    for item in ended:
        if id(item) not in ours:
            log.warning("delivery.lease_lost", delivery=str(item.claimed.delivery_id))
        log.info(
            "delivery.attempted",
            delivery=str(item.claimed.delivery_id),
            webhook=str(item.claimed.webhook_id),
            number=item.claimed.attempt_count + 1,
            verdict=item.outcome.verdict,
            status=item.outcome.status_code,
            error_class=item.outcome.error_class or None,
            detail=item.outcome.detail or None,
            duration_ms=item.outcome.duration_ms,
        )
