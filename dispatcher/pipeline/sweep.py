"""Finds webhooks with overdue deliveries: the safety net under wake-ups and timers.

Claims nothing and ignores the wake-up keys.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef

from dispatcher.models import Delivery, Webhook
from dispatcher.pipeline.subscribe import cancel_pending

if TYPE_CHECKING:
    from uuid import UUID

OVERDUE: Final = dt.timedelta(seconds=1)
# Longer than any request that takes calls in can be under way.
DELETED_LATELY: Final = dt.timedelta(minutes=10)


def overdue_webhooks(now: dt.datetime) -> list[tuple[UUID, str]]:
    """(webhook, lane) of each that has a delivery overdue by more than a second."""
    overdue = Delivery.objects.filter(
        Delivery.due(now - OVERDUE) & Delivery.not_leased(now),
        webhook=OuterRef("pk"),
        test_uid="",
    )
    webhooks = Webhook.objects.filter(
        Exists(overdue), active=True, deleted_at__isnull=True
    ).exclude(health="DOWN")
    return list(webhooks.order_by().values_list("pk", "lane"))


def cancel_orphans(now: dt.datetime) -> int:
    """Cancels what a call left behind that was accepted while its webhook was deleted."""
    deleted = Webhook.objects.filter(deleted_at__gt=now - DELETED_LATELY)
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
