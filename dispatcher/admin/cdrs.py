"""CDRs as they were accepted, and for each webhook what became of them. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin import raw_records
from dispatcher.admin.cdr_page import page_context
from dispatcher.admin.delivery_filters import TenantFilter, calls_named
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.admin.scope import scope_of
from dispatcher.models import StoredCdr

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


@admin.register(StoredCdr)
class CdrAdmin(ReadOnlyAdmin):
    """The calls, newest first."""

    tenant_path = "tenant"
    page_template = "admin/dispatcher/storedcdr/page.html"
    list_display = (
        "call",
        "numbers",
        "tenant",
        "went",
        "source",
        "started",
        "accepted",
    )
    list_filter: ClassVar = [TenantFilter]
    list_filter_submit = True
    search_fields = ("uid",)
    search_help_text = "Call uid or whole phone number"
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredCdr]:
        """Without the records themselves."""
        return self.get_page_queryset(request).defer("record")  # type: ignore[no-any-return]  # typed as Any there

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """One call with its record."""
        return super().get_page_queryset(request).select_related("tenant")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By index only."""
        term = search_term.strip()
        return (queryset.filter(calls_named(term)) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        """What PBXs sent is downloaded below the call's page."""
        return [*raw_records.patterns(self), *super().get_urls()]

    @admin.display(description="Uid")
    def call(self, cdr: StoredCdr) -> SafeString:
        """The uid, with a link to the call's page."""
        return format_html(
            '<a class="cdr-break" href="{}">{}</a>', page_of(cdr), cdr.uid
        )

    @admin.display(description="From, to")
    def numbers(self, cdr: StoredCdr) -> SafeString:
        """Caller over dialed number."""
        return format_html(
            '<span class="cdr-nowrap">{}</span><br><span class="cdr-nowrap">→ {}</span>',
            cdr.caller_number or "?",
            cdr.dialed_number or "?",
        )

    @admin.display(description="Call")
    def went(self, cdr: StoredCdr) -> SafeString:
        """How it ended, over its direction and length."""
        seconds = "" if cdr.duration is None else f"{cdr.duration} s"
        return format_html(
            '{}<br><span class="cdr-fine cdr-nowrap">{} {}</span>',
            cdr.disposition or UNKNOWN,
            cdr.direction,
            seconds,
        )

    @admin.display(description="Started")
    def started(self, cdr: StoredCdr) -> str:
        """When the call began."""
        return both(cdr.started_at, timezone.now())

    @admin.display(description="Accepted")
    def accepted(self, cdr: StoredCdr) -> str:
        """When the record was committed."""
        return both(cdr.accepted_at, timezone.now())

    def page_context(self, request: HttpRequest, obj: StoredCdr) -> dict[str, Any]:
        """The record, its revisions, and every webhook's part in it."""
        return page_context(obj, scope_of(request), timezone.now())
