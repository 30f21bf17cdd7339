"""Notices: what operators were told of webhooks and sources, or could not be. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.labels import label
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.models import Notice

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """The operators' alone, newest first."""

    page_template = "admin/dispatcher/notice/page.html"
    list_display = ("what", "subject", "happened", "channel", "told", "error")
    list_filter: ClassVar = ["kind", "channel"]
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """With their webhooks and sources."""
        notices: QuerySet[Notice] = super().get_queryset(request)
        return notices.select_related("webhook", "source__tenant")

    @admin.display(description="Notice")
    def what(self, notice: Notice) -> SafeString:
        """Down or back, with a link to the notice's page."""
        return format_html('<a href="{}">{}</a>', page_of(notice), kind_label(notice))

    @admin.display(description="Of")
    def subject(self, notice: Notice) -> SafeString:
        """The webhook's URL or the source's name, with a link to its page."""
        _, name, page = subject_of(notice)
        return format_html('<a class="cdr-break" href="{}">{}</a>', page, name)

    @admin.display(description="Happened")
    def happened(self, notice: Notice) -> str:
        """When it went down or was silent, or was back."""
        return both(notice.happened_at, timezone.now())

    @admin.display(description="Told")
    def told(self, notice: Notice) -> str:
        """When operators were told, or when it is tried next."""
        return told(notice)

    def page_context(self, request: HttpRequest, obj: Notice) -> dict[str, Any]:
        """What was told, and how that went."""
        return {
            "title": str(obj),
            "name": obj.get_kind_display(),
            "notice": obj,
            "what": kind_label(obj),
            "subject": subject_of(obj),
            "happened": both(obj.happened_at, timezone.now()),
            "told": told(obj),
            "details": [
                (name.replace("_", " "), value) for name, value in obj.details.items()
            ],
        }


def subject_of(notice: Notice) -> tuple[str, str, str]:
    """What it is of: Webhook or Source, its name, and its page."""
    if notice.webhook is not None:
        return "Webhook", notice.webhook.url, page_of(notice.webhook)
    assert notice.source is not None  # noqa: S101  notice_of_one
    source = notice.source
    return "Source", f"{source.name} of {source.tenant}", page_of(source)


def kind_label(notice: Notice) -> SafeString:
    """Down or back, silent or heard of, in its colour."""
    colour = "bad" if notice.kind in {"down", "silent"} else "good"
    return label(notice.get_kind_display(), colour)


def told(notice: Notice) -> str:
    """When operators were told, when it is tried next, or that it was given up."""
    now = timezone.now()
    if notice.sent_at is not None:
        return both(notice.sent_at, now)
    if notice.next_attempt_at is not None:
        return both(notice.next_attempt_at, now, "next try")
    return f"given up after {notice.tries} tries" if notice.tries else UNKNOWN
