"""Which webhooks that are DOWN are tried, and when.

1. A dead webhook is tried once a minute at most. Therefore the time of its last probe
   stands in its row, and whoever claims a probe writes it under the row's lock.
2. Very many dead webhooks must not take places from live ones, nor all be tried at once
   after an hour's step of the clock. Therefore a probe of a webhook that holds must be
   granted: `probed_at` is null. A round of the sweep sees to it that 20 are, those first
   that have waited longest; what nobody has claimed yet counts among them.
3. A webhook that fails its calls is tried with one that comes, which nothing but calls
   can bring about. Therefore it needs no grant, only that its minute is over.

Sends nothing; the claim picks the delivery.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from dispatcher.models import Delivery, Webhook
from dispatcher.pipeline.health import CLOCK_MARGIN, DOWN

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

# Probes that a round of the sweep has started.
A_ROUND: Final = 20
# Probes that were answered, until another delivery than the oldest is tried.
ANSWERED: Final = 3


def period() -> dt.timedelta:
    """Between two probes: a minute, unless it is shortened for trying things out."""
    return dt.timedelta(seconds=settings.CDRHOOK_PROBE_SECONDS)


def next_probe_at(webhook: Webhook, now: dt.datetime) -> dt.datetime | None:
    """When it is tried next, if it has anything to be tried with; None: it is not DOWN."""
    if webhook.health != DOWN or webhook.when_down == "try" or not webhook.active:
        return None
    if webhook.probed_at is None or _is_due(webhook.probed_at, now):
        return now
    return webhook.probed_at + period()


def is_granted(webhook: Webhook, now: dt.datetime) -> bool:
    """Whether whoever claims it now may try it."""
    if webhook.when_down == "hold":
        return webhook.probed_at is None
    return webhook.probed_at is None or _is_due(webhook.probed_at, now)


def is_refused(last_error_class: str, spent_no_try: int, now: dt.datetime) -> bool:
    """Whether the oldest delivery is to be left out of this probe.

    What the receiver has answered three times and never taken may be at fault itself:
    from then on every other probe is another delivery.
    """
    if last_error_class != "status" or spent_no_try < ANSWERED:
        return False
    return int(now.timestamp() // max(1.0, period().total_seconds())) % 2 == 1


def _is_due(probed_at: dt.datetime, now: dt.datetime) -> bool:
    return probed_at <= now - period() or probed_at > now + CLOCK_MARGIN


def grant(now: dt.datetime) -> list[UUID]:
    """Sees to it that the probes of a round are granted; returns whose those are."""
    due = (
        Q(probed_at__isnull=True)
        | Q(probed_at__lte=now - period())
        | Q(probed_at__gt=now + CLOCK_MARGIN)
    )
    pending = Delivery.objects.filter(
        webhook=OuterRef("pk"), state=Delivery.PENDING, test_uid=""
    ).order_by("call_end", "id")
    chosen = (
        _probed()
        .filter(due, when_down="hold")
        .annotate(oldest=Subquery(pending.values("pk")[:1]))
        .filter(oldest__isnull=False)
        .order_by(F("probed_at").asc(nulls_first=True), "pk")
    )
    rows = list(chosen.values_list("pk", "probed_at")[:A_ROUND])
    _grant([pk for pk, probed_at in rows if probed_at is not None])
    return [pk for pk, _ in rows]


def _grant(webhook_ids: list[UUID]) -> None:
    if not webhook_ids:
        return
    with transaction.atomic():
        # By id, as everybody locks webhooks; those that are busy are being looked at.
        locked = Webhook.objects.select_for_update(no_key=True, skip_locked=True)
        ids = list(
            locked.filter(pk__in=webhook_ids)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        Webhook.objects.filter(pk__in=ids, health=DOWN).update(probed_at=None)


def probe_now(webhook: Webhook) -> bool:
    """Has a webhook that is DOWN tried at once; False: it is not, or is not tried.

    Without anything pending it is tried with the next call.
    """
    rows = _probed().filter(pk=webhook.pk).exclude(when_down="try")
    return bool(rows.update(probed_at=None))


def _probed() -> QuerySet[Webhook]:
    return Webhook.objects.filter(
        health=DOWN, active=True, deleted_at__isnull=True
    ).order_by()
