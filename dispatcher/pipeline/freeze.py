"""Renders the requests of deliveries that have none yet, into their rows.

From then on every try sends the same bytes. Decides nothing else, and saves only what
could not be rendered.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, cast

import structlog

from dispatcher.adapters import cdr_json
from dispatcher.models import CdrRevision, Delivery, OwedCdr
from dispatcher.payloads.registry import style
from dispatcher.pipeline.recording import recording_url
from dispatcher.values import CarriedCdr, Subscription, Summary, Window

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from dispatcher.models import Webhook
    from dispatcher.values import Format, Method

log = structlog.get_logger(__name__)

# SQLite takes 999 parameters a statement.
_CHUNK: Final = 900


def carried_by(
    owed: Sequence[OwedCdr], *, with_links: bool = False
) -> list[CarriedCdr]:
    """The CDRs that are owed, in that order, each in the revision that is owed.

    `with_links`: with the links to their recordings.
    """
    later = _revisions(owed)
    return [_carried(item, later, with_links=with_links) for item in owed]


def _carried(
    item: OwedCdr, later: Mapping[tuple[UUID, int], str], *, with_links: bool
) -> CarriedCdr:
    tenant = item.cdr.tenant
    cdr = cdr_json.load(later.get((item.cdr_id, item.revision), item.cdr.record))
    return CarriedCdr(
        id=item.cdr_id,
        cdr=cdr,
        tenant_external_id=tenant.external_id,
        tenant_zone=tenant.time_zone,
        accepted_at=item.cdr.accepted_at,
        recording_url=recording_url(tenant, cdr) if with_links else "",
        summary=_summary(item),
    )


def _summary(item: OwedCdr) -> Summary | None:
    if item.kind != OwedCdr.CALL_SUMMARY:
        return None
    made = item.cdr.call_summary
    return Summary(transcription=made.transcription, summary=made.summary)


def _revisions(owed: Iterable[OwedCdr]) -> dict[tuple[UUID, int], str]:
    """The records of the revisions that are owed, by CDR and number."""
    ids = sorted({item.cdr_id for item in owed if item.revision})
    return {
        (revision.cdr_id, revision.number): revision.record
        for start in range(0, len(ids), _CHUNK)
        for revision in CdrRevision.objects.filter(cdr__in=ids[start : start + _CHUNK])
    }


def freeze(webhook: Webhook, rows: list[Delivery], now: dt.datetime) -> list[Delivery]:
    """Renders what has no request yet; returns what can be sent.

    What cannot be rendered fails by itself, with its reason: it must not hold up the
    deliveries behind it.
    """
    fresh = [row for row in rows if row.request_body is None]
    if not fresh:
        return rows
    owed = _owed(webhook, fresh)
    later = _revisions(item for items in owed.values() for item in items)
    custom_data = dict(webhook.custom_data.values_list("key", "value"))
    with_links = style(webhook.style).recording_links
    sendable = []
    for row in rows:
        try:
            if row.request_body is None:
                items = owed[row.pk]
                carried = [
                    _carried(item, later, with_links=with_links) for item in items
                ]
                tenant = carried[0].tenant_external_id if carried else ""
                freeze_request(webhook, row, carried, tenant, custom_data)
            sendable.append(row)
        except Exception as error:
            log.exception("delivery.not_rendered", delivery=str(row.pk))
            _fail(row, f"the payload could not be made: {error!r}", now)
    return sendable


def _owed(webhook: Webhook, rows: list[Delivery]) -> dict[UUID, list[OwedCdr]]:
    """What each delivery carries, read in one go: in a feed by the calls' end."""
    related = ["cdr__tenant"]
    if any(row.kind == OwedCdr.CALL_SUMMARY for row in rows):
        related.append("cdr__call_summary")
    order = ["call_end"] if style(webhook.style).bundles == "clock" else []
    found: dict[UUID, list[OwedCdr]] = defaultdict(list)
    owed = OwedCdr.objects.filter(delivery__in=rows).select_related(*related)
    for item in owed.order_by(*order, "id"):
        assert item.delivery_id is not None  # noqa: S101  it was filtered by delivery
        found[item.delivery_id].append(item)
    return found


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
            window=_window(row),
        ),
        carried,
    )
    row.request_method = rendered.method
    row.request_content_type = rendered.content_type
    row.request_body = rendered.body
    row.request_headers = rendered.headers


def _window(row: Delivery) -> Window | None:
    if row.window_start is None or row.window_end is None or row.sequence is None:
        return None
    return Window(
        start=row.window_start,
        end=row.window_end,
        sequence=row.sequence,
        late=row.late,
    )


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
