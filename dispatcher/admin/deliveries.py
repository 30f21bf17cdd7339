"""Deliveries: what went out, what failed and why, what is due next (newfies.txt).

Nothing is edited. Deliveries are sent again or cancelled, by pipeline.resend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin import delivery_actions
from dispatcher.admin import delivery_filters as filters
from dispatcher.admin.delivery_page import page_context
from dispatcher.admin.labels import HELD, contents_of, host_of, label, shown_state
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.paging import CappedChangeList
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.admin.scope import scope_of
from dispatcher.admin.site import ending_in_the_id
from dispatcher.models import Delivery, Lease, OwedCdr

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString


class DeliveryList(CappedChangeList):
    """The list, with a link for each state over it, and its page's calls."""

    def get_results(self, request: HttpRequest) -> None:
        """Has each delivery of the page know its first call, and how many there are."""
        super().get_results(request)
        deliveries = list(self.result_list)
        _count_calls(deliveries)
        _find_under_way(deliveries)

    @property
    def state_links(self) -> list[dict[str, Any]]:
        """Text, address, and whether it is the one that is in force."""
        chosen = self.params.get("state", [""])
        value = chosen[-1] if isinstance(chosen, list) else chosen
        return [
            {
                "text": state or "all",
                "link": self.get_query_string({"state": state}, ["p"])
                if state
                else self.get_query_string(remove=["state", "p"]),
                "active": state == value,
            }
            for state in ("", *filters.STATES)
        ]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """The list at /admin/webhook/webhookcdr/, and a page for each delivery under it."""

    # Not by the delivery's tenant: a partner's webhook may carry a tenant's call.
    tenant_path = "webhook__tenant"
    partner_path = "webhook__partner"
    administrators_may = frozenset({"operate"})
    page_template = "admin/dispatcher/delivery/page.html"
    list_before_template = "admin/dispatcher/delivery/states.html"
    list_display = (
        "state_label",
        "calls",
        "goes_to",
        "outcome",
        "next_try",
        "created",
    )
    list_filter: ClassVar = [
        filters.StateFilter,
        filters.AgeFilter,
        ("created_at", filters.CreatedFilter),
        filters.WebhookFilter,
        filters.TenantFilter,
        filters.StyleFilter,
        filters.ErrorClassFilter,
    ]
    list_filter_submit = True
    search_fields = ("id",)
    search_help_text = "Delivery or webhook id, call uid, whole phone number"
    actions: Any = ("send_again", "cancel")
    ordering = ("-id",)

    # The list ------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """With webhook; without bodies and secrets."""
        deliveries: QuerySet[Delivery] = self.get_page_queryset(request).defer(
            "request_body", "webhook__secret", "webhook__previous_secret"
        )
        own = scope_of(request).tenant
        # What a tenant's webhook carries is the tenant's: said here as well, because
        # there is an index of that.
        return deliveries if own is None else deliveries.filter(tenant=own)

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """One delivery, body and all."""
        deliveries = super().get_page_queryset(request)
        return deliveries.select_related(
            "webhook", "webhook__tenant", "webhook__partner", "tenant"
        ).defer("webhook__secret", "webhook__previous_secret")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The list that knows its states."""
        return DeliveryList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By index only."""
        return filters.search(queryset, search_term, scope_of(request)), False

    @admin.display(description="State")
    def state_label(self, delivery: Delivery) -> SafeString:
        """The state in its colour; how often it was tried."""
        count = delivery.attempt_count
        tries = "no attempt yet" if count == 0 else f"{count} attempt"
        return format_html(
            '<a class="cdr-plain" href="{}">{}</a> {}<br>'
            '<span class="cdr-fine cdr-nowrap">{}{}</span>',
            page_of(delivery),
            label(shown_state(delivery)),
            label("test") if delivery.test_uid else "",
            tries,
            "s" if count > 1 else "",
        )

    @admin.display(description="Calls")
    def calls(self, delivery: Any) -> SafeString:
        """Window, uid and numbers of the first call, and how many more there are."""
        if delivery.test_uid:
            return _call(delivery, delivery.test_uid, "sample call")
        contents, first = contents_of(delivery), delivery.first_call
        return format_html(
            "{}{}{}",
            _fine(contents) if contents else "",
            _call(delivery, first.uid, _numbers(first)) if first is not None else "",
            _fine(f"and {delivery.call_count - 1:,} more")
            if delivery.call_count > 1
            else "",
        )

    @admin.display(description="Webhook")
    def goes_to(self, delivery: Delivery) -> SafeString:
        """The host, with a link to the webhook's page; style and tenant."""
        webhook = delivery.webhook
        deleted = " (deleted)" if webhook.deleted_at else ""
        return format_html(
            '<a class="cdr-break" href="{}">{}</a>{}<br>'
            '<span class="cdr-fine">{} · {}</span>',
            page_of(webhook),
            host_of(webhook.url),
            deleted,
            webhook.style,
            delivery.tenant or webhook.partner or "",
        )

    @admin.display(description="Last answer")
    def outcome(self, delivery: Delivery) -> SafeString:
        """Status and, in full, why it did not count."""
        return format_html(
            '<div class="cdr-outcome"><strong>{}</strong> {}</div>',
            delivery.last_status_code or "",
            delivery.last_error or ("" if delivery.last_status_code else UNKNOWN),
        )

    @admin.display(description="Next try")
    def next_try(self, delivery: Any) -> str:
        """When it is due, relative and absolute."""
        if delivery.state != Delivery.PENDING:
            return UNKNOWN
        now, due = timezone.now(), delivery.next_attempt_at
        if shown_state(delivery) == HELD:
            return format_html(
                '<span class="cdr-fine">{}</span>', "when it is up again"
            )
        if delivery.is_under_way:
            return "under way"
        if due is None or due <= now:
            return both(due, now, "due")
        return both(due, now)

    @admin.display(description="Created")
    def created(self, delivery: Delivery) -> str:
        """How long ago, and when."""
        return both(delivery.created_at, timezone.now())

    # Actions -------------------------------------------------------------------------

    @admin.action(description="Send again", permissions=["operate"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Makes the chosen ones pending again: same id, same body, tries anew."""
        delivery_actions.send_again(request, queryset)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Gives up those of the chosen ones that are pending."""
        delivery_actions.cancel(request, queryset)

    # The page ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The page's address ends in the id; its two buttons are below it."""
        own: list[URLPattern] = super().get_urls()
        view = self.admin_site.admin_view
        steps = delivery_actions
        buttons = (("resend", steps.send_again), ("cancel", steps.cancel))
        return [
            *(
                path(
                    f"<uuid:delivery_id>/{name}/",
                    view(self._button(step)),
                    name=f"dispatcher_delivery_{name}",
                )
                for name, step in buttons
            ),
            *ending_in_the_id(self, own),
        ]

    def page_context(self, request: HttpRequest, obj: Delivery) -> dict[str, Any]:
        """Attempts, payload, calls."""
        operator = scope_of(request).operator
        context = page_context(obj, timezone.now(), operator=operator)
        return {**context, "may_operate": self.has_operate_permission(request)}

    def _button(self, step: Any) -> Any:
        def view(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
            if not self.has_operate_permission(request):
                raise PermissionDenied
            if request.method == "POST":
                step(request, self.get_page_queryset(request).filter(pk=delivery_id))
            return HttpResponseRedirect(page_of(Delivery(pk=delivery_id)))

        return view


def _count_calls(deliveries: list[Any]) -> None:
    """Sets `call_count`, and `first_call` or None: two queries for a page.

    A delivery carries up to thousands, so that they are counted where they are
    indexed, and one of each is read.
    """
    keys = [delivery.pk for delivery in deliveries]
    carried = OwedCdr.objects.filter(delivery__in=keys).order_by().values("delivery")
    counted = {
        row["delivery"]: (row["count"], row["first"])
        for row in carried.annotate(count=Count("pk"), first=Min("pk"))
    }
    owed = OwedCdr.objects.select_related("cdr").only(
        "cdr__uid", "cdr__caller_number", "cdr__dialed_number"
    )
    named = owed.in_bulk([first for _, first in counted.values()])
    for delivery in deliveries:
        delivery.call_count, first = counted.get(delivery.pk, (0, None))
        delivery.first_call = named[first].cdr if first in named else None


def _find_under_way(deliveries: list[Any]) -> None:
    """Sets `is_under_way`: one query for a page."""
    webhooks = {delivery.webhook_id for delivery in deliveries}
    leases = Lease.objects.filter(Lease.good(timezone.now()), webhook__in=webhooks)
    held = {one for ids in leases.values_list("deliveries", flat=True) for one in ids}
    for delivery in deliveries:
        delivery.is_under_way = str(delivery.pk) in held


def _call(delivery: Delivery, uid: str, note: str) -> SafeString:
    return format_html(
        '<div class="cdr-call"><a class="cdr-break" href="{}">{}</a>'
        '<span class="cdr-fine cdr-break">{}</span></div>',
        page_of(delivery),
        uid,
        note,
    )


def _fine(text: str) -> SafeString:
    return format_html('<div class="cdr-fine">{}</div>', text)


def _numbers(cdr: Any) -> SafeString:
    """Caller and dialed number, with a question mark for a number that is not known."""
    return format_html(
        '<span class="cdr-nowrap">{}</span> <span class="cdr-nowrap">→ {}</span>',
        cdr.caller_number or "?",
        cdr.dialed_number or "?",
    )
