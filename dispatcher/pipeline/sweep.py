"""Finds webhooks with overdue deliveries: the safety net under wake-ups and timers.

Only looks: it claims nothing and ignores the wake-up keys.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef

from dispatcher.models import Delivery, Webhook

if TYPE_CHECKING:
    from uuid import UUID

OVERDUE: Final = dt.timedelta(seconds=1)


def overdue_webhooks(now: dt.datetime) -> list[tuple[UUID, str]]:
    """(webhook, lane) of each that has a delivery overdue by more than a second."""
    overdue = Delivery.objects.filter(
        Delivery.due(now - OVERDUE) & Delivery.not_leased(now), webhook=OuterRef("pk")
    )
    webhooks = Webhook.objects.filter(
        Exists(overdue), active=True, deleted_at__isnull=True
    ).exclude(health="DOWN")
    return list(webhooks.order_by().values_list("pk", "lane"))
