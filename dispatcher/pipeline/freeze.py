"""Renders the requests of deliveries that have none yet.

From then on every try sends the same bytes. Decides nothing else, and saves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, cast

import structlog

from dispatcher.adapters import cdr_json
from dispatcher.models import CallSummary, CdrRevision, OwedCdr
from dispatcher.models.encryption import readable
from dispatcher.models.fixed import SIZES, FixedQuery, chunked_rows, some_ids
from dispatcher.payloads.registry import style
from dispatcher.pipeline.recording import recording_url
from dispatcher.privacy.allow import allowed_of, only_allowed
from dispatcher.privacy.mask import masked
from dispatcher.values import CarriedCdr, Masking, Subscription, Summary, Window

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from dispatcher.models import Delivery, Webhook
    from dispatcher.values import Format, Method, RenderedRequest

log = structlog.get_logger(__name__)

# SQLite takes 999 parameters a statement.
_CHUNK: Final = 900


class Row(Protocol):
    """What rendering needs of a delivery: a model's row, or what was read of it."""

    @property
    def id(self) -> UUID: ...
    @property
    def window_start(self) -> dt.datetime | None: ...
    @property
    def window_end(self) -> dt.datetime | None: ...
    @property
    def sequence(self) -> int | None: ...
    @property
    def late(self) -> bool: ...


class _Owed(NamedTuple):
    """What a delivery carries of one call, as `_COLUMNS` are read."""

    delivery_id: UUID | None
    cdr_id: UUID
    revision: int
    kind: str
    record: str
    accepted_at: dt.datetime
    tenant_id: UUID
    tenant_external_id: str
    tenant_zone: str


_COLUMNS: Final = (
    "delivery_id",
    "cdr_id",
    "revision",
    "kind",
    "cdr__record",
    "cdr__accepted_at",
    "cdr__tenant_id",
    "cdr__tenant__external_id",
    "cdr__tenant__time_zone",
)


def carried_by(
    owed: Sequence[OwedCdr], *, with_links: bool = False
) -> list[CarriedCdr]:
    """The CDRs that are owed, in that order, each in the revision that is owed.

    `with_links`: with the links to their recordings.
    """
    items = [_as_read(item) for item in owed]
    extras = _extras_of(items)
    return [_carried(item, extras, with_links=with_links) for item in items]


def _as_read(item: OwedCdr) -> _Owed:
    cdr, tenant = item.cdr, item.cdr.tenant
    return _Owed(
        item.delivery_id,
        item.cdr_id,
        item.revision,
        item.kind,
        cdr.record,
        cdr.accepted_at,
        tenant.pk,
        tenant.external_id,
        tenant.time_zone,
    )


@dataclass(frozen=True, slots=True)
class _Extras:
    """What only some calls have: later revisions, and summaries."""

    revisions: Mapping[tuple[UUID, int], str]
    summaries: Mapping[UUID, Summary]


def _extras_of(items: Sequence[_Owed]) -> _Extras:
    return _Extras(_revisions(items), _summaries(items))


def _carried(item: _Owed, extras: _Extras, *, with_links: bool) -> CarriedCdr:
    later = extras.revisions.get((item.cdr_id, item.revision))
    cdr = cdr_json.load(later or item.record)
    is_summary = item.kind == OwedCdr.CALL_SUMMARY
    return CarriedCdr(
        id=item.cdr_id,
        cdr=cdr,
        tenant_external_id=item.tenant_external_id,
        tenant_zone=item.tenant_zone,
        accepted_at=item.accepted_at,
        recording_url=recording_url(item.tenant_id, cdr) if with_links else "",
        summary=extras.summaries[item.cdr_id] if is_summary else None,
    )


def _summaries(items: Iterable[_Owed]) -> dict[UUID, Summary]:
    ids = sorted({i.cdr_id for i in items if i.kind == OwedCdr.CALL_SUMMARY})
    return {
        made.cdr_id: Summary(transcription=made.transcription, summary=made.summary)
        for start in range(0, len(ids), _CHUNK)
        for made in CallSummary.objects.filter(cdr__in=ids[start : start + _CHUNK])
    }


def _revisions(owed: Iterable[_Owed]) -> dict[tuple[UUID, int], str]:
    """The records of the revisions that are owed, by CDR and number."""
    ids = sorted({item.cdr_id for item in owed if item.revision})
    return {
        (revision.cdr_id, revision.number): revision.record
        for start in range(0, len(ids), _CHUNK)
        for revision in CdrRevision.objects.filter(cdr__in=ids[start : start + _CHUNK])
    }


@dataclass(frozen=True, slots=True)
class Contents:
    """What deliveries carry."""

    owed: Mapping[UUID, list[_Owed]]
    extras: _Extras


def contents_of(deliveries: Sequence[UUID], *, by_call_end: bool = False) -> Contents:
    """Reads what deliveries carry in one go; `by_call_end`: in that order."""
    owed: dict[UUID, list[_Owed]] = defaultdict(list)
    query = partial(_owed_query, by_call_end)
    for item in map(_Owed._make, chunked_rows(query, deliveries)):
        assert item.delivery_id is not None  # noqa: S101  it was filtered by delivery
        owed[item.delivery_id].append(item)
    return Contents(
        owed, _extras_of([item for items in owed.values() for item in items])
    )


def requests_of(
    webhook: Webhook,
    rows: Sequence[Row],
    contents: Contents,
    custom_data: Mapping[str, str],
) -> tuple[dict[UUID, RenderedRequest], dict[UUID, str]]:
    """The requests of deliveries that have none yet, and why others cannot be made."""
    with_links = style(webhook.style).recording_links
    requests: dict[UUID, RenderedRequest] = {}
    refused: dict[UUID, str] = {}
    for row in rows:
        try:
            carried = [
                _carried(item, contents.extras, with_links=with_links)
                for item in contents.owed.get(row.id, ())
            ]
            tenant = carried[0].tenant_external_id if carried else ""
            requests[row.id] = rendered(webhook, row, carried, tenant, custom_data)
        except Exception as error:
            log.exception("delivery.not_rendered", delivery=str(row.id))
            refused[row.id] = f"the payload could not be made: {error!r}"
    return requests, refused


@lru_cache(maxsize=2 * len(SIZES))
def _owed_query(by_call_end: bool, size: int) -> FixedQuery:
    order = ["call_end"] if by_call_end else []

    def build(*ids: UUID) -> QuerySet[Any, Any]:
        owed = OwedCdr.objects.filter(delivery__in=ids)
        return owed.order_by(*order, "id").values_list(*_COLUMNS)

    return FixedQuery(build, *some_ids(size))


def rendered(
    webhook: Webhook,
    row: Row,
    carried: Sequence[CarriedCdr],
    tenant_external_id: str,
    custom_data: Mapping[str, str],
) -> RenderedRequest:
    """The request of a delivery; raises what its style does.

    What the webhook's receiver may not see is taken out first; its filters saw it.
    """
    shown = None
    if webhook.allowed_fields:
        allowed = allowed_of(tuple(webhook.allowed_fields))
        carried, shown = [only_allowed(one, allowed) for one in carried], allowed.shown
    if webhook.mask:
        masking = _masking(webhook)
        carried = [masked(one, masking) for one in carried]
    return style(webhook.style).render(
        Subscription(
            webhook_id=webhook.pk,
            tenant_external_id=tenant_external_id,
            method=cast("Method", webhook.method),
            format=cast("Format", webhook.format),
            custom_data=dict(custom_data),
            window=_window(row),
            shown=shown,
        ),
        carried,
    )


def _masking(webhook: Webhook) -> Masking:
    """Raises UndecryptableError where no configured key fits the webhook's own."""
    return Masking(
        mask=cast("Literal['digits', 'hash']", webhook.mask),
        digits=webhook.mask_digits,
        key=readable(webhook.mask_key),
    )


def keep_request(row: Delivery, request: RenderedRequest) -> None:
    """Puts a request into a delivery in memory; saves nothing."""
    row.request_method = request.method
    row.request_content_type = request.content_type
    row.request_body = request.body
    row.request_headers = request.headers


def _window(row: Row) -> Window | None:
    if row.window_start is None or row.window_end is None or row.sequence is None:
        return None
    return Window(
        start=row.window_start,
        end=row.window_end,
        sequence=row.sequence,
        late=row.late,
    )
