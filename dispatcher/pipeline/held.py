"""Ends deliveries that are not to wait for a webhook that is DOWN or off.

All pending ones of a webhook that is DOWN and set to fail, and those held for longer
than HELD_MAX_AGE, some hundred a transaction: a million must not keep others waiting.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from dispatcher.models import Delivery, Webhook
from dispatcher.models.ids import first_id_at

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

# Deliveries a transaction, and transactions of one sweep.
A_STEP: Final = 200
STEPS: Final = 5
# Webhooks that one statement names.
WEBHOOKS: Final = 500


def fail_while_down(
    webhook: Webhook, now: dt.datetime, spared: Collection[UUID]
) -> bool:
    """Fails what is pending, without `spared`, which is being sent. True: there is more.

    The caller holds the webhook's lock and a transaction.
    """
    rows = _pending().filter(webhook=webhook).order_by("call_end", "id")
    found = rows.values_list("pk", flat=True)[: A_STEP + len(spared)]
    ids = [pk for pk in found if pk not in spared][:A_STEP]
    since = (
        f" since {webhook.down_since:%Y-%m-%d %H:%M} UTC" if webhook.down_since else ""
    )
    _fail(ids, now, "down", f"the webhook is DOWN{since}, and its calls fail meanwhile")
    return len(ids) == A_STEP


def fail_held_too_long(now: dt.datetime) -> int:
    """Fails what has been held for longer than HELD_MAX_AGE; returns how many now.

    Held since its webhook went DOWN or was switched off, or since it was made or sent
    again, whichever was later.
    """
    failed = 0
    longest = dt.timedelta(hours=settings.HELD_MAX_AGE)
    for down, reason in ((True, "DOWN"), (False, "switched off")):
        ids = list(_holding(now - longest, down=down))
        for start in range(0, len(ids), WEBHOOKS):
            failed += _fail_older(
                ids[start : start + WEBHOOKS],
                now,
                now - longest,
                f"held for more than {settings.HELD_MAX_AGE:g} hours:"
                f" the webhook is {reason}",
                down=down,
            )
    return failed


def _holding(since: dt.datetime, *, down: bool) -> QuerySet[Webhook, UUID]:
    """Webhooks that have held what they have pending since then, or longer."""
    webhooks = Webhook.objects.filter(deleted_at__isnull=True).order_by("pk")
    if down:
        found = webhooks.filter(health="DOWN", when_down="hold", down_since__lte=since)
    else:
        # Its settings have not been changed since, so neither has this one.
        found = webhooks.filter(active=False, updated_at__lte=since)
    return found.values_list("pk", flat=True)


def _fail_older(
    webhook_ids: list[UUID],
    now: dt.datetime,
    since: dt.datetime,
    why: str,
    *,
    down: bool,
) -> int:
    """By the index of what is not delivered: nothing else is pending for so long."""
    held = (
        _pending()
        .filter(
            Q(webhook__in=webhook_ids),
            id__lt=first_id_at(since),
            created_at__lte=since,
            next_attempt_at__lte=since,
        )
        .order_by("id")
        .values_list("pk", "webhook_id")
    )
    failed = 0
    for _ in range(STEPS):
        with transaction.atomic():
            rows = list(held[:A_STEP])
            # One that has come back meanwhile is to get what it was owed.
            owing = _holding(since, down=down).filter(pk__in={of for _, of in rows})
            still = set(owing.select_for_update(no_key=True))
            ids = [key for key, of in rows if of in still]
            failed += _fail(ids, now, "held", why)
        if len(rows) < A_STEP:
            break
    return failed


def _pending() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=Delivery.PENDING, test_uid="")


def _fail(ids: list[UUID], now: dt.datetime, error_class: str, why: str) -> int:
    if not ids:
        return 0
    # By id, as everybody locks deliveries.
    locked = _pending().filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    failed = _pending().filter(pk__in=[row.pk for row in locked.only("pk")])
    count = failed.update(
        state=Delivery.FAILED,
        next_attempt_at=None,
        ended_at=now,
        last_error_class=error_class,
        last_error=why,
    )
    log.info("delivery.not_held", count=count, error_class=error_class)
    return count
