"""Deliveries by HTTP: listed, looked up, sent again, cancelled."""

import base64
import binascii
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.api.auth import ApiRequest, Bearer, Caller, TenantName
from dispatcher.api.problems import Problem, at_fault, not_found
from dispatcher.api.shapes import (
    HELD,
    DeliveryJson,
    Moment,
    delivery_json,
    page_json,
    uuid_in_path,
    with_parts,
)
from dispatcher.models import Delivery, Partner
from dispatcher.pipeline import resend

router = Router(tags=["Deliveries"])

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
# A delivery carries up to thousands of calls; a page that names so many ends early.
MOST_UIDS: Final = 20_000

State = Literal["pending", "held", "delivered", "failed", "cancelled"]


class PageJson(BaseModel):
    """A page of deliveries, newest first; `next` is the next page's cursor."""

    items: list[DeliveryJson]
    next: str | None


class Chosen(BaseModel):
    """What a list of deliveries is narrowed to."""

    webhook: UUID | None = None
    state: list[State] = []
    since: Moment | None = None
    cursor: str | None = None
    limit: Annotated[int, Query(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/api/v1/deliveries",
    auth=Bearer("read"),
    response=PageJson,
    summary="List deliveries",
)
def list_deliveries(
    request: ApiRequest, chosen: Query[Chosen], tenant: TenantName = None
) -> dict[str, Any]:
    """Newest first; test calls are left out. `held` is pending at a webhook at rest.

    A page ends early, with `next`, where it would name more than 20,000 calls; it has
    one delivery at least, however many calls that carries.
    """
    rows = _listed(request.auth, tenant, chosen.webhook).filter(test_uid="")
    if chosen.webhook is not None:
        rows = rows.filter(webhook=chosen.webhook)
    if chosen.state:
        rows = rows.filter(_in_states(chosen.state))
    if chosen.since is not None:
        rows = rows.filter(created_at__gte=chosen.since)
    if chosen.cursor is not None:
        rows = rows.filter(pk__lt=_position(chosen.cursor))
    # One more than is shown tells whether there is a next page.
    page = list(with_parts(rows).order_by("-id")[: chosen.limit + 1])
    items = page_json(page[: chosen.limit], MOST_UIDS)
    last = page[len(items) - 1] if len(items) < len(page) else None
    return {"items": items, "next": _cursor(last) if last is not None else None}


@router.get(
    "/api/v1/deliveries/{delivery_id}",
    auth=Bearer("read"),
    response=DeliveryJson,
    summary="Look up a delivery",
)
def get_delivery(
    request: ApiRequest, delivery_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """By its id, which is the `webhook-id` that the receiver saw."""
    return delivery_json(_one(request.auth, tenant, delivery_id))


@router.post(
    "/api/v1/deliveries/{delivery_id}/redeliver",
    auth=Bearer("manage"),
    response={202: DeliveryJson},
    summary="Send a delivery again",
)
def redeliver(
    request: ApiRequest, delivery_id: str, tenant: TenantName = None
) -> Status[dict[str, Any]]:
    """The same webhook-id and the same bytes; tries start anew. 409 while pending."""
    delivery = _one(request.auth, tenant, delivery_id)
    webhook_id = resend.redeliver(delivery.pk, timezone.now())
    if webhook_id is None:
        raise Problem(
            409,
            "It is pending already, was a test call, what it carried was erased, or its"
            " webhook is deleted.",
        )
    tasks.wake_up([webhook_id])
    return Status(202, delivery_json(_one(request.auth, tenant, delivery_id)))


@router.post(
    "/api/v1/deliveries/{delivery_id}/cancel",
    auth=Bearer("manage"),
    response={202: DeliveryJson},
    summary="Cancel a delivery",
)
def cancel(
    request: ApiRequest, delivery_id: str, tenant: TenantName = None
) -> Status[dict[str, Any]]:
    """Gives a pending or held delivery up. 409 in every other state."""
    delivery = _one(request.auth, tenant, delivery_id)
    if not resend.cancel(delivery.pk, timezone.now()):
        raise Problem(409, "Only a pending or held delivery can be cancelled.")
    return Status(202, delivery_json(_one(request.auth, tenant, delivery_id)))


# Whose deliveries -------------------------------------------------------------------


def _of_owner(caller: Caller, tenant: str | None) -> QuerySet[Delivery]:
    """What a caller may see; without a tenant's name, of a partner's own webhooks."""
    owner = caller.owner_named(tenant)
    if isinstance(owner, Partner):
        return Delivery.objects.filter(webhook__partner=owner)
    # What a partner's webhook sends is none of the tenant's business.
    senders = Q(webhook__tenant=owner)
    if caller.partner is not None:
        senders |= Q(webhook__partner=caller.partner)
    return Delivery.objects.filter(senders, tenant=owner)


def _listed(
    caller: Caller, tenant: str | None, webhook: UUID | None
) -> QuerySet[Delivery]:
    """As `_of_owner`; a partner names the tenant, or one of its own webhooks."""
    partner = caller.partner
    if partner is not None and tenant is None:
        own = webhook is not None and partner.webhooks.filter(pk=webhook).exists()
        if not own:
            caller.tenant_named(None)
    return _of_owner(caller, tenant)


def _one(caller: Caller, tenant: str | None, delivery_id: str) -> Delivery:
    key = uuid_in_path(delivery_id)
    delivery = with_parts(_of_owner(caller, tenant)).filter(pk=key).first()
    if delivery is None:
        raise not_found()
    return delivery


def _in_states(states: list[State]) -> Q:
    wanted = Q(state__in=[state for state in states if state not in _RESTING])
    if "held" in states:
        wanted |= HELD
    if "pending" in states:
        wanted |= Q(state=Delivery.PENDING) & ~HELD
    return wanted


_RESTING: Final = frozenset({"held", "pending"})


# Pages ------------------------------------------------------------------------------


def _cursor(last: Delivery) -> str:
    return base64.urlsafe_b64encode(last.pk.bytes).decode().rstrip("=")


def _position(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(f"{cursor}=="))
    except (binascii.Error, ValueError):
        raise at_fault("cursor", "is none of ours: pass on what `next` said") from None
