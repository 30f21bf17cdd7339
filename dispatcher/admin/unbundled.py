"""Calls that wait for their batch or window: how many, and what holds them.

No delivery carries them yet, so no list of deliveries has them. Whatever is read here
reads the partial index `owed_for_a_batch` and stops at a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, F, IntegerField, OuterRef, Subquery

from dispatcher.admin.labels import HELD, label
from dispatcher.admin.paging import COUNTED, count_text
from dispatcher.models import OwedCdr, Webhook
from dispatcher.payloads.registry import STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Q, QuerySet

BUNDLING: Final = tuple(name for name, style in STYLES.items() if style.bundles)


def webhooks_with_unbundled(own: Q) -> list[Webhook]:
    """Which of these webhooks have calls that no delivery carries yet; their state."""
    oldest = _unbundled().filter(webhook=OuterRef("pk")).values("pk")[:1]
    return list(
        Webhook.objects.filter(own, style__in=BUNDLING, deleted_at__isnull=True)
        .annotate(oldest=Subquery(oldest))
        .filter(oldest__isnull=False)
        .order_by()
        .only("active")
    )


def count_unbundled(webhooks: Sequence[Webhook], limit: int) -> int:
    """How many calls wait for these webhooks' bundles; `limit` + 1 for more."""
    if not webhooks:
        return 0
    rows = _unbundled().filter(webhook__in=[webhook.pk for webhook in webhooks])
    return rows.values("pk")[: limit + 1].count()


def unbundled_of(limit: int) -> Subquery:
    """How many calls a webhook of a list has unbundled, at most `limit` + 1."""
    some = _unbundled().filter(webhook=OuterRef(OuterRef("pk"))).values("pk")
    counted = (
        OwedCdr.objects.filter(pk__in=some[: limit + 1])
        .order_by()
        .values(one=F("left_out"))
        .annotate(count=Count("pk"))
    )
    return Subquery(counted.values("count"), output_field=IntegerField())


def _unbundled() -> QuerySet[OwedCdr]:
    # All kinds there are, in the index's order: else SQLite, and PostgreSQL at times,
    # reads every row of every webhook that has no delivery.
    kinds = (OwedCdr.CDR, OwedCdr.CALL_SUMMARY)
    rows = OwedCdr.objects.filter(OwedCdr.unbundled(), kind__in=kinds)
    return rows.order_by("webhook_id", "kind", "owed_at")


def unbundled_status(webhook: Webhook) -> dict[str, Any] | None:
    """What a webhook's page says of them; None where its style bundles nothing."""
    if webhook.style not in BUNDLING:
        return None
    count = count_unbundled([webhook], COUNTED)
    held = count > 0 and not webhook.active
    return {
        "title": f"Waiting for a {'batch' if webhook.style == 'batch' else 'window'}",
        "count": count_text(count, COUNTED),
        "held": label(HELD) if held else "",
        "why": _why(webhook) if count else "",
    }


def _why(webhook: Webhook) -> str:
    """Why they are not sent yet, as a sentence."""
    if not webhook.active:
        return "The webhook is switched off; they go on when it is active again."
    if webhook.style == "batch":
        size, seconds = webhook.batch_size, webhook.batch_seconds
        return (
            f"A batch goes out with {size:,} calls, or {seconds:,} s after its first."
        )
    return "A window goes out when the clock has passed it."
