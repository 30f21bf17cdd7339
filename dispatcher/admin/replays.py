"""Replays: how far each is, and the buttons that pause, resume and cancel it.

They are started on a webhook's page (`again`). What a state allows is for
pipeline.replay to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.labels import host_of, label, owner_name
from dispatcher.admin.moments import UNKNOWN, absolute, both
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.admin.scope import scope_of
from dispatcher.models import Replay
from dispatcher.pipeline import replay as replays

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

_COLOURS: Final = {"running": "info", "paused": "warn", "done": "good"}
_WHAT: Final = {
    Replay.DELIVERIES: "deliveries",
    Replay.OUTAGE: "failed in an outage",
    Replay.CALLS: "past calls",
}


def state_label(replay: Replay) -> SafeString:
    """Its state in colour."""
    return label(replay.state, _COLOURS.get(replay.state, "plain"))


def what_text(replay: Replay) -> str:
    """`failed deliveries`, `past calls`: what it goes through."""
    if replay.what == Replay.DELIVERIES:
        return f"{' and '.join(replay.states)} deliveries"
    return _WHAT.get(replay.what, replay.what)


def range_text(replay: Replay) -> str:
    """`2026-11-20 10:00:00 to 2026-11-20 12:00:00 UTC`."""
    return f"{absolute(replay.since)} to {absolute(replay.until)} UTC"


def progress(replay: Replay) -> SafeString:
    """A bar, and the figures: made pending or, of calls, looked through."""
    looked = " looked through" if replay.what == Replay.CALLS else ""
    return format_html(
        '<progress class="cdr-progress" max="{}" value="{}"'
        ' aria-label="done so far"></progress>'
        '<br><span class="cdr-fine cdr-nowrap">{} of {}{}</span>',
        replay.total,
        replay.total if replay.state == Replay.DONE else replay.done,
        f"{replay.done:,}",
        f"{replay.total:,}",
        looked,
    )


def rate_text(replay: Replay) -> str:
    """`20 a second`, or that there is no limit."""
    return f"{replay.per_second:,} a second" if replay.per_second else "no limit"


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """The replays, newest first."""

    tenant_path = "webhook__tenant"
    partner_path = "webhook__partner"
    administrators_may = frozenset({"operate"})
    page_template = "admin/dispatcher/replay/page.html"
    list_display = ("state_column", "goes_to", "what_column", "far", "rate", "started")
    list_filter = ("state", "what")
    search_fields = ("webhook__url", "webhook__tenant__external_id")
    search_help_text = "Part of the webhook's URL, tenant"
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replay]:
        """With their webhooks, of which secrets stay in the database."""
        return self.get_page_queryset(request)  # type: ignore[no-any-return]  # typed as Any there

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """One replay with its webhook."""
        rows = super().get_page_queryset(request)
        return rows.select_related("webhook__tenant", "webhook__partner").defer(
            "webhook__secret", "webhook__previous_secret"
        )

    # The list ------------------------------------------------------------------------

    @admin.display(description="State")
    def state_column(self, replay: Replay) -> SafeString:
        """The state, with a link to the replay's page."""
        return format_html('<a href="{}">{}</a>', page_of(replay), state_label(replay))

    @admin.display(description="Webhook")
    def goes_to(self, replay: Replay) -> SafeString:
        """The host, with a link to the webhook's page, over whose it is."""
        return format_html(
            '<a class="cdr-break" href="{}">{}</a><br><span class="cdr-fine">{}</span>',
            page_of(replay.webhook),
            host_of(replay.webhook.url),
            owner_name(replay.webhook),
        )

    @admin.display(description="What")
    def what_column(self, replay: Replay) -> SafeString:
        """What it goes through, over the range."""
        return format_html(
            '{}<br><span class="cdr-fine">{}</span>',
            what_text(replay),
            range_text(replay),
        )

    @admin.display(description="Progress")
    def far(self, replay: Replay) -> SafeString:
        """How far it is."""
        return progress(replay)

    @admin.display(description="Rate")
    def rate(self, replay: Replay) -> str:
        """How fast."""
        return rate_text(replay)

    @admin.display(description="Started")
    def started(self, replay: Replay) -> str:
        """When it began."""
        return both(replay.created_at, timezone.now())

    # The page ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses are below that of the page."""
        own: list[URLPattern] = super().get_urls()
        buttons = (
            ("pause", lambda key: replays.pause(key)),
            ("resume", lambda key: replays.resume(key, timezone.now())),
            ("cancel", lambda key: replays.cancel(key, timezone.now())),
        )
        return [
            *(
                path(
                    f"<uuid:replay_id>/{name}/",
                    self.admin_site.admin_view(self._button(change)),
                    name=f"dispatcher_replay_{name}",
                )
                for name, change in buttons
            ),
            *own,
        ]

    def _button(self, change: Callable[[UUID], bool]) -> Any:
        def view(request: HttpRequest, replay_id: UUID) -> HttpResponse:
            if not self.has_operate_permission(request):
                raise PermissionDenied
            own = self.get_page_queryset(request).filter(pk=replay_id)
            if request.method == "POST" and own.exists() and not change(replay_id):
                messages.warning(request, "Nothing was changed: its state is another.")
            return HttpResponseRedirect(page_of(Replay(pk=replay_id)))

        return view

    def page_context(self, request: HttpRequest, obj: Replay) -> dict[str, Any]:
        """What it does, how far it is, and what may be done."""
        now, may_operate = timezone.now(), self.has_operate_permission(request)
        running, paused = obj.state == Replay.RUNNING, obj.state == Replay.PAUSED
        return {
            "title": f"Replay of {what_text(obj)}",
            "name": f"{what_text(obj)}, {absolute(obj.created_at)}",
            "replay": obj,
            "state": state_label(obj),
            "what": what_text(obj),
            "range": range_text(obj),
            "progress": progress(obj),
            "rate": rate_text(obj),
            "owner": owner_name(obj.webhook),
            "webhook_page": page_of(obj.webhook),
            "started": both(obj.created_at, now),
            "ended": both(obj.ended_at, now) if obj.ended_at else UNKNOWN,
            # Names of users are not for members of other owners.
            "started_by": obj.created_by if scope_of(request).operator else "",
            "may_pause": may_operate and running,
            "may_resume": may_operate and paused and obj.webhook.deleted_at is None,
            "may_cancel": may_operate and (running or paused),
        }
