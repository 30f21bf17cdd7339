"""The pages below a source's: how to connect it, its light, and its tokens.

A token's text is in the answer that made it, and nowhere else: in no session, no cookie
and no address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http import HttpResponseRedirect as Redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from dispatcher.adapters import kinds
from dispatcher.admin.connecting import PLACEHOLDER, pieces
from dispatcher.admin.labels import label
from dispatcher.admin.moments import absolute, both
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import scope_of
from dispatcher.admin.source_mapping import mapping_url
from dispatcher.admin.source_state import state_of
from dispatcher.models import ApiToken
from dispatcher.pipeline import sources, tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dispatcher.admin.unfolded import ModelAdmin
    from dispatcher.models import Source

    View = Callable[[HttpRequest, ModelAdmin, Source], HttpResponse]

CONNECT = "admin/dispatcher/source/connect.html"
LIGHT = "admin/dispatcher/source/light.html"


def patterns(model_admin: ModelAdmin) -> list[URLPattern]:
    """Their addresses, below that of the source's page."""
    wrap = model_admin.admin_site.admin_view
    return [
        path(
            f"<uuid:source_id>/{address}/",
            wrap(_of_source(model_admin, view)),
            name=f"dispatcher_source_{address}",
        )
        for address, view in (
            ("connect", _connect),
            ("light", _light),
            ("token", _token),
        )
    ] + [
        path(
            "<uuid:source_id>/token/<uuid:token_id>/revoke/",
            wrap(_revoking(model_admin)),
            name="dispatcher_source_revoke",
        )
    ]


def _of_source(model_admin: ModelAdmin, view: View) -> Any:
    def found(request: HttpRequest, source_id: UUID) -> HttpResponse:
        source = _found(request, model_admin, source_id)
        if source is None:
            return Redirect(reverse("admin:dispatcher_source_changelist"))
        return view(request, model_admin, source)

    return found


def _found(
    request: HttpRequest, model_admin: ModelAdmin, source_id: UUID
) -> Source | None:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    source: Source | None = model_admin.get_object(request, str(source_id))
    return source


# How to connect -----------------------------------------------------------------------


def _connect(
    request: HttpRequest, model_admin: ModelAdmin, source: Source
) -> HttpResponse:
    return _connect_page(request, model_admin, source, token="")


def _connect_page(
    request: HttpRequest, model_admin: ModelAdmin, source: Source, *, token: str
) -> HttpResponse:
    url = sources.url_of(source)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Connect {source.name}",
        "subtitle": None,
        "media": model_admin.media,
        "list_url": reverse("admin:dispatcher_source_changelist"),
        "kind": kinds.title(source.pbx),
        "pieces": pieces(
            source.pbx,
            url=url,
            token=token or PLACEHOLDER,
            tenant=source.tenant.external_id,
            source=source.name,
        ),
        "token": token,
        "placeholder": PLACEHOLDER,
        "may_change": model_admin.has_change_permission(request, source),
        **page_context(request, source),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, CONNECT, context)


def page_context(request: HttpRequest, source: Source) -> dict[str, Any]:
    """What both pages of a source show: how it is, its addresses, its tokens."""
    now = timezone.now()
    return {
        "source": source,
        "source_page": page_of(source),
        "url": sources.url_of(source),
        "status": state_of(source, now),
        "trouble": _trouble(request, source),
        "tokens": [_token_row(token, now) for token in _tokens_of(source)],
        "mapping_url": mapping_url(source),
        **{
            f"{name}_url": reverse(f"admin:dispatcher_source_{name}", args=[source.pk])
            for name in ("connect", "light", "token")
        },
    }


def _trouble(request: HttpRequest, source: Source) -> str:
    """Why nothing can be fetched; it may name a host or a file of the operator's."""
    if not source.trouble:
        return ""
    why = source.trouble if scope_of(request).operator else "the operator is told why"
    return f"Cannot be fetched since {absolute(source.trouble_at)} UTC: {why}"


def _tokens_of(source: Source) -> list[ApiToken]:
    return list(ApiToken.objects.filter(source=source, revoked_at__isnull=True))


def _token_row(token: ApiToken, now: Any) -> dict[str, Any]:
    valid = token.is_valid(now)
    return {
        "name": str(token),
        "state": label("valid", "good") if valid else label("expired", "warn"),
        "made": both(token.created_at, now),
        "used": both(token.last_used_at, now),
        "revoke": reverse(
            "admin:dispatcher_source_revoke", args=[token.source_id, token.pk]
        ),
    }


# The light ------------------------------------------------------------------------------


def _light(
    request: HttpRequest, _model_admin: ModelAdmin, source: Source
) -> HttpResponse:
    """For the script that has the page show records as they come."""
    status = state_of(source, timezone.now())
    html = render_to_string(LIGHT, {"status": status}, request=request)
    return JsonResponse({"colour": status["colour"], "html": html})


# Tokens ---------------------------------------------------------------------------------


def _token(
    request: HttpRequest, model_admin: ModelAdmin, source: Source
) -> HttpResponse:
    """Makes one and shows it, this once, where it is to be pasted."""
    if not model_admin.has_change_permission(request, source):
        raise PermissionDenied
    if request.method != "POST" or not kinds.pushes(source.pbx):
        return Redirect(reverse("admin:dispatcher_source_connect", args=[source.pk]))
    token = sources.new_token(source, now=timezone.now())
    return _connect_page(request, model_admin, source, token=token)


def _revoking(model_admin: ModelAdmin) -> Any:
    def view(request: HttpRequest, source_id: UUID, token_id: UUID) -> HttpResponse:
        source = _found(request, model_admin, source_id)
        if source is None:
            return Redirect(reverse("admin:dispatcher_source_changelist"))
        if not model_admin.has_change_permission(request, source):
            raise PermissionDenied
        its = ApiToken.objects.filter(source=source, pk=token_id)
        if not its.exists():
            raise Http404
        if request.method == "POST":
            tokens.revoke(its, now=timezone.now())
            messages.success(request, "The token has ended.")
        return Redirect(page_of(source))

    return view
