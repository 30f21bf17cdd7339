"""The list of webhooks: where they go to, how they are, what waits for them.

Hides deleted ones; secrets stay in the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import Count, F, IntegerField, OuterRef, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.labels import host_of, label, owner_name
from dispatcher.admin.moments import both
from dispatcher.admin.paging import count_text
from dispatcher.admin.scope import ScopedAdmin
from dispatcher.admin.unbundled import unbundled_of
from dispatcher.admin.unfolded import ModelAdmin
from dispatcher.models import Delivery, Webhook

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

COUNTED_PENDING: Final = 1_000
OWNER: Final = ("tenant", "partner")


def pending_of(webhook: str = "pk") -> Subquery:
    """How many deliveries a webhook has pending, at most COUNTED_PENDING + 1."""
    some = Delivery.objects.filter(
        webhook=OuterRef(OuterRef(webhook)), state=Delivery.PENDING
    ).order_by()
    counted = (
        Delivery.objects.filter(pk__in=some.values("pk")[: COUNTED_PENDING + 1])
        .order_by()
        .values(one=F("state"))
        .annotate(count=Count("pk"))
    )
    return Subquery(counted.values("count"), output_field=IntegerField())


def state_labels(webhook: Webhook) -> SafeString:
    """Health, `off` where it is not active, `slow lane` where it is in that."""
    off = label("off", "warn") if not webhook.active else ""
    slow = label("slow lane", "warn") if webhook.lane == "slow" else ""
    return format_html("{} {} {}", label(webhook.health), off, slow)


class WebhookList(ScopedAdmin, ModelAdmin):
    """The columns, and what can be narrowed and searched."""

    tenant_path = "tenant"
    partner_path = "partner"
    administrators_may = frozenset({"add", "change", "delete"})
    list_display = (
        "goes_to",
        "owner",
        "kind",
        "state",
        "pending",
        "succeeded",
        "failed",
    )
    list_filter = ("style", "active", "health", "lane")
    list_select_related = ("tenant", "partner")
    search_fields = ("url", "tenant__external_id", "tenant__name")
    search_help_text = "Part of the URL, tenant"
    autocomplete_fields = OWNER
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        """Without deleted ones; secrets stay in the database."""
        webhooks: QuerySet[Webhook] = super().get_queryset(request)
        return (
            webhooks.filter(deleted_at__isnull=True)
            .defer("secret", "previous_secret")
            .annotate(
                pending_count=pending_of(),
                unbundled_count=unbundled_of(COUNTED_PENDING),
            )
        )

    @admin.display(description="URL")
    def goes_to(self, webhook: Webhook) -> SafeString:
        """Host over path; the whole URL is on its page."""
        host = host_of(webhook.url)
        rest = webhook.url.partition(host)[2]
        return format_html(
            '<strong>{}</strong><br><span class="cdr-fine cdr-break">{}</span>',
            host,
            rest,
        )

    @admin.display(description="Belongs to")
    def owner(self, webhook: Webhook) -> SafeString:
        """The tenant's id or the partner's name."""
        kind = "tenant" if webhook.tenant_id else "partner"
        return format_html(
            '{}<br><span class="cdr-fine">{}</span>', owner_name(webhook), kind
        )

    @admin.display(description="Style")
    def kind(self, webhook: Webhook) -> SafeString:
        """Style over method and format."""
        return format_html(
            '{}<br><span class="cdr-fine">{} {}</span>',
            webhook.style,
            webhook.method,
            webhook.format,
        )

    @admin.display(description="State")
    def state(self, webhook: Webhook) -> SafeString:
        """Health, whether it is switched off, and its lane where that is slow."""
        return state_labels(webhook)

    @admin.display(description="Pending")
    def pending(self, webhook: Any) -> SafeString:
        """Their number, with a link to them; the calls that no delivery carries yet."""
        unbundled = webhook.unbundled_count or 0
        return format_html(
            '<a href="{}?state=waiting&amp;webhook={}">{}</a>{}',
            reverse("admin:dispatcher_delivery_changelist"),
            webhook.pk,
            count_text(webhook.pending_count or 0, COUNTED_PENDING),
            format_html(
                '<br><span class="cdr-fine">{} not bundled</span>',
                count_text(unbundled, COUNTED_PENDING),
            )
            if unbundled
            else "",
        )

    @admin.display(description="Last success")
    def succeeded(self, webhook: Webhook) -> str:
        """When a delivery last arrived."""
        return both(webhook.last_success_at, timezone.now())

    @admin.display(description="Last failure")
    def failed(self, webhook: Webhook) -> str:
        """When an attempt last failed."""
        return both(webhook.last_failure_at, timezone.now())
