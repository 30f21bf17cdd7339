"""What the list of deliveries can be narrowed to, and how it is searched.

Every filter turns into a condition that one of Delivery's indexes serves, because the
table holds millions of rows: styles and held become lists of webhooks, dates become
bounds of ids, which sort by the time they were made. Names are looked up here and not
in the same query: PostgreSQL knows how many deliveries a webhook or a tenant has, but
not how many there are of "the tenant called so", and would walk through everybody's.
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date

from dispatcher.admin.labels import HELD
from dispatcher.admin.scope import Scope, as_uuid, scope_of
from dispatcher.admin.unfolded import DropdownFilter, RangeDateFilter
from dispatcher.models import Delivery, OwedCdr, StoredCdr, Webhook
from dispatcher.models.ids import first_id_at
from dispatcher.payloads.registry import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

ERROR_CLASSES: Final = (
    "status",
    "timeout",
    "dns",
    "connect",
    "tls",
    "reset",
    "protocol",
    "blocked",
    "interrupted",
    "down",
    "held",
    "internal",
    "cancelled",
)
STATES: Final = ("pending", HELD, "failed", "delivered", "cancelled")
AGES: Final = MappingProxyType(
    {
        "1h": ("last hour", dt.timedelta(hours=1)),
        "24h": ("last 24 hours", dt.timedelta(hours=24)),
        "7d": ("last 7 days", dt.timedelta(days=7)),
    }
)
# An id's clock and `created_at` may differ by a step of the clock.
_SLACK: Final = dt.timedelta(days=1)
# A call is in a few deliveries; a number that many calls share is cut off here.
_FOUND: Final = 500
# Webhooks that a query names one by one.
_LISTED: Final = 500


def in_state(state: str) -> Q:
    """Deliveries shown with that state; `waiting` is both pending and held."""
    pending = Q(state=Delivery.PENDING)
    if state == "waiting":
        return pending
    if state == HELD:
        return pending & of_webhooks(Webhook.holding())
    if state == Delivery.PENDING:
        return pending & of_webhooks(~Webhook.holding())
    return Q(state=state)


def of_webhooks(which: Q) -> Q:
    """Deliveries of those webhooks, which are looked up where they are not too many."""
    webhooks = Webhook.objects.filter(which).order_by().values_list("pk", flat=True)
    keys = list(webhooks[: _LISTED + 1])
    return Q(webhook__in=keys if len(keys) <= _LISTED else webhooks)


def made_between(since: dt.datetime | None, until: dt.datetime | None) -> Q:
    """Deliveries created in [since, until), by way of their ids."""
    condition = Q()
    if since is not None:
        condition &= Q(created_at__gte=since, id__gte=first_id_at(since - _SLACK))
    if until is not None:
        condition &= Q(created_at__lt=until, id__lt=first_id_at(until + _SLACK))
    return condition


class StateFilter(DropdownFilter):
    """The states that people see: held among them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """The states, and what is not over yet."""
        return [*((state, state) for state in STATES), ("waiting", "pending or held")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to the chosen state."""
        state = self.value()
        return queryset.filter(in_state(state)) if state else queryset


class WebhookFilter(DropdownFilter):
    """One webhook, by its id; any id works in the address, the newest are listed."""

    title = "webhook"
    parameter_name = "webhook"
    listed: Final = 200

    def has_output(self) -> bool:
        """Shown although there may be none to choose."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """The newest webhooks, and the chosen one."""
        own = scope_of(request).rows("tenant", "partner")
        webhooks = Webhook.objects.filter(own).only("style", "url")
        newest = list(webhooks.filter(deleted_at__isnull=True)[: self.listed])
        return [(str(webhook.pk), str(webhook)) for webhook in newest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to that webhook; to nothing if it is not the user's."""
        if not (value := self.value()):
            return queryset
        own = Webhook.objects.filter(scope_of(request).rows("tenant", "partner"))
        key = as_uuid(value)
        if key is None or not own.filter(pk=key).exists():
            return queryset.none()
        return queryset.filter(webhook=key)


class TenantFilter(DropdownFilter):
    """One tenant, by its external id."""

    title = "tenant"
    parameter_name = "tenant"

    def has_output(self) -> bool:
        """Shown although there may be none to choose."""
        return True

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Any:
        """The user's tenants by external id, the first 1,000 of them."""
        tenants = scope_of(request).tenants()
        names = tenants.values_list("external_id", flat=True)
        return [(name, name) for name in names[:1000]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to that tenant; to nothing if it is not the user's."""
        if not (value := self.value()):
            return queryset
        tenant = scope_of(request).tenants().filter(external_id=value).first()
        return queryset.none() if tenant is None else queryset.filter(tenant=tenant)


class StyleFilter(DropdownFilter):
    """Deliveries of webhooks of one payload style."""

    title = "style"
    parameter_name = "style"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """The styles that there are."""
        return [(name, name) for name in STYLES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to that style's webhooks."""
        value = self.value()
        return queryset.filter(of_webhooks(Q(style=value))) if value else queryset


class ErrorClassFilter(DropdownFilter):
    """How the last attempt failed."""

    title = "error class"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """The words of sending.classify, and those of the pipeline."""
        return [(name, name) for name in ERROR_CLASSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to it; what was delivered has none, and is not in its index."""
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(~Q(last_error_class=""), last_error_class=value)


class AgeFilter(DropdownFilter):
    """Created not longer ago than that."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """An hour, a day, a week, and today."""
        ages = [(key, text) for key, (text, _) in AGES.items()]
        return [("today", "today (UTC)"), *ages]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed by id."""
        now = timezone.now()
        value = self.value() or ""
        if value == "today":
            midnight = now.astimezone(dt.UTC).replace(
                hour=0, minute=0, second=0, microsecond=0
            )
            return queryset.filter(made_between(midnight, None))
        if value in AGES:
            return queryset.filter(made_between(now - AGES[value][1], None))
        return queryset


# Those that ids and days can be made of, whatever is added to them.
_YEARS: Final = range(1970, 9999)


class CreatedFilter(RangeDateFilter):
    """Created on days from .. to, both included, in UTC."""

    used_parameters: dict[str, Any]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed by id; a text that is no date narrows nothing."""
        since = _midnight(self.used_parameters.get("created_at_from"))
        until = _midnight(self.used_parameters.get("created_at_to"))
        if until is not None:
            until += dt.timedelta(days=1)
        return queryset.filter(made_between(since, until))


def _midnight(text: Any) -> dt.datetime | None:
    try:
        day = parse_date(str(text or ""))
    except ValueError:
        return None
    if day is None or day.year not in _YEARS:
        return None
    return dt.datetime.combine(day, dt.time(), dt.UTC)


# Search ---------------------------------------------------------------------------------


def calls_named(term: str) -> Q:
    """Calls of that uid, or from or to that number, with or without its plus sign."""
    numbers = {term, term.removeprefix("+"), f"+{term.removeprefix('+')}"}
    return Q(uid=term) | Q(caller_number__in=numbers) | Q(dialed_number__in=numbers)


def search(queryset: QuerySet[Any], text: str, scope: Scope) -> QuerySet[Any]:
    """Deliveries of that id or webhook, or that carry a call of that uid or number."""
    term = text.strip()
    if not term:
        return queryset
    if (key := as_uuid(term)) is not None:
        # One after the other: of "this or that", no index gives the newest first.
        for found in (queryset.filter(pk=key), queryset.filter(webhook=key)):
            if found.exists():
                return found
    own = StoredCdr.objects.filter(scope.rows("tenant"))
    calls = own.filter(calls_named(term)).order_by("-id")
    carried = OwedCdr.objects.filter(
        cdr__in=list(calls.values_list("pk", flat=True)[:_FOUND]),
        delivery__isnull=False,
    )
    return queryset.filter(
        pk__in=list(carried.values_list("delivery_id", flat=True)[: _FOUND * 4])
    )
