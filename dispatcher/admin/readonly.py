"""The base of pages that show what the pipeline wrote. They change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.template.response import TemplateResponse
from django.urls import reverse

from dispatcher.admin.paging import CappedChangeList, CappedPaginator
from dispatcher.admin.scope import ScopedAdmin
from dispatcher.admin.unfolded import ModelAdmin

if TYPE_CHECKING:
    from typing import Any
    from uuid import UUID

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse


def page_of(thing: Model | None, *, key: UUID | str | None = None) -> str:
    """The address of a thing's page in the admin; `key` where it is not loaded."""
    if thing is None:
        return ""
    meta = thing._meta
    name = f"admin:{meta.app_label}_{meta.model_name}_change"
    return reverse(name, args=[key or thing.pk])


class ReadOnlyAdmin(ScopedAdmin, ModelAdmin):
    """A list, and a page of its own for each row; nothing is added or changed.

    `page_template` renders the page, with what `page_context` returns.
    """

    actions: Any = None
    paginator = CappedPaginator
    show_full_result_count = False
    # Facets count every choice of every filter.
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    # Columns bring links of their own; one within another is no HTML.
    list_display_links = None
    list_per_page = 50
    list_max_show_all = 50
    list_fullwidth = True
    list_disable_select_all = True
    page_template = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the pipeline."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Rows are a record of what happened."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Nothing is lost silently."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may run actions here: administrators, where the page lets them."""
        return self.may(request, "operate")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count everything."""
        return CappedChangeList

    def get_page_queryset(self, request: HttpRequest) -> Any:
        """Where a single page's row is looked up; lists defer what only it shows."""
        return super().get_queryset(request)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the page's template shows of `obj`."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one row, in its own template; a redirect for unknown ids."""
        obj = self.found(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined,no-any-return]  # missing in the stubs
                request, self.opts, object_id
            )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(obj),
            "name": str(obj),
            "subtitle": None,
            "media": self.media,
            "list_url": reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            ),
            **self.page_context(request, obj),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.page_template, context)

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if there is one; PermissionDenied if the user may not see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            key = self.opts.pk.to_python(unquote(object_id))
        except (ValidationError, ValueError):
            return None
        return self.get_page_queryset(request).filter(pk=key).first()
