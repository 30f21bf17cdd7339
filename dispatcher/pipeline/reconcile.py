"""What a partner reconciles its own records with: counts and records by organisation.

A range is half-open on the call's end, [start, end). Counts every record of the
partner's tenants, whatever its feed sends: one a call, as it was first accepted. Reads
only, and judges no range: how far back a partner may ask is the interface's to say.

Late calls may still arrive in a range that is being read. The order (end of the call,
then id) is total, so what comes in between moves later records towards the next page:
a reader may get a record twice, but misses none that was there when it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from django.db.models import Count

from dispatcher.adapters import cdr_json
from dispatcher.models import StoredCdr
from dispatcher.values import CarriedCdr

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from dispatcher.models import Partner, Tenant

# webex.txt paginates counts beyond 200 organisations; PAYLOADS sets the records' pages.
ORGS_PER_PAGE: Final = 200
RECORDS_PER_PAGE: Final = 500

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class OrgCount:
    """How many calls of an organisation ended in the range; `org_id`: external_id."""

    org_id: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """One page of a result; `number` is 1-indexed, `total` counts over all pages."""

    items: Sequence[Item]
    number: int
    total: int
    per_page: int

    @property
    def pages(self) -> int:
        """How many pages there are; an empty result has one, which is empty."""
        return max(1, -(-self.total // self.per_page))


def count_by_org(
    partner: Partner, start: dt.datetime, end: dt.datetime, page: int
) -> Page[OrgCount]:
    """The partner's organisations with calls in the range, by `org_id`, 200 a page.

    Beyond the last page there is nothing. One range of the index `cdr_call_end` a tenant
    is read, in one query.
    """
    counted = (
        _ended_in(start, end)
        .filter(tenant__partner=partner)
        .order_by()
        .values_list("tenant__external_id")
        .annotate(count=Count("*"))
    )
    # Here, because databases sort text by their own locale.
    counts = sorted((OrgCount(*row) for row in counted), key=attrgetter("org_id"))
    skipped = (page - 1) * ORGS_PER_PAGE
    return Page(
        items=counts[skipped : skipped + ORGS_PER_PAGE],
        number=page,
        total=len(counts),
        per_page=ORGS_PER_PAGE,
    )


def records_of_org(
    tenant: Tenant, start: dt.datetime, end: dt.datetime, page: int
) -> Page[CarriedCdr]:
    """The records of an organisation's calls in the range, 500 a page.

    By the end of the call, then by id; beyond the last page there is nothing.
    """
    rows = _ended_in(start, end).filter(tenant=tenant)
    skipped = (page - 1) * RECORDS_PER_PAGE
    # Ids alone first: what is skipped is then read from the index, not from the table.
    ids = rows.order_by("call_end", "id").values_list("pk", flat=True)
    shown = list(ids[skipped : skipped + RECORDS_PER_PAGE])
    records = StoredCdr.objects.filter(pk__in=shown).order_by("call_end", "id")
    return Page(
        items=[_carried(tenant, row) for row in records],
        number=page,
        total=rows.count(),
        per_page=RECORDS_PER_PAGE,
    )


def _ended_in(start: dt.datetime, end: dt.datetime) -> QuerySet[StoredCdr]:
    return StoredCdr.objects.filter(call_end__gte=start, call_end__lt=end)


def _carried(tenant: Tenant, row: StoredCdr) -> CarriedCdr:
    return CarriedCdr(
        id=row.pk,
        cdr=cdr_json.load(row.record),
        tenant_external_id=tenant.external_id,
        tenant_zone=tenant.time_zone,
        accepted_at=row.accepted_at,
    )
