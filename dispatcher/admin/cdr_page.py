"""What the page of one CDR shows: the record, and what each webhook got of it, or why not.

Judges a call by the filters of now: they may have been others when it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst

from dispatcher.adapters import cdr_json
from dispatcher.admin import raw_records
from dispatcher.admin.labels import host_of, label, owner_name, shown_state
from dispatcher.admin.moments import absolute, both
from dispatcher.admin.readable import json_text
from dispatcher.admin.readonly import page_of
from dispatcher.filters.match import explain
from dispatcher.models import CallSummary, OwedCdr, StoredCdr, Webhook
from dispatcher.pipeline.route import webhooks_of

if TYPE_CHECKING:
    import datetime as dt

    from dispatcher.admin.scope import Scope
    from dispatcher.values import Cdr


def page_context(cdr: StoredCdr, scope: Scope, now: dt.datetime) -> dict[str, Any]:
    """The record and its revisions as text; a row for each webhook of the tenant.

    Webhooks out of the scope are left out: a tenant's user sees none of its partner's.
    """
    return {
        "title": f"CDR {cdr.uid}",
        "cdr": cdr,
        "tenant_page": page_of(cdr.tenant),
        "started": both(cdr.started_at, now),
        "accepted": both(cdr.accepted_at, now),
        "record": json_text(cdr.record),
        "raw": raw_records.of_cdr(cdr),
        "legs": raw_records.legs_of(cdr),
        "revisions": [
            {
                "number": revision.number,
                "received": absolute(revision.received_at),
                "record": json_text(revision.record),
                "raw": raw_records.of_revision(revision),
            }
            for revision in cdr.revisions.order_by("number")
        ],
        "webhooks": _webhooks(cdr, scope),
        "summary": _summary(cdr),
    }


def _summary(stored: StoredCdr) -> dict[str, Any] | None:
    """The state of the call's summary and its page; None if there is none."""
    summary = CallSummary.objects.filter(cdr=stored).only("state", "error").first()
    if summary is None:
        return None
    return {
        "page": page_of(summary),
        "state": summary.state,
        "error": summary.error,
    }


def _webhooks(stored: StoredCdr, scope: Scope) -> list[dict[str, Any]]:
    """Webhooks that got the call, then those that did not and could have."""
    owed: dict[Webhook, list[OwedCdr]] = {}
    items = (
        OwedCdr.objects.filter(
            scope.rows("webhook__tenant", "webhook__partner"), cdr=stored
        )
        .select_related("webhook__tenant", "webhook__partner", "delivery__webhook")
        .defer(
            "delivery__request_body",
            "webhook__secret",
            "webhook__previous_secret",
            "delivery__webhook__secret",
            "delivery__webhook__previous_secret",
        )
        .order_by("id")
    )
    for item in items:
        owed.setdefault(item.webhook, []).append(item)
    cdr = cdr_json.load(stored.record)
    others = _others(stored, owed).filter(scope.rows("tenant", "partner"))
    return [
        *(_got(webhook, items) for webhook, items in owed.items()),
        *(_missed(webhook, stored, cdr) for webhook in others),
    ]


def _others(stored: StoredCdr, owed: dict[Webhook, list[OwedCdr]]) -> Any:
    return (
        Webhook.objects.filter(webhooks_of(stored.tenant))
        .exclude(pk__in=[webhook.pk for webhook in owed])
        .select_related("tenant", "partner")
        .prefetch_related("filters")
        .defer("secret", "previous_secret")
    )


def _named(webhook: Webhook) -> dict[str, Any]:
    return {
        "page": page_of(webhook),
        "host": host_of(webhook.url),
        "style": webhook.style,
        "owner": owner_name(webhook),
    }


def _got(webhook: Webhook, items: list[OwedCdr]) -> dict[str, Any]:
    return {
        **_named(webhook),
        "why_not": "",
        "deliveries": [
            {
                "part": _part(item),
                "page": page_of(item.delivery),
                "id": str(item.delivery_id or ""),
                "state": label(shown_state(item.delivery)) if item.delivery else "",
                "error": item.delivery.last_error if item.delivery else "",
                "why_not_carried": capfirst(item.why_not_carried),
            }
            for item in items
        ],
    }


def _part(item: OwedCdr) -> str:
    """What is owed of the call, unless it is the record as it came first."""
    if item.kind == OwedCdr.CALL_SUMMARY:
        return "call summary"
    return f"revision {item.revision}" if item.revision else ""


def _missed(webhook: Webhook, stored: StoredCdr, cdr: Cdr) -> dict[str, Any]:
    return {
        **_named(webhook),
        "deliveries": [],
        "why_not": why_not(webhook, stored, cdr),
    }


def why_not(webhook: Webhook, stored: StoredCdr, cdr: Cdr) -> str:
    """Why a webhook was not owed a call, as a sentence, as far as it can be told now."""
    conditions = [condition.as_value() for condition in webhook.filters.all()]
    kept_out = explain(cdr, conditions)
    if kept_out is not None:
        name = f"{kept_out.field}:{kept_out.op}:{kept_out.value}"
        return f"Kept out by the filter {name}"
    if webhook.created_at > stored.accepted_at:
        return "The webhook was made after this call was accepted."
    if not webhook.active and webhook.when_disabled == "drop":
        return "The webhook is switched off and drops calls meanwhile."
    return "When the call came, the webhook was switched off or had other filters."
