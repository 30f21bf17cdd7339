"""The audit log: who changed what, newest first. Nobody changes or deletes it here.

Administrators see what was done to their owner's things, operators everything. Names of
users who are not their owner's are not theirs to read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.delivery_filters import AGES, TenantFilter
from dispatcher.admin.moments import both
from dispatcher.admin.readonly import ReadOnlyAdmin, page_of
from dispatcher.admin.scope import SOMEBODY, own_users, scope_of
from dispatcher.admin.unfolded import DropdownFilter
from dispatcher.models import AuditEntry
from dispatcher.models.ids import first_id_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

USER: Final = "user "


class AgeFilter(DropdownFilter):
    """How long ago, by way of the ids, which sort by time."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[Any]:
        """As of deliveries."""
        return [(key, title) for key, (title, _) in AGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is younger."""
        age = AGES.get(self.value() or "")
        if age is None:
            return queryset
        return queryset.filter(id__gte=first_id_at(timezone.now() - age[1]))


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """The entries."""

    tenant_path = "tenant"
    partner_path = "partner"
    page_template = "admin/dispatcher/auditentry/page.html"
    list_display = ("when", "who", "what", "thing", "changed", "tenant")
    list_filter: ClassVar = [AgeFilter, TenantFilter, "object_type", "action"]
    list_filter_submit = True
    search_help_text = "Who (user anna, token …1a2b), or the id or name of the thing"
    search_fields = ("object_id",)
    ordering = ("-id",)

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Administrators' alone."""
        scope = scope_of(request)
        allowed = scope.operator or scope.administrator
        return allowed and super().may(request, verb)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """With its owners."""
        rows: QuerySet[AuditEntry] = super().get_queryset(request)
        return rows.select_related("tenant", "partner")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Whole actors and ids, and beginnings of names."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(object_id=term) | Q(object_text__startswith=term)
        if _may_read(request, term):
            found |= Q(actor=term) | Q(actor=f"{USER}{term}")
        return queryset.filter(found), False

    @admin.display(description="When")
    def when(self, entry: AuditEntry) -> SafeString:
        """With a link to the entry's page."""
        return format_html(
            '<a href="{}">{}</a>', page_of(entry), both(entry.at, timezone.now())
        )

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """The actor, unless the reader is not to know."""
        return str(getattr(entry, "shown_actor", entry.actor))

    @admin.display(description="What")
    def what(self, entry: AuditEntry) -> str:
        """The verb."""
        return entry.action

    @admin.display(description="Thing")
    def thing(self, entry: AuditEntry) -> SafeString:
        """Its kind, over its name."""
        return format_html(
            '{}<br><span class="cdr-fine cdr-break">{}</span>',
            entry.object_type,
            entry.object_text or entry.object_id,
        )

    @admin.display(description="Changed")
    def changed(self, entry: AuditEntry) -> SafeString:
        """The names of what has changed."""
        return format_html("{}", ", ".join(entry.changes))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Says which actors the reader may know."""
        shown = super().get_changelist_instance(request)
        for entry in shown.result_list:
            entry.shown_actor = actor_for(request, entry)
        return shown

    def page_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        """Everything that the entry holds."""
        actor = actor_for(request, obj)
        return {
            "title": "Audit entry",
            "entry": obj,
            "actor": actor,
            "address": obj.address if actor == obj.actor else "",
            "at": both(obj.at, timezone.now()),
            "rows": [
                (name, _text(before), _text(after))
                for name, (before, after) in obj.changes.items()
            ],
        }


def actor_for(request: HttpRequest, entry: AuditEntry) -> str:
    """Who it was, if that is for the reader to know."""
    return entry.actor if _may_read(request, entry.actor) else SOMEBODY


def _may_read(request: HttpRequest, actor: str) -> bool:
    scope = scope_of(request)
    if scope.operator:
        return True
    name = actor.removeprefix(USER)
    known: dict[str, bool] = request.__dict__.setdefault("_cdrhook_actors", {})
    if name not in known:
        stranger = User.objects.filter(username=name).exclude(pk__in=own_users(scope))
        known[name] = not stranger.exists()
    return known[name]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
