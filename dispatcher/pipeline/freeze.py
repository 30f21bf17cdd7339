"""Renders the requests of deliveries that have none yet, into their rows.

From then on every try sends the same bytes. Decides nothing else, and saves only what
could not be rendered.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import structlog
from django.db.models import Q

from dispatcher.adapters import cdr_json
from dispatcher.models import CdrRevision, Delivery, OwedCdr
from dispatcher.payloads.registry import style
from dispatcher.values import CarriedCdr, Subscription

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from uuid import UUID

    from dispatcher.models import Webhook
    from dispatcher.values import Format, Method

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Load:
    """What the claimed deliveries carry, read in one go."""

    carried: dict[UUID, list[CarriedCdr]] = field(
        default_factory=lambda: defaultdict(list)
    )
    tenants: dict[UUID, str] = field(default_factory=dict)


def _load(rows: list[Delivery]) -> _Load:
    load = _Load()
    owed = list(
        OwedCdr.objects.filter(delivery__in=rows)
        .select_related("cdr__tenant")
        .order_by("id")
    )
    for item, carried in zip(owed, carried_by(owed), strict=True):
        assert item.delivery_id is not None  # noqa: S101  it was filtered by delivery
        load.carried[item.delivery_id].append(carried)
        load.tenants[item.delivery_id] = item.cdr.tenant.external_id
    return load


def carried_by(owed: Sequence[OwedCdr]) -> list[CarriedCdr]:
    """The CDRs that are owed, in that order, each in the revision that is owed."""
    later = _revisions(owed)
    return [
        CarriedCdr(
            id=item.cdr_id,
            cdr=cdr_json.load(later.get((item.cdr_id, item.revision), item.cdr.record)),
        )
        for item in owed
    ]


def _revisions(owed: Sequence[OwedCdr]) -> dict[tuple[UUID, int], str]:
    wanted = Q()
    for item in owed:
        if item.revision:
            wanted |= Q(cdr=item.cdr_id, number=item.revision)
    if not wanted:
        return {}
    return {
        (revision.cdr_id, revision.number): revision.record
        for revision in CdrRevision.objects.filter(wanted)
    }


def freeze(webhook: Webhook, rows: list[Delivery], now: dt.datetime) -> list[Delivery]:
    """Renders what has no request yet; returns what can be sent.

    What cannot be rendered fails by itself, with its reason: it must not hold up the
    deliveries behind it.
    """
    fresh = [row for row in rows if row.request_body is None]
    if not fresh:
        return rows
    load = _load(fresh)
    custom_data = dict(webhook.custom_data.values_list("key", "value"))
    sendable = []
    for row in rows:
        try:
            if row.request_body is None:
                freeze_request(
                    webhook,
                    row,
                    load.carried[row.pk],
                    load.tenants[row.pk],
                    custom_data,
                )
            sendable.append(row)
        except Exception as error:
            log.exception("delivery.not_rendered", delivery=str(row.pk))
            _fail(row, f"the payload could not be made: {error!r}", now)
    return sendable


def freeze_request(
    webhook: Webhook,
    row: Delivery,
    carried: list[CarriedCdr],
    tenant_external_id: str,
    custom_data: dict[str, str],
) -> None:
    """Renders the request of a delivery into its row; saves nothing."""
    rendered = style(webhook.style).render(
        Subscription(
            webhook_id=webhook.pk,
            tenant_external_id=tenant_external_id,
            method=cast("Method", webhook.method),
            format=cast("Format", webhook.format),
            custom_data=custom_data,
        ),
        carried,
    )
    row.request_method = rendered.method
    row.request_content_type = rendered.content_type
    row.request_body = rendered.body


def _fail(row: Delivery, error: str, now: dt.datetime) -> None:
    Delivery.objects.filter(pk=row.pk, state=Delivery.PENDING).update(
        state=Delivery.FAILED,
        next_attempt_at=None,
        ended_at=now,
        lease_token=None,
        lease_until=None,
        last_error_class="internal",
        last_error=error,
    )
