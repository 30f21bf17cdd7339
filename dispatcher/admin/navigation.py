"""What stands in the sidebar, and which stylesheet our pages use (settings: UNFOLD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib import admin
from django.templatetags.static import static
from django.urls import reverse

from dispatcher.admin.scope import scope_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

# Title, icon, model, by group; an entry shows to those who may open its page.
_GROUPS: Final = (
    (
        "",
        (
            ("Deliveries", "outbox", "dispatcher.delivery"),
            ("CDRs", "call_log", "dispatcher.storedcdr"),
            ("Webhooks", "webhook", "dispatcher.webhook"),
            ("Replays", "replay", "dispatcher.replay"),
            ("Integrations", "extension", "dispatcher.integration"),
            ("Call summaries", "summarize", "dispatcher.callsummary"),
            ("Sources", "input", "dispatcher.source"),
            ("Quarantine", "report", "dispatcher.quarantinedrecord"),
        ),
    ),
    (
        "Customers",
        (
            ("Tenants", "apartment", "dispatcher.tenant"),
            ("Partners", "handshake", "dispatcher.partner"),
            ("API tokens", "key", "dispatcher.apitoken"),
        ),
    ),
    (
        "System",
        (
            ("Notices", "notifications", "dispatcher.notice"),
            ("Schedules", "schedule", "django_celery_beat.periodictask"),
            ("Users", "person", "auth.user"),
            ("Failed logins", "lock_clock", "axes.accessattempt"),
            ("Audit log", "history", "dispatcher.auditentry"),
        ),
    ),
)


def stylesheet(_request: HttpRequest) -> str:
    """The address of our stylesheet, which adds to unfold's."""
    return static("dispatcher/admin.css")


def colours(_request: HttpRequest) -> str:
    """The address of unfold's colours, which it would write into each page."""
    return reverse("admin:colours")


def script(_request: HttpRequest) -> str:
    """The address of our script, which has htmx write no style into pages."""
    return static("dispatcher/htmx.js")


def favicon(_request: HttpRequest) -> str:
    """The address of the picture in the browser's tab."""
    return static("dispatcher/favicon.svg")


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar, the overview first."""
    groups = [
        {
            "title": title,
            "separator": bool(title),
            "items": [_entry(*entry) for entry in entries],
        }
        for title, entries in _GROUPS
    ]
    index = reverse("admin:index")
    overview = {
        "title": "Overview",
        "icon": "monitoring",
        "link": index,
        # unfold compares by "is part of the path", which is true of every page.
        "active": request.path == index,
    }
    balance = {
        "title": "Balance",
        "icon": "balance",
        "link": reverse("admin:balance"),
        "permission": lambda request: scope_of(request).anybody,
    }
    groups[0]["items"] = [overview, balance, *groups[0]["items"]]  # type: ignore[misc]  # lists of entries
    return groups


def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    app_label, model_name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse(f"admin:{app_label}_{model_name}_changelist"),
        "permission": _may_view(app_label, model_name),
    }


def _may_view(app_label: str, model_name: str) -> Callable[[HttpRequest], bool]:
    def permission(request: HttpRequest) -> bool:
        model = apps.get_model(app_label, model_name)
        page = admin.site.get_model_admin(model)
        return bool(page.has_view_or_change_permission(request))

    return permission
