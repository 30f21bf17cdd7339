"""Records that could not be understood: why, from where, and the bytes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.delivery_filters import TenantFilter
from dispatcher.admin.moments import both
from dispatcher.admin.readable import hex_view, is_text, text
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.models import QuarantinedRecord

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString


@admin.register(QuarantinedRecord)
class QuarantineAdmin(ReadOnlyAdmin):
    """The records, last seen first."""

    tenant_path = "tenant"
    page_template = "admin/dispatcher/quarantinedrecord/page.html"
    list_display = ("why", "source", "tenant", "times_seen", "seen")
    list_filter: ClassVar = [TenantFilter, "source"]
    list_filter_submit = True
    search_fields = ("reason",)
    search_help_text = "Part of the reason"

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuarantinedRecord]:
        """Without the bytes."""
        return self.get_page_queryset(request).defer("body")  # type: ignore[no-any-return]  # typed as Any there

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """One record with its bytes."""
        return super().get_page_queryset(request).select_related("tenant")

    @admin.display(description="Reason")
    def why(self, record: QuarantinedRecord) -> SafeString:
        """The reason in full, with a link to the record's page."""
        return format_html(
            '<a class="cdr-outcome" href="{}">{}</a>', page_of(record), record.reason
        )

    @admin.display(description="Last seen")
    def seen(self, record: QuarantinedRecord) -> str:
        """When it last came."""
        return both(record.last_seen_at, timezone.now())

    def get_urls(self) -> list[URLPattern]:
        """The download is below the record's page."""
        own: list[URLPattern] = super().get_urls()
        download = path(
            "<uuid:record_id>/download/",
            self.admin_site.admin_view(self.download),
            name="dispatcher_quarantinedrecord_download",
        )
        return [download, *own]

    def download(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """The bytes exactly as they came, never as something a browser would run."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = self.get_page_queryset(request).filter(pk=record_id).first()
        if record is None:
            raise Http404
        name = f"{record.source}-{record.pk}.bin"
        return HttpResponse(
            bytes(record.body),
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def page_context(
        self, request: HttpRequest, obj: QuarantinedRecord
    ) -> dict[str, Any]:
        """The reason, where it came from, and the bytes as text and, if need be, hex."""
        body, now = bytes(obj.body), timezone.now()
        return {
            "title": "Quarantined record",
            "record": obj,
            "tenant_page": page_of(obj.tenant),
            "first_seen": both(obj.first_seen_at, now),
            "last_seen": both(obj.last_seen_at, now),
            "length": len(body),
            "text": text(body),
            "hex": "" if is_text(body) else hex_view(body),
            "download": reverse(
                "admin:dispatcher_quarantinedrecord_download", args=[obj.pk]
            ),
        }
