"""The page "Balance": what a tenant's day brought, and whether it adds up, by hour.

Reads only. Shows what is in the user's scope; a tenant of somebody else's is answered
as one that there is not.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date

from dispatcher.admin.labels import host_of
from dispatcher.admin.scope import scope_of
from dispatcher.pipeline import balance as balancing
from dispatcher.pipeline.tally import hour_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import HttpRequest

    from dispatcher.admin.scope import Scope
    from dispatcher.admin.unfolded import AdminSite
    from dispatcher.models import Tenant
    from dispatcher.pipeline.balance import AtWebhook, Hour

LISTED: Final = 1000
# Days that hours can be counted of, whatever is added to them.
_YEARS: Final = range(1971, 9999)
_RECORDS: Final = ("received", *balancing.RECEIVED)
# What became of records at webhooks: as the page names it, and the state that a list of
# deliveries can be narrowed to.
_STATES: Final = {
    "delivered": "delivered",
    "failed": "failed",
    "held": "held",
    "cancelled": "cancelled",
    "pending": "pending",
    "waiting": "",
    "late": "",
}


def balance_page(request: HttpRequest, site: AdminSite) -> TemplateResponse:
    """The page; `?tenant=`, `&day=` and `&hour=` say what it is about."""
    scope, now = scope_of(request), timezone.now()
    day, hour = _day(request.GET.get("day", ""), now), _hour(request.GET.get("hour"))
    tenants = list(scope.tenants().order_by("external_id")[:LISTED])
    tenant = _tenant(scope, tenants, request.GET.get("tenant"))
    context = {
        **site.each_context(request),
        "title": "Balance",
        "tenants": [one.external_id for one in tenants],
        "tenant": tenant,
        "asked": "tenant" in request.GET,
        "day": day,
        "hour": hour,
        "before": day - dt.timedelta(days=1),
        "after": day + dt.timedelta(days=1),
    }
    if tenant is not None:
        context |= _told(scope, tenant, day, hour)
    return TemplateResponse(request, "admin/balance.html", context)


def _day(text: str, now: dt.datetime) -> dt.date:
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        return now.astimezone(dt.UTC).date()
    return day


def _hour(text: str | None) -> int | None:
    return int(text) if text in {str(hour) for hour in range(24)} else None


def _tenant(scope: Scope, listed: list[Tenant], name: str | None) -> Tenant | None:
    if name:
        return scope.tenants().filter(external_id=name).first()
    return listed[0] if len(listed) == 1 else None


def _told(
    scope: Scope, tenant: Tenant, day: dt.date, hour: int | None
) -> dict[str, Any]:
    midnight = hour_at(dt.datetime.combine(day, dt.time(), dt.UTC))
    since, until = (
        (midnight, midnight + 24)
        if hour is None
        else (midnight + hour, midnight + hour + 1)
    )
    seen = None if scope.operator else scope.rows("tenant", "partner")
    told = balancing.balance(tenant, since, until, seen=seen)
    return {
        "columns": [*map(str.capitalize, _RECORDS), *_AT_WEBHOOKS],
        "rows": [_row(one) for one in told.hours],
        "totals": _row(told.totals),
        "legs_waiting": told.legs_waiting,
        "webhooks": [_webhook(one, tenant, day) for one in told.totals.webhooks],
    }


# Hours ----------------------------------------------------------------------------------

_AT_WEBHOOKS: Final = (
    *("Matched", "Filtered out", "Dropped", "Delivered", "Failed", "Held"),
    *("Cancelled", "Pending", "Left out", "Gone"),
)


def _row(hour: Hour) -> dict[str, Any]:
    """One hour; of webhooks, all of them together."""
    return {
        "began": hour.hour,
        "numbers": [
            *(hour.records[name] for name in _RECORDS),
            *_of_webhooks(hour.webhooks),
        ],
        "balanced": hour.balanced,
        "differences": hour.differences,
    }


def _of_webhooks(webhooks: Iterable[AtWebhook]) -> list[int]:
    its = list(webhooks)

    def fate(name: str) -> int:
        return sum(one.fates[name] for one in its)

    def state(*names: str) -> int:
        return sum(one.states[name] for one in its for name in names)

    return [
        fate("matched"),
        sum(_sum(one.filtered) for one in its) + fate("not_billed"),
        fate("dropped"),
        *(state(name) for name in ("delivered", "failed", "held", "cancelled")),
        state("pending", "waiting"),
        state("late"),
        sum(_sum(one.gone) for one in its),
    ]


def _sum(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


# Webhooks -------------------------------------------------------------------------------


# Why a webhook got none of what no filter kept out.
_WHY: Final = {
    "dropped": "dropped: it was off",
    "not_billed": "not in the billing feed",
    "not_updated": "changes, which it does not want",
}


def _webhook(its: AtWebhook, tenant: Tenant, day: dt.date) -> dict[str, Any]:
    host = host_of(its.url)
    return {
        "host": host,
        "rest": its.url.partition(host)[2],
        "page": ""
        if its.is_deleted
        else reverse("admin:dispatcher_webhook_change", args=[its.webhook]),
        "considered": its.considered,
        "not_considered": its.not_considered,
        "matched": its.fates["matched"],
        "filtered": sorted(its.filtered.items()),
        "kept_out": [(why, its.fates[fate]) for fate, why in _WHY.items()],
        "states": [
            (name, count, _link(its, tenant, day, _STATES[name]) if count else "")
            for name, count in its.states.items()
        ],
        "gone": sorted(its.gone.items()),
    }


def _link(its: AtWebhook, tenant: Tenant, day: dt.date, state: str) -> str:
    """The list of the deliveries that were made that day; "" where there are none yet."""
    if not state:
        return ""
    query = urlencode(
        {
            "webhook": its.webhook,
            "tenant": tenant.external_id,
            "state": state,
            "created_at_from": day,
            "created_at_to": day,
        }
    )
    return f"{reverse('admin:dispatcher_delivery_changelist')}?{query}"
