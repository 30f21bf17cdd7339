"""Sources: the PBXs of a tenant, how each is understood, and who may push as it.

Everything is saved by pipeline.sources. Files and hosts that calls are fetched from are
the operator's: members neither see nor set them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery, UUIDField
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.adapters.kinds import kinds, title
from dispatcher.admin import source_mapping, source_views
from dispatcher.admin.delivery_filters import TenantFilter
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import ScopedAdmin, scope_of
from dispatcher.admin.source_forms import SourceForm
from dispatcher.admin.source_state import short_light
from dispatcher.admin.unfolded import ModelAdmin
from dispatcher.models import RawRecord, Source
from dispatcher.models.ids import moment_of
from dispatcher.pipeline import sources

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

# Chosen once: they are parts of the URL.
ONCE: Final = ("tenant", "name", "pbx")
UNDERSTOOD: Final = "Where the records leave something open."
FETCHED: Final = (
    "Where cdrhook collects the calls itself. For operators: these name files and hosts"
    " of theirs."
)


class PbxFilter(admin.SimpleListFilter):
    """By the kind of PBX."""

    title = "PBX"
    parameter_name = "pbx"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every kind that there is."""
        return list(kinds().items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """The sources of one kind."""
        value = self.value()
        return queryset.filter(pbx=value) if value in kinds() else queryset


@admin.register(Source)
class SourceAdmin(ScopedAdmin, ModelAdmin):
    """The sources, by tenant and name."""

    tenant_path = "tenant"
    administrators_may = frozenset({"add", "change", "delete"})
    form = SourceForm
    change_form_outer_before_template = "admin/dispatcher/source/status.html"
    list_display = ("called", "tenant", "kind", "state", "heard", "how_to_connect")
    list_display_links = None
    list_filter: ClassVar = [TenantFilter, PbxFilter, "active"]
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__external_id", "tenant__name")
    search_help_text = "Name, tenant"
    autocomplete_fields = ("tenant",)
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """With the key of each one's last record."""
        rows: QuerySet[Source] = super().get_queryset(request)
        last = RawRecord.objects.filter(source=OuterRef("pk")).order_by("-cdr_id")
        return rows.select_related("tenant").annotate(
            last_id=Subquery(last.values("cdr_id")[:1], output_field=UUIDField())
        )

    def get_urls(self) -> list[URLPattern]:
        """What its buttons do is below its page."""
        mapping = source_mapping.pattern(self)
        return [mapping, *source_views.patterns(self), *super().get_urls()]

    # The list --------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without the tenant where there is but one."""
        one = scope_of(request).tenant is not None
        return [name for name in self.list_display if not (one and name == "tenant")]

    @admin.display(description="Source")
    def called(self, source: Source) -> SafeString:
        """Its name, with a link to its page."""
        return format_html(
            '<a class="cdr-link" href="{}">{}</a>', page_of(source), source.name
        )

    @admin.display(description="PBX")
    def kind(self, source: Source) -> str:
        """What people call it."""
        return title(source.pbx)

    @admin.display(description="State")
    def state(self, source: Source) -> SafeString:
        """Off, silent, hears, or no record yet."""
        return short_light(source)

    @admin.display(description="Last record")
    def heard(self, source: Any) -> str:
        """When it came."""
        if source.last_id is None:
            return UNKNOWN
        return both(moment_of(source.last_id), timezone.now())

    @admin.display(description="")
    def how_to_connect(self, source: Source) -> SafeString:
        """The page with what to paste."""
        address = reverse("admin:dispatcher_source_connect", args=[source.pk])
        return format_html('<a class="cdr-link" href="{}">how to connect</a>', address)

    # The page --------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        """What is fetched, and from where, only for operators."""
        once = ONCE if scope_of(request).tenant is None else ONCE[1:]
        first = (None, {"fields": (*once, "active", "alert_when_silent")})
        understood: dict[str, Any] = {
            "fields": (
                ("time_zone", "region"),
                "directions",
                "uid_prefix",
                ("legs", "leg_wait_seconds"),
            ),
            "description": UNDERSTOOD,
        }
        # A form hides the secret itself; where there is none, it is left out.
        hidden = ("secret",) if self._may_save(request, obj) else ()
        pushes = ("Who may push", {"fields": ("allowed_networks", *hidden)})
        fetched = (
            "Fetched",
            {"fields": (*sources.OF_OPERATOR,), "description": FETCHED},
        )
        parts = [first, ("How records are understood", understood), pushes]
        return [*parts, fetched] if scope_of(request).operator else parts

    def _may_save(self, request: HttpRequest, obj: Source | None) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Source | None = None
    ) -> tuple[str, ...]:
        """Name, PBX and tenant are parts of the URL."""
        return () if obj is None else ONCE

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Adds how the source is, and its tokens."""
        source = self.get_object(request, object_id)
        extra = {} if source is None else source_views.page_context(request, source)
        return super().change_view(
            request, object_id, form_url, {**extra, **(extra_context or {})}
        )

    def response_add(
        self, request: HttpRequest, obj: Source, post_url_continue: Any = None
    ) -> HttpResponse:
        """Leads on to how it is connected."""
        if "_continue" in request.POST or "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        address = reverse("admin:dispatcher_source_connect", args=[obj.pk])
        return HttpResponseRedirect(address)

    # Saving ----------------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: Source, form: Any, change: bool
    ) -> None:
        """Hands it to the pipeline, which writes settings and nothing else."""
        sources.save(obj, now=timezone.now())

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Asks, then removes it in the pipeline's own short transactions."""
        source = self.get_object(request, object_id)
        if source is None or request.method != "POST":
            return super().delete_view(request, object_id, extra_context)
        if not self.has_delete_permission(request, source):
            raise PermissionDenied
        return _removed(request, source)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the source: its calls stay, and are not to be listed by the million."""
        note = "Its tokens end now. The calls that it has handed over stay."
        return [str(obj) for obj in objs] + [note], {"sources": len(objs)}, set(), []

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Where calls are fetched from is nothing to be asked for, either."""
        name = lookup.partition("__")[0]
        if name in {*sources.OF_OPERATOR, "cursor", "collector", "trouble"}:
            return False
        return super().lookup_allowed(lookup, value, request)


def _removed(request: HttpRequest, source: Source) -> HttpResponse:
    try:
        done = sources.remove(source, now=timezone.now())
    except sources.WaitingLegsError:
        messages.error(
            request,
            "The source was not deleted: legs of its calls wait for others. Switch it"
            " off and try again when they are joined.",
        )
        return HttpResponseRedirect(page_of(source))
    if not done:
        messages.warning(
            request,
            "Its tokens have ended, but it has very many records: delete it again to go"
            " on.",
        )
        return HttpResponseRedirect(page_of(source))
    messages.success(request, "The source was deleted; its calls stay.")
    return HttpResponseRedirect(reverse("admin:dispatcher_source_changelist"))
