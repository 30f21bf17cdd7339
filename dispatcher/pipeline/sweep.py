"""Finds webhooks with overdue deliveries: the safety net under wake-ups and timers.

Claims nothing and ignores the wake-up keys.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from dispatcher.models import Delivery, Lease, OwedCdr, Webhook
from dispatcher.models.delivery import LONGEST_LEASE, LONGEST_WAIT
from dispatcher.pipeline import leases, marks
from dispatcher.pipeline.bundle import batch_is_full, batch_is_old
from dispatcher.pipeline.subscribe import cancel_pending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

OVERDUE: Final = dt.timedelta(seconds=1)
# Longer than any request that takes calls in can be under way.
DELETED_LATELY: Final = dt.timedelta(minutes=10)
# Whoever claims takes over what has run out much sooner; and webhooks a round.
FORGOTTEN: Final = dt.timedelta(minutes=1)
_A_ROUND: Final = 20
# Webhooks that are looked at together; each has 100 deliveries under way at most, and a
# statement names each of them twice.
_CHUNK: Final = 100


def overdue_webhooks(now: dt.datetime) -> list[tuple[UUID, str]]:
    """(webhook, lane) of each that has a delivery overdue by more than a second.

    Likewise of each that has a batch or a window to close, or is RECOVERING: that may
    be over.
    """
    found = dict(_overdue(_sending(), now).values_list("pk", "lane"))
    for webhook_id in found.keys() - _not_all_under_way(found, now):
        del found[webhook_id]
    recovering = _serving().filter(health="RECOVERING").values_list("pk", "lane")
    to_close = _batches_to_close(now) | _windows_to_close(now)
    return list((found | to_close | dict(recovering)).items())


def _overdue(
    webhooks: QuerySet[Webhook], now: dt.datetime, held: Sequence[str] = ()
) -> QuerySet[Webhook]:
    """Those with an overdue delivery that is none of `held`.

    Both ends of an index a webhook, however many wait in between. In its order: asked
    for any one of them, PostgreSQL reads the table from its beginning, where another
    webhook's million may stand; of an EXISTS it makes a join that reads them all.
    """
    pending = _pending().exclude(pk__in=held).values("next_attempt_at")
    ends = webhooks.annotate(
        first=Subquery(pending.order_by("next_attempt_at")[:1]),
        last=Subquery(pending.order_by("-next_attempt_at")[:1]),
    )
    latest = now - OVERDUE
    return ends.filter(Q(first__lte=latest) | Q(last__gt=latest + LONGEST_WAIT))


def _pending() -> QuerySet[Delivery]:
    """Of the webhook in the query around it."""
    return Delivery.objects.filter(
        webhook=OuterRef("pk"), state=Delivery.PENDING, test_uid=""
    )


def _not_all_under_way(found: Mapping[UUID, str], now: dt.datetime) -> set[UUID]:
    """Those that have an overdue delivery which nobody is sending."""
    good = Lease.objects.filter(Lease.good(now), for_test=False)
    under_way = {
        webhook_id: deliveries
        for webhook_id, deliveries in _by_webhook(good)
        if webhook_id in found
    }
    left = set(found) - under_way.keys()
    webhooks = list(under_way)
    # Each statement names as many deliveries as SQLite takes parameters.
    for start in range(0, len(webhooks), _CHUNK):
        some = webhooks[start : start + _CHUNK]
        held = [one for webhook_id in some for one in under_way[webhook_id]]
        those = Webhook.objects.filter(pk__in=some).order_by()
        left.update(_overdue(those, now, held).values_list("pk", flat=True))
    return left


def _by_webhook(rows: QuerySet[Lease]) -> Iterator[tuple[UUID, list[str]]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    for webhook_id, deliveries in rows.values_list("webhook_id", "deliveries"):
        found[webhook_id] += deliveries
    yield from found.items()


def _serving() -> QuerySet[Webhook]:
    """Webhooks that are switched on."""
    return Webhook.objects.filter(active=True, deleted_at__isnull=True).order_by()


def _sending() -> QuerySet[Webhook]:
    """Those that send what they are owed, or fail it; what is held is not overdue."""
    return _serving().exclude(health="DOWN", when_down="hold")


def _batches_to_close(now: dt.datetime) -> dict[UUID, str]:
    """Webhooks with a batch that is old, or full, and no delivery yet."""
    found: dict[UUID, str] = {}
    for kind in (OwedCdr.CDR, OwedCdr.CALL_SUMMARY):
        owed = OwedCdr.objects.filter(
            OwedCdr.unbundled(), webhook=OuterRef("pk"), kind=kind
        ).order_by("owed_at", "id")
        webhooks = (
            _serving()
            .filter(style="batch")
            .annotate(began=Subquery(owed.values("owed_at")[:1]))
            .filter(began__isnull=False)
        )
        found |= {
            webhook.pk: webhook.lane
            for webhook in webhooks.only("lane", "batch_size", "batch_seconds")
            if batch_is_old(webhook.began, webhook.batch_seconds, now - OVERDUE)
            or batch_is_full(webhook, kind)
        }
    return found


def _windows_to_close(now: dt.datetime) -> dict[UUID, str]:
    """Feeds with a window that the clock has passed; also those far ahead of it."""
    closed_by = marks.closed_by(now)
    behind = Q(fed_until__isnull=True) | Q(fed_until__lt=closed_by)
    ahead = Q(fed_until__gt=closed_by + marks.period())
    feeds = _serving().filter(behind | ahead, style="feed")
    return dict(feeds.values_list("pk", "lane"))


def cancel_orphans(now: dt.datetime) -> int:
    """Cancels what a call left behind that was accepted while its webhook was deleted."""
    waiting = OwedCdr.objects.filter(OwedCdr.unbundled(), webhook=OuterRef("pk"))
    deleted = (
        Webhook.objects.filter(deleted_at__gt=now - DELETED_LATELY)
        .annotate(
            pending=Subquery(_pending().order_by("next_attempt_at").values("pk")[:1]),
            waiting=Subquery(waiting.order_by("call_end", "id").values("pk")[:1]),
        )
        .filter(Q(pending__isnull=False) | Q(waiting__isnull=False))
    )
    return sum(cancel_pending(webhook, now) for webhook in deleted)


def take_over_forgotten(now: dt.datetime) -> int:
    """Takes over what ran out at webhooks that nobody claims; of how many webhooks.

    One that is off, deleted or has nothing pending is never claimed, and its lease would
    keep requests for ever, and its deliveries from being deleted.
    """
    dead = Lease.objects.filter(
        Q(until__lte=now - FORGOTTEN) | Q(until__gt=now + LONGEST_LEASE), for_test=False
    ).order_by()
    ids = list(dead.values_list("webhook", flat=True).distinct()[:_A_ROUND])
    if not ids:
        return 0
    with transaction.atomic():
        locked = Webhook.objects.select_for_update(no_key=True).filter(pk__in=ids)
        webhooks = {webhook.pk: webhook for webhook in locked.order_by("pk")}
        leases.under_way_of(webhooks, now)
    return len(webhooks)


def fail_forgotten_tests(now: dt.datetime) -> int:
    """Ends test calls whose process stopped while it waited: they are not tried again."""
    dead = Lease.objects.filter(~Lease.good(now), for_test=True)
    ids = [
        one
        for deliveries in dead.values_list("deliveries", flat=True)
        for one in deliveries
    ]
    if not ids:
        return 0
    with transaction.atomic():
        failed = Delivery.objects.filter(pk__in=ids, state=Delivery.PENDING).update(
            state=Delivery.FAILED,
            next_attempt_at=None,
            ended_at=now,
            last_error_class="interrupted",
            last_error="the process that made this test call stopped before it ended",
        )
        dead.delete()
    return failed
