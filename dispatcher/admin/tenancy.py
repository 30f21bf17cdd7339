"""Tenants and partners. Whoever has calls or webhooks is not deleted here.

A partner's administrators make and change its tenants; what was agreed with the partner
(how many webhooks a tenant may have) and to whom a tenant belongs is the operator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from dispatcher.admin import erasing
from dispatcher.admin.scope import ScopedAdmin, scope_of
from dispatcher.admin.unfolded import ModelAdmin
from dispatcher.models import Delivery, Partner, Source, StoredCdr, Tenant, Webhook

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from django.db.models import Model
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

# Of all tenants there are no two with the same.
TAKEN: Final = "This external id cannot be used; choose another one."
# Of a tenant, what only operators set.
OPERATORS_ONLY: Final = frozenset({"partner", "max_webhooks"})


class OwnerAdmin(ScopedAdmin, ModelAdmin):
    """What tenants and partners have in common: deleting one must lose nothing."""

    list_per_page = 50
    list_fullwidth = True
    actions = None

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Only while nothing belongs to it: everything would go with it."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or not self.owns_something(obj))

    def owns_something(self, obj: Any) -> bool:
        """True if there is anything that would be lost."""
        raise NotImplementedError


def _shown(request: HttpRequest, names: Any, hidden: AbstractSet[str]) -> Any:
    """`names`, for members without the hidden ones."""
    if scope_of(request).operator:
        return names
    return tuple(name for name in names if name not in hidden)


def _webhooks_link(column: str, key: object) -> SafeString:
    address = reverse("admin:dispatcher_webhook_changelist")
    return format_html(
        '<a class="cdr-link" href="{}?{}__id__exact={}">webhooks</a>',
        address,
        column,
        key,
    )


@admin.register(Tenant)
class TenantAdmin(OwnerAdmin):
    """Customer organisations."""

    tenant_path = "pk"
    administrators_may = frozenset({"add", "change"})
    list_display = ("external_id", "name", "partner", "time_zone", "max_webhooks", "to")
    list_select_related = ("partner",)
    search_fields = ("external_id", "name")
    search_help_text = "External id or name"
    autocomplete_fields = ("partner",)
    fields = (
        "external_id",
        "name",
        "partner",
        "time_zone",
        "max_webhooks",
        "recording_link_hours",
        "keep_cdrs_hours",
        "keep_deliveries_hours",
        "keep_quarantine_hours",
        "keep_recordings_hours",
    )

    def may(self, request: HttpRequest, verb: str) -> bool:
        """A tenant's own administrators only see it."""
        theirs = scope_of(request).tenant is None or verb == "view"
        return theirs and super().may(request, verb)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without the partner where that is known, or none of the user's business."""
        shown = _shown(request, self.list_display, {"partner"})
        return (*shown, "erase") if erasing.may_erase(request) else shown

    def get_urls(self) -> list[URLPattern]:
        """The page that erases a number is below its tenant's."""
        return [erasing.pattern(self), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Without what only operators set."""
        return _shown(request, self.fields, OPERATORS_ONLY)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Members are not told that somebody else's tenant has an external id."""
        if not scope_of(request).operator:
            kwargs["error_messages"] = {"external_id": {"unique": TAKEN}}
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Tenant, form: Any, change: bool
    ) -> None:
        """A tenant that a partner's administrator makes is that partner's."""
        partner = scope_of(request).partner
        if partner is not None and not change:
            obj.partner = partner
        super().save_model(request, obj, form, change)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Tenant | None = None
    ) -> tuple[str, ...]:
        """Receivers and PBXs know the tenant by its external id."""
        return () if obj is None else ("external_id",)

    def owns_something(self, obj: Any) -> bool:
        """Calls, webhooks, deliveries or sources."""
        return any(
            model.objects.filter(tenant=obj).exists()
            for model in (StoredCdr, Webhook, Delivery, Source)
        )

    @admin.display(description="Privacy")
    def erase(self, tenant: Tenant) -> SafeString:
        """To the page that erases a number."""
        address = reverse("admin:dispatcher_tenant_erase", args=[tenant.pk])
        return format_html('<a class="cdr-link" href="{}">erase a number</a>', address)

    @admin.display(description="Go to")
    def to(self, tenant: Tenant) -> SafeString:
        """Its webhooks, deliveries and calls."""
        return format_html(
            '{} · <a class="cdr-link" href="{}?tenant={}">deliveries</a>'
            ' · <a class="cdr-link" href="{}?tenant={}">calls</a>',
            _webhooks_link("tenant", tenant.pk),
            reverse("admin:dispatcher_delivery_changelist"),
            tenant.external_id,
            reverse("admin:dispatcher_storedcdr_changelist"),
            tenant.external_id,
        )


@admin.register(Partner)
class PartnerAdmin(OwnerAdmin):
    """Operators that manage many tenants."""

    partner_path = "pk"
    list_display = ("name", "to")
    search_fields = ("name",)
    fields = ("name",)

    def owns_something(self, obj: Any) -> bool:
        """Tenants or webhooks."""
        return any(
            model.objects.filter(partner=obj).exists() for model in (Tenant, Webhook)
        )

    @admin.display(description="Go to")
    def to(self, partner: Partner) -> SafeString:
        """Its tenants and webhooks."""
        return format_html(
            '<a class="cdr-link" href="{}?partner__id__exact={}">tenants</a> · {}',
            reverse("admin:dispatcher_tenant_changelist"),
            partner.pk,
            _webhooks_link("partner", partner.pk),
        )
