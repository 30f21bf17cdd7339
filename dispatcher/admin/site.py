"""The admin site: the addresses that the documents name, and the overview.

Deliveries are at /admin/webhook/webhookcdr/ (newfies.txt), a webhook's page ends in
its id: /admin/webhooks/<id>/ (dimensions.txt: the GUID at the end of the URL). Django's
default addresses of both redirect there.
"""

from __future__ import annotations

from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils import timezone

from dispatcher.admin.audited import password_noted
from dispatcher.admin.balance import balance_page
from dispatcher.admin.overview import overview
from dispatcher.admin.scope import scope_of, scoped
from dispatcher.admin.unfolded import AdminSite, ModelAdmin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.template.response import TemplateResponse

# Django's default address below /admin/ -> the documented one.
DOCUMENTED: Final = MappingProxyType(
    {
        "dispatcher/delivery/": "webhook/webhookcdr/",
        "dispatcher/webhook/": "webhooks/",
    }
)


class CdrhookAdminSite(AdminSite):
    """unfold's site with documented addresses and an index that says how it goes."""

    site_title = "cdrhook"
    index_title = "Overview"
    index_template = "admin/overview.html"

    def register(
        self, model_or_iterable: Any, admin_class: Any = None, **options: Any
    ) -> None:
        """A page that says nothing of owners is for operators alone."""
        super().register(model_or_iterable, scoped(admin_class), **options)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Answers 400 to an address that asks for what no database can hold."""
        return super().admin_view(_asked_for_what_can_be(view), cacheable)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """unfold's patterns, moved to where the documents put them."""
        # Nothing here has a page outside, which `r/..` would lead to.
        known = [
            pattern
            for pattern in super().get_urls()
            if getattr(pattern, "name", None) != "view_on_site"
        ]
        balance = path("balance/", self.admin_view(self.balance), name="balance")
        colours = path("colours.css", self.colours, name="colours")
        return [*_redirects(), balance, colours, *map(_moved, known)]

    def balance(self, request: HttpRequest) -> TemplateResponse:
        """Whether what came in and what became of it add up."""
        return balance_page(request, self)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Without the colours: no style stands in a page, see `colours`."""
        return {**super().each_context(request), "colors": None}

    def colours(self, request: HttpRequest) -> HttpResponse:
        """unfold's colours and roundness as a stylesheet, for the login page as well."""
        context = super().each_context(request)
        lines = [f"--border-radius: {context['border_radius']};"]
        for name, weights in context["colors"].items():
            for weight, value in weights.items():
                lines.append(f"--color-{name}-{weight}: {value};")
        return HttpResponse(
            ":root {" + " ".join(lines) + "}",
            content_type="text/css",
            headers={"Cache-Control": "max-age=3600"},
        )

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Notes that users have changed their own."""
        with password_noted(User.objects.filter(pk=request.user.pk or 0)):
            return super().password_change(request, extra_context)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The overview: what went out, what failed, what needs attention."""
        scope = scope_of(request)
        shown = overview(scope, timezone.now()) if scope.anybody else None
        context = {"overview": shown, **(extra_context or {})}
        return super().index(request, context)


def _asked_for_what_can_be(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, *args, **kwargs)
        except (DataError, OverflowError) as error:
            # NUL in a text, or a time beyond the calendar's ends. A form refuses both:
            # with POST it is a fault of ours.
            if request.method == "GET":
                raise BadRequest(str(error)) from error
            raise

    return checked


def _moved(pattern: URLResolver | URLPattern) -> URLResolver | URLPattern:
    address = DOCUMENTED.get(str(pattern.pattern))
    if address is None or not isinstance(pattern, URLResolver):
        return pattern
    return path(address, include(pattern.url_patterns))


def _redirects() -> Iterator[URLPattern]:
    for default, documented in DOCUMENTED.items():
        for rest in ("", "<path:rest>"):
            yield path(f"{default}{rest}", _redirect_to(documented))


def _redirect_to(documented: str) -> Any:
    def redirect(request: HttpRequest, rest: str = "") -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        rest = rest.removesuffix("change/")
        target = f"{reverse('admin:index')}{documented}{rest}"
        return HttpResponseRedirect(f"{target}?{query}" if query else target)

    return redirect


def ending_in_the_id(
    model_admin: ModelAdmin, patterns: Iterable[URLPattern]
) -> list[URLPattern]:
    """A ModelAdmin's patterns with a row's page at `<id>/` in place of `<id>/change/`."""
    meta = model_admin.opts
    change = f"{meta.app_label}_{meta.model_name}_change"
    kept, view = [], None
    for pattern in patterns:
        if pattern.name == change:
            view = pattern.callback
        elif str(pattern.pattern) != "<path:object_id>/":
            kept.append(pattern)
    assert view is not None  # noqa: S101  every ModelAdmin has a change view
    return [*kept, path("<path:object_id>/", view, name=change)]
