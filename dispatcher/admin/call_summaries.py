"""Call summaries: how far each is, what was said, and why some failed. Read-only.

Failed ones are started again by pipeline.summarise.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.delivery_actions import MAX_AT_ONCE
from dispatcher.admin.delivery_filters import CreatedFilter, TenantFilter, calls_named
from dispatcher.admin.labels import label
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.readable import text
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.admin.scope import scope_of
from dispatcher.admin.unfolded import DropdownFilter
from dispatcher.models import CallSummary, Integration, StoredCdr
from dispatcher.pipeline import integrate, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

_COLOURS: Final = MappingProxyType(
    {CallSummary.READY: "good", CallSummary.FAILED: "bad"}
)
# Bytes of a transcription that are shown: hours of talk.
SHOWN: Final = 1024 * 1024
# Calls of a number that many calls share are cut off here.
_FOUND: Final = 500


def state_label(summary: CallSummary) -> SafeString:
    """The state in its colour."""
    return label(summary.state, _COLOURS.get(summary.state, "info"))


class StateFilter(DropdownFilter):
    """How far it is."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """The states."""
        return [(state, state) for state in CallSummary.STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed to that state."""
        value = self.value()
        return queryset.filter(state=value) if value else queryset


@admin.register(CallSummary)
class CallSummaryAdmin(ReadOnlyAdmin):
    """The summaries, newest first."""

    tenant_path = "tenant"
    administrators_may = frozenset({"operate"})
    page_template = "admin/dispatcher/callsummary/page.html"
    list_display = ("state_label", "call", "tenant", "outcome", "next_step", "created")
    list_filter: ClassVar = [StateFilter, TenantFilter, ("created_at", CreatedFilter)]
    list_filter_submit = True
    search_fields = ("id",)
    search_help_text = "Call uid or whole phone number"
    actions: Any = ("start_again",)
    ordering = ("-id",)

    # The list ------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallSummary]:
        """Without what was said."""
        return self.get_page_queryset(request).defer("transcription", "summary")  # type: ignore[no-any-return]  # typed as Any there

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """One summary with its call."""
        summaries = super().get_page_queryset(request)
        return summaries.select_related("tenant", "cdr").defer("cdr__record")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By index only, among the calls that the user sees."""
        term = search_term.strip()
        if not term:
            return queryset, False
        own = StoredCdr.objects.filter(scope_of(request).rows("tenant"))
        calls = own.filter(calls_named(term)).order_by("-id")
        found = list(calls.values_list("pk", flat=True)[:_FOUND])
        return queryset.filter(cdr__in=found), False

    @admin.display(description="State")
    def state_label(self, summary: CallSummary) -> SafeString:
        """The state, with a link to the summary's page."""
        return format_html(
            '<a href="{}">{}</a>', page_of(summary), state_label(summary)
        )

    @admin.display(description="Call")
    def call(self, summary: CallSummary) -> SafeString:
        """The call's uid, with a link to its page."""
        return format_html(
            '<a class="cdr-break" href="{}">{}</a>',
            page_of(summary.cdr),
            summary.cdr.uid,
        )

    @admin.display(description="Error")
    def outcome(self, summary: CallSummary) -> SafeString:
        """What went wrong last, and how often."""
        failed = f"{summary.tries} failed request"
        return format_html(
            '<div class="cdr-outcome">{}</div><span class="cdr-fine">{}</span>',
            summary.error or UNKNOWN,
            failed + "s" * (summary.tries > 1) if summary.tries else "",
        )

    @admin.display(description="Next step")
    def next_step(self, summary: CallSummary) -> str:
        """When it is due."""
        return next_step(summary)

    @admin.display(description="Created")
    def created(self, summary: CallSummary) -> str:
        """When the call was accepted."""
        return both(summary.created_at, timezone.now())

    @admin.action(description="Start again", permissions=["operate"])
    def start_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Has those of the chosen ones that failed made anew."""
        start_again(request, queryset)

    # The page ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The button's address is below that of the page."""
        own: list[URLPattern] = super().get_urls()
        again = path(
            "<uuid:summary_id>/start-again/",
            self.admin_site.admin_view(self.start_one_again),
            name="dispatcher_callsummary_again",
        )
        return [again, *own]

    def start_one_again(self, request: HttpRequest, summary_id: UUID) -> HttpResponse:
        """The page's button."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            start_again(request, self.get_queryset(request).filter(pk=summary_id))
        return HttpResponseRedirect(page_of(CallSummary(pk=summary_id)))

    def page_context(self, request: HttpRequest, obj: CallSummary) -> dict[str, Any]:
        """The call, how far it is, and the texts."""
        now, may_operate = timezone.now(), self.has_operate_permission(request)
        return {
            "title": f"Call summary of {obj.cdr.uid}",
            "name": obj.cdr.uid,
            "summary": obj,
            "state": state_label(obj),
            "why_waiting": why_waiting(obj, in_full=may_operate),
            "cdr_page": page_of(obj.cdr),
            "tenant_page": page_of(obj.tenant),
            "created": both(obj.created_at, now),
            "next_step": next_step(obj),
            "ended": both(obj.ended_at, now),
            "may_operate": may_operate,
            "summary_text": _said(obj.summary),
            "transcription": _said(obj.transcription),
            "has_failed": obj.state == CallSummary.FAILED,
        }


def _said(words: str) -> str:
    return text(words.encode("utf-8", "replace"), SHOWN)


def next_step(summary: CallSummary) -> str:
    """When the next request to a service is due; `under way` while one is made."""
    now, due = timezone.now(), summary.next_step_at
    if summary.lease_until is not None and summary.lease_until > now:
        return "under way"
    if due is not None and due <= now:
        return both(due, now, "due")
    return both(due, now)


def why_waiting(summary: CallSummary, *, in_full: bool) -> str:
    """Why it does not go on, as a sentence; "" if it does, or has ended.

    `in_full`: with what stands in the integration's settings, which viewers do not see.
    """
    if summary.next_step_at is None:
        return ""
    integration = Integration.in_force(summary.tenant)
    if integration is None:
        return "It waits: nobody has CDRs to webhook switched on."
    notice = integrate.summaries_notice(integration)
    if notice and not in_full:
        return "It waits: the tenant's call summaries are stopped."
    return f"It waits. {notice}" if notice else ""


def start_again(request: HttpRequest, summaries: QuerySet[Any]) -> None:
    """Starts failed ones anew, and says how many those were."""
    now = timezone.now()
    keys = list(summaries.values_list("pk", flat=True)[:MAX_AT_ONCE])
    started = [summarise.retry(key, now) for key in keys].count(True)
    if started:
        messages.success(request, f"Started again: {started}.")
    if started < len(keys):
        left = len(keys) - started
        messages.warning(request, f"Left as before: {left}, which had not failed.")
