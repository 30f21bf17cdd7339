"""What became of one call at each webhook: its deliveries, or what kept it out.

Reads only; tells of filters as they are now.
"""

from typing import Any
from uuid import UUID

from django.db.models import Q

from dispatcher.adapters import cdr_json
from dispatcher.api.shapes import deliveries_json, with_parts
from dispatcher.filters.match import explain
from dispatcher.models import Delivery, OwedCdr, StoredCdr, Webhook
from dispatcher.pipeline.route import is_billed, takes_billed_only
from dispatcher.values import Cdr


def fates(cdr: StoredCdr, *, own_only: bool) -> list[dict[str, Any]]:
    """Per webhook `{"webhook", "deliveries", "kept_out_by", "reason"}`.

    `kept_out_by` is the first filter that does not hold, or null; `reason` is a
    sentence where there is no delivery, or none of something that the webhook is owed
    beside: a revision, or the call's summary. `own_only` leaves out the partner's
    webhooks, which are none of its tenants' business.
    """
    owed: dict[UUID, list[OwedCdr]] = {}
    items = (
        OwedCdr.objects.filter(cdr=cdr)
        .select_related("webhook")
        .defer("webhook__secret", "webhook__previous_secret")
    )
    for item in items.order_by("id"):
        owed.setdefault(item.webhook_id, []).append(item)
    webhooks = list(
        Webhook.objects.filter(_concerned(cdr, own_only))
        .filter(Q(deleted_at__isnull=True) | Q(pk__in=owed))
        .order_by("created_at", "pk")
        .prefetch_related("filters")
        .defer("secret", "previous_secret")
    )
    carried = _carried(owed, webhooks)
    record = cdr_json.load(cdr.record)
    return [
        _fate(webhook, cdr, record, carried.get(webhook.pk, []), owed.get(webhook.pk))
        for webhook in webhooks
    ]


def _carried(
    owed: dict[UUID, list[OwedCdr]], webhooks: list[Webhook]
) -> dict[UUID, list[dict[str, Any]]]:
    """The deliveries that carry what these webhooks are owed, oldest first."""
    ids = {
        item.delivery_id
        for webhook in webhooks
        for item in owed.get(webhook.pk, [])
        if item.delivery_id is not None
    }
    deliveries = list(with_parts(Delivery.objects.filter(pk__in=ids)).order_by("id"))
    found: dict[UUID, list[dict[str, Any]]] = {}
    for delivery, shown in zip(deliveries, deliveries_json(deliveries), strict=True):
        found.setdefault(delivery.webhook_id, []).append(shown)
    return found


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
    owed: list[OwedCdr] | None,
) -> dict[str, Any]:
    fate: dict[str, Any] = {
        "webhook": str(webhook.pk),
        "deliveries": deliveries,
        "kept_out_by": None,
        "reason": "",
    }
    if owed is not None:
        return {**fate, "reason": _why_not_carried(owed)}
    kept_out_by = explain(record, [entry.as_value() for entry in webhook.filters.all()])
    if kept_out_by is not None:
        condition = {
            "field": kept_out_by.field,
            "op": kept_out_by.op,
            "value": kept_out_by.value,
        }
        reason = f"a filter kept it out: {':'.join(condition.values())}"
        return {**fate, "kept_out_by": condition, "reason": reason}
    if takes_billed_only(webhook) and not is_billed(record):
        return {**fate, "reason": "it is not in the billing feed"}
    return {**fate, "reason": _reason(webhook, cdr)}


def _why_not_carried(owed: list[OwedCdr]) -> str:
    """What no delivery carries, and why; "" where all of it is carried."""
    return "; ".join(
        _named(item) + item.why_not_carried for item in owed if item.delivery_id is None
    )


def _named(item: OwedCdr) -> str:
    """`call summary: ` or `revision 1: `; "" for the record as it came first."""
    if item.kind == OwedCdr.CALL_SUMMARY:
        return "call summary: "
    return f"revision {item.revision}: " if item.revision else ""


def _reason(webhook: Webhook, cdr: StoredCdr) -> str:
    if webhook.created_at > cdr.accepted_at:
        return "the webhook was made after the call was accepted"
    if not webhook.active:
        return "the webhook is not active"
    return "the webhook was not active, or had other filters, when the call came"
