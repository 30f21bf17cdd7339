"""Finds webhooks with overdue deliveries: the safety net under wake-ups and timers.

Claims nothing and ignores the wake-up keys.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef, Q, Subquery

from dispatcher.models import Delivery, OwedCdr, Webhook
from dispatcher.pipeline import marks
from dispatcher.pipeline.bundle import batch_is_full, batch_is_old
from dispatcher.pipeline.subscribe import cancel_pending

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

OVERDUE: Final = dt.timedelta(seconds=1)
# Longer than any request that takes calls in can be under way.
DELETED_LATELY: Final = dt.timedelta(minutes=10)


def overdue_webhooks(now: dt.datetime) -> list[tuple[UUID, str]]:
    """(webhook, lane) of each that has a delivery overdue by more than a second.

    Likewise of each that has a batch or a window to close.
    """
    overdue = Delivery.objects.filter(
        Delivery.due(now - OVERDUE) & Delivery.not_leased(now),
        webhook=OuterRef("pk"),
        test_uid="",
    )
    found = dict(_sending().filter(Exists(overdue)).values_list("pk", "lane"))
    return list((found | _batches_to_close(now) | _windows_to_close(now)).items())


def _sending() -> QuerySet[Webhook]:
    """Webhooks that send what they are owed."""
    return (
        Webhook.objects.filter(active=True, deleted_at__isnull=True)
        .exclude(health="DOWN")
        .order_by()
    )


def _batches_to_close(now: dt.datetime) -> dict[UUID, str]:
    """Webhooks with a batch that is old, or full, and no delivery yet."""
    found: dict[UUID, str] = {}
    for kind in (OwedCdr.CDR, OwedCdr.CALL_SUMMARY):
        owed = OwedCdr.objects.filter(
            OwedCdr.unbundled(), webhook=OuterRef("pk"), kind=kind
        ).order_by("owed_at", "id")
        webhooks = (
            _sending()
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
    feeds = _sending().filter(behind | ahead, style="feed")
    return dict(feeds.values_list("pk", "lane"))


def cancel_orphans(now: dt.datetime) -> int:
    """Cancels what a call left behind that was accepted while its webhook was deleted."""
    pending = Delivery.objects.filter(
        webhook=OuterRef("pk"), state=Delivery.PENDING, test_uid=""
    )
    waiting = OwedCdr.objects.filter(OwedCdr.unbundled(), webhook=OuterRef("pk"))
    deleted = Webhook.objects.filter(
        Exists(pending) | Exists(waiting), deleted_at__gt=now - DELETED_LATELY
    )
    return sum(cancel_pending(webhook, now) for webhook in deleted)


def fail_forgotten_tests(now: dt.datetime) -> int:
    """Ends test calls whose process stopped while it waited: they are not tried again."""
    forgotten = Delivery.objects.filter(
        Delivery.not_leased(now), lease_token__isnull=False, state=Delivery.PENDING
    ).exclude(test_uid="")
    if not forgotten.exists():
        return 0
    return forgotten.update(
        state=Delivery.FAILED,
        next_attempt_at=None,
        ended_at=now,
        lease_token=None,
        lease_until=None,
        last_error_class="interrupted",
        last_error="the process that made this test call stopped before it ended",
    )
