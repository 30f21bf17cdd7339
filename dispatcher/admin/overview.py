"""What the admin's first page shows: how sending goes, and what needs attention.

Every query reads an index and stops at a limit, so that the page costs the same over
ten deliveries and over ten million.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.urls import reverse

from dispatcher.admin.labels import host_of, label, owner_name
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.paging import count_text, counted_up_to
from dispatcher.admin.readonly import page_of
from dispatcher.admin.unbundled import (
    BUNDLING,
    count_unbundled,
    webhooks_with_unbundled,
)
from dispatcher.models import (
    Delivery,
    Integration,
    QuarantinedRecord,
    Source,
    Webhook,
)
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline import integrate

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from dispatcher.admin.scope import Scope

COUNTED: Final = 10_000
LISTED: Final = 10
# Failures in a row from which on a webhook is shown.
FAILING: Final = 5
DAY: Final = dt.timedelta(hours=24)
_AGE: Final = "&age=24h"
# What becomes of the calls of a webhook that is down (DESIGN: Endpoint health).
_MEANWHILE: Final = MappingProxyType(
    {
        "hold": "calls are held",
        "try": "every call is tried",
        "fail": "calls fail at once",
    }
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the overview, and the page that lists what it counts."""

    title: str
    count: str
    note: str
    link: str
    colour: str


def overview(scope: Scope, now: dt.datetime) -> dict[str, Any]:
    """The figures, webhooks that are not OK, and the latest failures, of a scope."""
    return {
        "figures": list(_figures(scope, now)),
        "troubled": _troubled(scope, now),
        "failures": _failures(scope, now),
        "stopped": _stopped(scope),
        "silent": _silent(scope, now),
    }


def _figures(scope: Scope, now: dt.datetime) -> list[Figure]:
    deliveries = _deliveries(scope)
    pending = deliveries.filter(state=Delivery.PENDING)
    waiting = Webhook.objects.filter(Webhook.holding())
    today = deliveries.filter(id__gte=first_id_at(now - DAY))
    return [
        _figure("pending", pending.exclude(webhook__in=waiting), "going out", "info"),
        _figure(
            "held", pending.filter(webhook__in=waiting), "webhook down or off", "warn"
        ),
        *_unbundled(scope),
        _figure(
            "failed", today.filter(state="failed"), "of the last 24 h", "bad", _AGE
        ),
        _figure(
            "delivered",
            today.filter(state="delivered"),
            "of the last 24 h",
            "good",
            _AGE,
        ),
        _quarantine(scope),
    ]


def _deliveries(scope: Scope) -> QuerySet[Delivery]:
    own = scope.rows("webhook__tenant", "webhook__partner")
    deliveries = Delivery.objects.filter(own, test_uid="")
    # As in the list of deliveries: there is an index of a tenant's.
    return deliveries.filter(tenant=scope.tenant) if scope.tenant else deliveries


def _figure(
    state: str, rows: QuerySet[Delivery], note: str, colour: str, age: str = ""
) -> Figure:
    count = counted_up_to(rows, COUNTED)
    link = reverse("admin:dispatcher_delivery_changelist")
    return Figure(
        title=state.capitalize(),
        count=count_text(count, COUNTED),
        note=note,
        link=f"{link}?state={state}{age}",
        colour=colour if count else "plain",
    )


def _unbundled(scope: Scope) -> list[Figure]:
    """Calls that no delivery carries yet: those that wait, and those that are held."""
    webhooks = webhooks_with_unbundled(scope.rows("tenant", "partner"))
    held = [webhook for webhook in webhooks if not webhook.active]
    waiting = [webhook for webhook in webhooks if webhook.active]
    return [
        _calls("Calls waiting", waiting, "for a batch or window", "info"),
        _calls("Calls held", held, "unbundled, webhook off", "warn"),
    ]


def _calls(title: str, webhooks: list[Webhook], note: str, colour: str) -> Figure:
    count = count_unbundled(webhooks, COUNTED)
    link = reverse("admin:dispatcher_webhook_changelist")
    return Figure(
        title=title,
        count=count_text(count, COUNTED),
        note=note,
        link=f"{link}?style__in={','.join(BUNDLING)}",
        colour=colour if count else "plain",
    )


def _quarantine(scope: Scope) -> Figure:
    own = QuarantinedRecord.objects.filter(scope.rows("tenant"))
    count = counted_up_to(own, COUNTED)
    return Figure(
        title="Quarantine",
        count=count_text(count, COUNTED),
        note="records not understood",
        link=reverse("admin:dispatcher_quarantinedrecord_changelist"),
        colour="warn" if count else "plain",
    )


def _stopped(scope: Scope) -> list[dict[str, str]]:
    """Integrations in force that should have summaries made, and have none made."""
    if not (scope.operator or scope.administrator):
        return []
    no_key = Q(openai_key="") | Q(assemblyai_key="")
    rows = list(
        Integration.objects.filter(
            scope.rows("tenant"),
            no_key | ~Q(notice=""),
            switched_on_at__isnull=False,
            call_summary=True,
        ).select_related("tenant", "user")[:LISTED]
    )
    standing = integrate.standing(rows) if rows else {}
    return [
        {
            "page": page_of(row),
            "tenant": str(row.tenant),
            "notice": integrate.summaries_notice(row),
        }
        for row in rows
        if standing[row.pk].in_force
    ]


def _silent(scope: Scope, now: dt.datetime) -> list[dict[str, Any]]:
    """Sources that have been silent for longer than is usual."""
    silent = (
        Source.objects.filter(scope.rows("tenant"), silent_since__isnull=False)
        .select_related("tenant")
        .defer("secret", "connection")
        .order_by("-silent_since")[:LISTED]
    )
    return [
        {
            "page": page_of(source),
            "name": source.name,
            "tenant": str(source.tenant),
            "pbx": source.pbx,
            "since": both(source.silent_since, now),
        }
        for source in silent
    ]


def _troubled(scope: Scope, now: dt.datetime) -> list[dict[str, Any]]:
    """Webhooks that are down or recovering, or have failed time and again."""
    webhooks = (
        Webhook.objects.filter(scope.rows("tenant", "partner"), deleted_at__isnull=True)
        .exclude(health="OK", failures_in_a_row__lt=FAILING)
        .select_related("tenant", "partner")
        .defer("secret", "previous_secret")
        .order_by("health", "-down_since", "-failures_in_a_row")[:LISTED]
    )
    return [
        {
            "page": page_of(webhook),
            "host": host_of(webhook.url),
            "style": webhook.style,
            "owner": owner_name(webhook),
            "health": label(webhook.health) if webhook.health != "OK" else "",
            "failures": webhook.failures_in_a_row,
            "since": both(webhook.down_since, now),
            "last_success": both(webhook.last_success_at, now),
            "meanwhile": _MEANWHILE[
                "try" if webhook.health == "OK" else webhook.when_down
            ],
        }
        for webhook in webhooks
    ]


def _failures(scope: Scope, now: dt.datetime) -> list[dict[str, Any]]:
    failed = (
        _deliveries(scope)
        .filter(state=Delivery.FAILED)
        .select_related("webhook")
        .only(
            "state", "last_status_code", "last_error", "ended_at",
            "webhook__url", "webhook__style",
        )[:LISTED]
    )  # fmt: skip
    return [
        {
            "page": page_of(delivery),
            "host": host_of(delivery.webhook.url),
            "style": delivery.webhook.style,
            "status": delivery.last_status_code or UNKNOWN,
            "error": delivery.last_error,
            "ended": both(delivery.ended_at, now),
        }
        for delivery in failed
    ]
