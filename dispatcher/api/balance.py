"""The balance by HTTP: what came in, what became of it, and whether that adds up."""

from typing import Any

from django.db.models import Q
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel

from dispatcher.api.auth import ApiRequest, Bearer, Caller, TenantName
from dispatcher.api.problems import at_fault
from dispatcher.api.shapes import Moment, MomentText
from dispatcher.models import Tenant
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.statement import RangeRefusedError, hours_asked, statement

router = Router(tags=["Balance"])


class FilteredJson(BaseModel):
    """How many records a filter, `field:op:value`, was the first to keep out."""

    filter: str
    count: int


class AtWebhookJson(BaseModel):
    """What became of records at one webhook.

    considered = matched + dropped + not_billed + not_updated + filtered, and matched =
    delivered + failed + held + cancelled + pending + waiting + late + gone. `gone` is by
    state: records that have been deleted since.
    """

    webhook: str
    url: str
    deleted: bool
    considered: int
    not_considered: int
    matched: int
    dropped: int
    not_billed: int
    not_updated: int
    filtered: list[FilteredJson]
    delivered: int
    failed: int
    held: int
    cancelled: int
    pending: int
    waiting: int
    late: int
    gone: dict[str, int]


class GoneJson(BaseModel):
    """Calls and revisions that have been deleted since."""

    calls: int
    revisions: int


class DifferenceJson(BaseModel):
    """What does not add up: as counted when it came in, and as found now."""

    what: str
    webhook: str | None
    counted: int
    found: int


class TotalsJson(BaseModel):
    """Records: received = accepted + revised + duplicates + joined + rejected + quarantined.

    `joined` are legs that are part of a call with others. `revisions` are of the hour's calls, whenever they came. `balanced` is null for hours
    before this version counted.
    """

    received: int
    accepted: int
    revised: int
    duplicates: int
    joined: int
    rejected: int
    quarantined: int
    revisions: int
    gone: GoneJson
    webhooks: list[AtWebhookJson]
    balanced: bool | None
    difference: list[DifferenceJson]


class HourJson(TotalsJson):
    """An hour, by the time in UTC at which it began."""

    hour: MomentText


class BalanceJson(BaseModel):
    """The hours in which something came, the earliest first, and their totals.

    `legs_waiting` are legs, whenever they came, that count as received when their call
    is joined.
    """

    tenant: str
    since: MomentText
    until: MomentText
    hours: list[HourJson]
    totals: TotalsJson
    legs_waiting: int


class Range(BaseModel):
    """The hours that these moments touch; at most 31 days."""

    since: Moment | None = None
    until: Moment | None = None


@router.get(
    "/api/v1/balance",
    auth=Bearer("read"),
    response=BalanceJson,
    summary="Whether what came in and what became of it add up",
)
def get_balance(
    request: ApiRequest, asked: Query[Range], tenant: TenantName = None
) -> dict[str, Any]:
    """By hour; without a range, of the last 24. docs/balance.md explains each number.

    A tenant's token sees the tenant's own webhooks, a partner's token the partner's as
    well.
    """
    owner = request.auth.tenant_named(tenant)
    try:
        since, until = hours_asked(asked.since, asked.until, timezone.now())
    except RangeRefusedError as refused:
        raise at_fault(refused.error.field, refused.error.message) from None
    told = balance(owner, since, until, seen=_seen(request.auth, owner))
    return statement(owner, told, since, until)


def _seen(caller: Caller, owner: Tenant) -> Q:
    """What a partner's webhooks get is none of its tenants' business."""
    seen = Q(tenant=owner)
    if caller.partner is not None:
        seen |= Q(partner=caller.partner)
    return seen
