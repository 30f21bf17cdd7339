"""Claims due deliveries of one webhook: a lease on rows, the request frozen in them.

Sends nothing. What it returns is committed, so that no request is ever made for
something that the database does not know of.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID, uuid4

import structlog
from django.db import connection, transaction
from django.db.models import Count

from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.models.bulk import update_rows
from dispatcher.models.delivery import LEASE
from dispatcher.models.encryption import UndecryptableError, readable
from dispatcher.payloads.registry import style
from dispatcher.pipeline.bundle import bundle
from dispatcher.pipeline.freeze import freeze
from dispatcher.values import Outgoing, RenderedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatcher.values import Method

log = structlog.get_logger(__name__)

# The bound on what a crash can send twice: claimed and not yet recorded, a webhook.
MAX_CLAIMED: Final = 50
# Answers in a row under QUICK_MS after which a webhook is known to be fast.
QUICK_ANSWERS: Final = 20
QUICK_MS: Final = 500
# About how long one run of requests on one connection should take.
RUN_MS: Final = 200
# CDRs in bundles that are rendered in one transaction.
MOST_CDRS: Final = 2000
# How long a webhook whose secrets cannot be read is left alone.
LOOK_AGAIN: Final = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that we hold the lease of, ready to be sent."""

    delivery_id: UUID
    webhook_id: UUID
    lane: str
    token: UUID
    lease_until: dt.datetime
    due_at: dt.datetime
    tries: int
    attempt_count: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Claim:
    """Runs of deliveries, each to be sent in sequence on one connection.

    `wait_until` is when to look again although nothing ends before then: the
    webhook's pace or its earliest retry. `no_room`: the lane had no thread left.
    """

    webhook_id: UUID
    lane: str
    runs: tuple[tuple[Claimed, ...], ...] = ()
    wait_until: dt.datetime | None = None
    no_room: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """What is encrypted of a webhook: its own headers, and its signing secrets."""

    headers: dict[str, str]
    secrets: tuple[str, ...]


def claim(
    webhook_id: UUID, *, now: dt.datetime, capacity: Mapping[str, int]
) -> Claim | None:
    """Leases as many due deliveries as this webhook may have under way.

    A webhook that is not known to be fast is claimed one delivery a run; a fast one
    gets runs of up to 50. `capacity` is how many more runs each lane can take here; a
    lane that is not in it is served elsewhere. None: there is no such webhook, or it
    sends nothing now.
    """
    with transaction.atomic():
        webhook = _locked(webhook_id)
        if webhook is None:
            return None
        if (paced_until := _paced_until(webhook, now)) is not None:
            return Claim(webhook.pk, webhook.lane, wait_until=paced_until)
        if capacity.get(webhook.lane, 0) <= 0:
            return Claim(webhook.pk, webhook.lane, no_room=True)
        bundle_at = bundle(webhook, now)
        claimed = _claim_due(webhook, now, capacity[webhook.lane])
        if bundle_at is not None:
            wait_until = min(bundle_at, claimed.wait_until or bundle_at)
            claimed = replace(claimed, wait_until=wait_until)
        return claimed


def _claim_due(webhook: Webhook, now: dt.datetime, capacity: int) -> Claim:
    size, count = _room(webhook, now)
    count = min(count, capacity)
    most = max(1, _most_deliveries(webhook))
    if size * count == 0:
        # Whatever ends next makes room and has this webhook looked at again.
        return Claim(webhook.pk, webhook.lane)
    rows = _due(webhook, now, limit=min(size * count, most))
    if not rows:
        return Claim(webhook.pk, webhook.lane, wait_until=_earliest(webhook))
    try:
        keys = keys_of(webhook, now)
    except UndecryptableError as error:
        _postpone(rows, str(error), now)
        return Claim(webhook.pk, webhook.lane, wait_until=_earliest(webhook))
    runs = _lease(webhook, rows, size, keys, now)
    # Rows that could not be rendered end nothing that would have us look again.
    wait_until = _pace(webhook, len(rows), now) if runs else now
    if wait_until is None and most <= len(rows) < size * count:
        wait_until = now  # there is room for more, but not in this transaction
    return Claim(webhook.pk, webhook.lane, tuple(runs), wait_until)


def _locked(webhook_id: UUID) -> Webhook | None:
    """The webhook's row, locked: two claims of it never overlap.

    Not its key: calls that are just accepted refer to it and must not wait.
    """
    return (
        Webhook.objects.select_for_update(no_key=True)
        .filter(pk=webhook_id, active=True, deleted_at__isnull=True)
        .exclude(health="DOWN")
        .defer("secret", "previous_secret")
        .first()
    )


def _room(webhook: Webhook, now: dt.datetime) -> tuple[int, int]:
    """How many deliveries a run may hold, and how many runs may start."""
    under_way = Delivery.objects.filter(
        Delivery.leased(now), webhook=webhook, test_uid=""
    ).aggregate(rows=Count("pk"), runs=Count("lease_token", distinct=True))
    at_a_time = 1 if webhook.ordered else webhook.max_in_flight
    runs = max(0, at_a_time - under_way["runs"])
    if webhook.max_per_second is not None:
        runs = min(runs, _burst(webhook.max_per_second))
    size = _run_size(webhook)
    if size == 1:
        most = max(MAX_CLAIMED, at_a_time) - under_way["rows"]
        return 1, max(0, min(runs, most))
    rows = max(0, MAX_CLAIMED - under_way["rows"])
    size = min(size, rows)
    return size, min(runs, math.ceil(rows / size)) if size else 0


def _run_size(webhook: Webhook) -> int:
    if webhook.ordered or webhook.max_per_second is not None:
        return 1
    if webhook.lane == "slow" or webhook.quick_answers < QUICK_ANSWERS:
        return 1
    size = min(_most_deliveries(webhook), RUN_MS // max(1, webhook.answer_ms))
    return max(1, size)


def _most_deliveries(webhook: Webhook) -> int:
    """How many deliveries are rendered, and their rows locked, in one transaction."""
    bundles = style(webhook.style).bundles
    if bundles == "clock":
        return 1
    if bundles == "size_and_age":
        return min(MAX_CLAIMED, MOST_CDRS // webhook.batch_size)
    return max(MAX_CLAIMED, webhook.max_in_flight)


def _due(webhook: Webhook, now: dt.datetime, *, limit: int) -> list[Delivery]:
    rows = Delivery.objects.filter(webhook=webhook, state=Delivery.PENDING, test_uid="")
    if webhook.ordered:
        # The first in order, due or not: one that waits holds up those behind it.
        head = rows.order_by("call_end", "id").first()
        if head is None:
            return []
        rows = rows.filter(pk=head.pk)
    locked = rows.select_for_update(
        no_key=True, skip_locked=connection.features.has_select_for_update_skip_locked
    )
    return list(locked.filter(Delivery.due(now)).order_by("call_end", "id")[:limit])


def _earliest(webhook: Webhook) -> dt.datetime | None:
    """When the next pending delivery that nobody holds becomes due."""
    pending = Delivery.objects.filter(
        webhook=webhook, state=Delivery.PENDING, lease_token__isnull=True, test_uid=""
    )
    times = pending.order_by("next_attempt_at")
    if webhook.ordered:
        times = pending.order_by("call_end", "id")
    return times.values_list("next_attempt_at", flat=True).first()


def _burst(max_per_second: int) -> int:
    """How many may start together: a tenth of a second's worth."""
    return max(1, max_per_second // 10)


def _paced_until(webhook: Webhook, now: dt.datetime) -> dt.datetime | None:
    """When the webhook's pace lets the next request start; None: now."""
    until = webhook.paced_until
    if webhook.max_per_second is None or until is None:
        return None
    # No pace is longer than a second; what is further ahead is a clock set back.
    return until if now < until <= now + dt.timedelta(seconds=1) else None


def _pace(webhook: Webhook, sent: int, now: dt.datetime) -> dt.datetime | None:
    if webhook.max_per_second is None:
        return None
    webhook.paced_until = now + dt.timedelta(seconds=sent / webhook.max_per_second)
    webhook.save(update_fields=["paced_until"])
    return webhook.paced_until


def keys_of(webhook: Webhook, now: dt.datetime) -> Keys:
    """Decrypts them. Raises UndecryptableError when no configured key fits."""
    return Keys(
        headers={
            header.name: readable(header.value) for header in webhook.headers.all()
        },
        secrets=webhook.signing_secrets(now),
    )


def _postpone(rows: list[Delivery], reason: str, now: dt.datetime) -> None:
    """Says why these cannot be sent, and looks again in a minute."""
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        next_attempt_at=now + LOOK_AGAIN,
        last_error_class="internal",
        last_error=reason,
    )


def _lease(
    webhook: Webhook, rows: list[Delivery], size: int, keys: Keys, now: dt.datetime
) -> list[tuple[Claimed, ...]]:
    """Freezes the request of each row and leases it; one token a run."""
    _note_interrupted(
        webhook, [row for row in rows if row.lease_token is not None], now
    )
    fresh = {row.pk for row in rows if row.request_body is None}
    rows = freeze(webhook, rows, now)
    runs: list[tuple[Claimed, ...]] = []
    for start in range(0, len(rows), size):
        token, until = uuid4(), now + LEASE
        run = []
        for row in rows[start : start + size]:
            row.lease_token, row.lease_until = token, until
            run.append(ready_to_send(webhook, row, keys))
        runs.append(tuple(run))
    _write_leases([row for row in rows if row.pk in fresh], _LEASED + _FROZEN)
    _write_leases([row for row in rows if row.pk not in fresh], _LEASED)
    return runs


def _note_interrupted(webhook: Webhook, rows: list[Delivery], now: dt.datetime) -> None:
    """Tells of leases that ran out: whoever held them died before recording.

    It spends no try: whether the request was made is not known.
    """
    for row in rows:
        row.attempt_count += 1
    Attempt.objects.bulk_create(
        Attempt(
            delivery=row,
            number=row.attempt_count,
            started_at=(row.lease_until or now) - LEASE,
            ended_at=now,
            duration_ms=0,
            error_class="interrupted",
            error=(
                "the process that was sending this stopped before it could record the"
                " result; the receiver may or may not have got it"
            ),
            url=webhook.url,
        )
        for row in rows
    )


def ready_to_send(webhook: Webhook, row: Delivery, keys: Keys) -> Claimed:
    """A leased row whose request is frozen, with the webhook's current URL and keys."""
    assert row.lease_token is not None  # noqa: S101  it was just set
    assert row.lease_until is not None  # noqa: S101  it was just set
    assert row.next_attempt_at is not None  # noqa: S101  it is pending
    return Claimed(
        delivery_id=row.pk,
        webhook_id=webhook.pk,
        lane=webhook.lane,
        token=row.lease_token,
        lease_until=row.lease_until,
        due_at=row.next_attempt_at,
        tries=row.tries,
        attempt_count=row.attempt_count,
        outgoing=Outgoing(
            delivery_id=row.pk,
            url=webhook.url,
            request=RenderedRequest(
                method=cast("Method", row.request_method),
                content_type=row.request_content_type,
                body=bytes(row.request_body or b""),
                headers=row.request_headers,
            ),
            headers=keys.headers,
            secrets=keys.secrets,
            also_accept=webhook.accepted_statuses,
            test=bool(row.test_uid),
            spark=style(webhook.style).spark,
        ),
    )


_LEASED: Final = ("lease_token", "lease_until", "attempt_count")
_FROZEN: Final = (
    "request_method",
    "request_content_type",
    "request_body",
    "request_headers",
)


def _write_leases(rows: list[Delivery], fields: tuple[str, ...]) -> None:
    update_rows(
        Delivery,
        fields,
        [(row.pk, {name: getattr(row, name) for name in fields}) for row in rows],
    )
