"""Sends deliveries again, or cancels them, by an administrator's or customer's wish.

Each change is a compare-and-set on the state. Sends nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from dispatcher.models import Delivery, Webhook
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from django.db.models import QuerySet


def redeliver(delivery_id: UUID, now: dt.datetime) -> UUID | None:
    """Makes an ended delivery pending again: same id, same bytes, tries start anew.

    Returns the webhook to wake up; None: it is pending already, was a test, or its
    webhook has been deleted, or what it carried was erased.
    """
    with transaction.atomic():
        if not send_again(Delivery.objects.filter(pk=delivery_id), now):
            return None
        return _noted("sent again", delivery_id, now)


def cancel(delivery_id: UUID, now: dt.datetime) -> bool:
    """Gives a pending delivery up. False: it was not pending.

    An attempt that is under way goes on and is recorded; should it arrive, the
    delivery is delivered after all.
    """
    pending = Delivery.objects.filter(pk=delivery_id, state=Delivery.PENDING)
    with transaction.atomic():
        changed = pending.update(
            state=Delivery.CANCELLED, next_attempt_at=None, ended_at=now
        )
        if changed:
            _noted("cancelled", delivery_id, now)
    return bool(changed)


def _noted(action: str, delivery_id: UUID, now: dt.datetime) -> UUID:
    """Notes what was done to a delivery, as its webhook's owner's; gives the webhook."""
    delivery = Delivery.objects.select_related("webhook").only(
        "webhook__tenant_id", "webhook__partner_id"
    )
    webhook = delivery.get(pk=delivery_id).webhook
    thing = audit.Thing(
        kind="delivery",
        id=str(delivery_id),
        tenant_id=webhook.tenant_id,
        partner_id=webhook.partner_id,
    )
    audit.note(action, thing, now=now)
    return webhook.pk


def send_again(deliveries: QuerySet[Delivery], now: dt.datetime) -> int:
    """Makes those of them pending again that `redeliver` would; how many those were."""
    ended = (
        deliveries.exclude(state=Delivery.PENDING)
        .exclude(last_error_class=Delivery.ERASED)
        .filter(
            test_uid="", webhook__in=Webhook.objects.filter(deleted_at__isnull=True)
        )
    )
    return ended.update(
        state=Delivery.PENDING, next_attempt_at=now, ended_at=None, tries=0
    )
