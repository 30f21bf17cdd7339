"""What became of one call at each webhook: its deliveries, or what kept it out.

Reads only; tells of filters as they are now.
"""

from typing import Any

from django.db.models import Q

from dispatcher.adapters import cdr_json
from dispatcher.api.shapes import delivery_json, with_parts
from dispatcher.filters.match import explain
from dispatcher.models import Delivery, OwedCdr, StoredCdr, Webhook
from dispatcher.values import Cdr


def fates(cdr: StoredCdr, *, own_only: bool) -> list[dict[str, Any]]:
    """Per webhook `{"webhook", "deliveries", "kept_out_by", "reason"}`.

    `kept_out_by` is the first filter that does not hold, or null; `reason` is a
    sentence where there is no delivery. `own_only` leaves out the partner's webhooks,
    which are none of its tenants' business.
    """
    carried = OwedCdr.objects.filter(cdr=cdr).order_by("id")
    owed = {item.webhook_id: item.delivery_id for item in carried}
    webhooks = (
        Webhook.objects.filter(_concerned(cdr, own_only))
        .filter(Q(deleted_at__isnull=True) | Q(pk__in=owed))
        .order_by("created_at", "pk")
        .prefetch_related("filters")
        .defer("secret", "previous_secret")
    )
    deliveries = with_parts(
        Delivery.objects.filter(carried__in=carried).order_by("id").distinct()
    )
    by_webhook: dict[Any, list[dict[str, Any]]] = {}
    for delivery in deliveries:
        by_webhook.setdefault(delivery.webhook_id, []).append(delivery_json(delivery))
    record = cdr_json.load(cdr.record)
    return [
        _fate(webhook, cdr, record, by_webhook.get(webhook.pk, []), webhook.pk in owed)
        for webhook in webhooks
    ]


def _concerned(cdr: StoredCdr, own_only: bool) -> Q:
    concerned = Q(tenant=cdr.tenant_id)
    partner_id = cdr.tenant.partner_id
    if not own_only and partner_id is not None:
        concerned |= Q(partner=partner_id)
    return concerned


def _fate(
    webhook: Webhook,
    cdr: StoredCdr,
    record: Cdr,
    deliveries: list[dict[str, Any]],
    owed: bool,
) -> dict[str, Any]:
    fate: dict[str, Any] = {
        "webhook": str(webhook.pk),
        "deliveries": deliveries,
        "kept_out_by": None,
        "reason": "",
    }
    if deliveries:
        return fate
    if owed:
        return {**fate, "reason": "it waits for its batch or window"}
    kept_out_by = explain(record, [entry.as_value() for entry in webhook.filters.all()])
    if kept_out_by is not None:
        condition = {
            "field": kept_out_by.field,
            "op": kept_out_by.op,
            "value": kept_out_by.value,
        }
        reason = f"a filter kept it out: {':'.join(condition.values())}"
        return {**fate, "kept_out_by": condition, "reason": reason}
    return {**fate, "reason": _reason(webhook, cdr)}


def _reason(webhook: Webhook, cdr: StoredCdr) -> str:
    if webhook.created_at > cdr.accepted_at:
        return "the webhook was made after the call was accepted"
    if not webhook.active:
        return "the webhook is not active"
    return "the webhook was not active, or had other filters, when the call came"
