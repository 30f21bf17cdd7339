"""Decides which webhooks are owed a CDR. Reads webhooks afresh every time.

Caches nothing: a change to a webhook works for the very next call, where the
documented system takes up to 10 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q

from dispatcher.filters.match import first_failing, tests_of
from dispatcher.models import Webhook
from dispatcher.payloads.registry import style
from dispatcher.values import Filter

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from dispatcher.filters.conditions import Test
    from dispatcher.models import Tenant
    from dispatcher.values import Cdr

    Fate = str | Test

# Workspaces are in the billing feed, whoever sold their licence (webex.txt).
PLACE: Final = "Place"
# What becomes of a record at a webhook, other than that one of its filters fails:
# dropped is what it would have got if it were switched on.
MATCHED: Final = "matched"
DROPPED: Final = "dropped"
NOT_BILLED: Final = "not_billed"
NOT_UPDATED: Final = "not_updated"
# Of a webhook and, of those that it has, one filter.
_COLUMNS: Final = (
    *("pk", "style", "resource", "on_update", "active", "when_disabled", "lane"),
    *("health", "when_down"),
    *("filters__field", "filters__op", "filters__value"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A webhook as routing sees it; `tests` are its filters, compiled, in their order.

    Each is itself alone: what becomes of calls is counted by it, a hundred times a call.
    """

    webhook_id: UUID
    bundles: str
    billing: bool
    filters: tuple[Filter, ...]
    tests: tuple[Test, ...]
    on_update: bool
    takes_calls: bool
    sends_now: bool
    lane: str


def webhooks_of(tenant: Tenant) -> Q:
    """The tenant's own webhooks and those of its partner, without deleted ones."""
    own = Q(tenant_id=tenant.pk)
    if tenant.partner_id is not None:
        own |= Q(partner_id=tenant.partner_id)
    return own & Q(deleted_at__isnull=True)


def routes_of(tenant: Tenant) -> list[Route]:
    """Every route that a call of this tenant may take, in one query.

    Reads values and makes no models: with ten webhooks they cost more than the query.
    """
    return _routes(Webhook.objects.filter(webhooks_of(tenant)))


def route_of(webhook_id: UUID) -> Route:
    """The route of one webhook, which is there."""
    (route,) = _routes(Webhook.objects.filter(pk=webhook_id))
    return route


def _routes(webhooks: QuerySet[Webhook]) -> list[Route]:
    rows = webhooks.order_by("pk", "filters__id").values_list(*_COLUMNS)
    filters: dict[tuple[Any, ...], list[Filter]] = {}
    for row in rows:
        webhook, condition = row[:-3], row[-3:]
        of_this = filters.setdefault(webhook, [])
        if condition[0] is not None:
            of_this.append(Filter(*condition))
    return [_route(webhook, tuple(its)) for webhook, its in filters.items()]


def _route(webhook: tuple[Any, ...], filters: tuple[Filter, ...]) -> Route:
    webhook_id, style_name, resource, on_update, *state = webhook
    active, when_disabled, lane, health, when_down = state
    return Route(
        webhook_id=webhook_id,
        bundles=style(style_name).bundles,
        billing=_billed_only(style_name, resource),
        filters=filters,
        tests=tests_of(filters),
        on_update=on_update,
        takes_calls=active or when_disabled == "hold",
        # What is held gives nothing to do: the sweep has it probed.
        sends_now=active and (health != "DOWN" or when_down != "hold"),
        lane=lane,
    )


def fate_of(cdr: Cdr, route: Route, *, is_revision: bool) -> Fate:
    """What becomes of a record at a webhook; one word, or the test that it fails first.

    Revisions are asked of no filter where the webhook does not want any.
    """
    if is_revision and not route.on_update:
        return NOT_UPDATED
    failing = first_failing(cdr, route.tests)
    if failing is not None:
        return failing
    if route.billing and not is_billed(cdr):
        return NOT_BILLED
    return MATCHED if route.takes_calls else DROPPED


def takes_billed_only(webhook: Webhook) -> bool:
    """Whether it is a feed of the resource "billing"."""
    return _billed_only(webhook.style, webhook.resource)


def _billed_only(style_name: str, resource: str) -> bool:
    return style_name == "feed" and resource == "billing"


def is_billed(cdr: Cdr) -> bool:
    """Whether the billing feed has it: sold by the partner, or a workspace's."""
    return cdr.sold_by_partner is True or cdr.user_type == PLACE
