"""Decides which webhooks are owed a CDR. Reads webhooks afresh every time.

Caches nothing: a change to a webhook works for the very next call, where the
documented system takes up to 10 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Q

from dispatcher.filters.match import matches
from dispatcher.models import Webhook
from dispatcher.payloads.registry import style

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from dispatcher.models import Tenant
    from dispatcher.values import Cdr, Filter

# Workspaces are in the billing feed, whoever sold their licence (webex.txt).
PLACE: Final = "Place"


@dataclass(frozen=True, slots=True)
class Route:
    """A webhook as routing sees it."""

    webhook_id: UUID
    bundles: str
    billing: bool
    filters: tuple[Filter, ...]
    on_update: bool
    takes_calls: bool
    sends_now: bool


def webhooks_of(tenant: Tenant) -> Q:
    """The tenant's own webhooks and those of its partner, without deleted ones."""
    own = Q(tenant_id=tenant.pk)
    if tenant.partner_id is not None:
        own |= Q(partner_id=tenant.partner_id)
    return own & Q(deleted_at__isnull=True)


def routes_of(tenant: Tenant) -> list[Route]:
    """Every route that a call of this tenant may take, in two queries."""
    webhooks = Webhook.objects.filter(webhooks_of(tenant)).prefetch_related("filters")
    return [
        Route(
            webhook_id=webhook.pk,
            bundles=style(webhook.style).bundles,
            billing=takes_billed_only(webhook),
            filters=tuple(condition.as_value() for condition in webhook.filters.all()),
            on_update=webhook.on_update,
            takes_calls=webhook.active or webhook.when_disabled == "hold",
            sends_now=webhook.active,
        )
        for webhook in webhooks.defer("secret", "previous_secret")
    ]


def wanted_by(cdr: Cdr, routes: Sequence[Route]) -> list[Route]:
    """The routes whose filters all hold; those that drop it are among them."""
    return [
        route
        for route in routes
        if matches(cdr, route.filters) and (not route.billing or is_billed(cdr))
    ]


def takes_billed_only(webhook: Webhook) -> bool:
    """Whether it is a feed of the resource "billing"."""
    return webhook.style == "feed" and webhook.resource == "billing"


def is_billed(cdr: Cdr) -> bool:
    """Whether the billing feed has it: sold by the partner, or a workspace's."""
    return cdr.sold_by_partner is True or cdr.user_type == PLACE
