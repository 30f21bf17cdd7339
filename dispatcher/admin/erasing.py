"""The page that erases a number of a tenant's: first counted, then confirmed.

The number is in no address, so that it stands in no log and no history of a browser.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from dispatcher.admin.scope import scope_of
from dispatcher.pipeline.erase import BadCursorError, BusyError, Progress, erase
from dispatcher.privacy.search import BadNumberError

if TYPE_CHECKING:
    from uuid import UUID

    from dispatcher.admin.unfolded import ModelAdmin
    from dispatcher.models import Tenant

# What takes longer is gone on with by a button.
ANSWER_SECONDS: Final = 5.0
REST: Final = 0.5
COUNT, ERASE = "count", "erase"


def may_erase(request: HttpRequest) -> bool:
    """Operators, and administrators of the tenant or of its partner."""
    scope = scope_of(request)
    return scope.operator or scope.administrator


def pattern(model_admin: ModelAdmin) -> URLPattern:
    """The page's address, below that of its tenant."""

    def view(request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        if not may_erase(request):
            raise PermissionDenied
        tenant = model_admin.get_object(request, str(tenant_id))
        if tenant is None:
            return HttpResponseRedirect(reverse("admin:dispatcher_tenant_changelist"))
        return _page(request, model_admin, tenant)

    return path(
        "<uuid:tenant_id>/erase/",
        model_admin.admin_site.admin_view(view),
        name="dispatcher_tenant_erase",
    )


def _page(
    request: HttpRequest, model_admin: ModelAdmin, tenant: Tenant
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "title": f"Erase a number of {tenant}",
        "tenant": tenant,
        "list_url": reverse("admin:dispatcher_tenant_changelist"),
    }
    if request.method == "POST":
        context |= _asked(request, tenant)
    return TemplateResponse(request, "admin/dispatcher/tenant/erase.html", context)


def _asked(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    """What came of it, as the page shows it."""
    number = request.POST.get("number", "")[:64]
    step = ERASE if request.POST.get("step") == ERASE else COUNT
    try:
        progress = _run(tenant, number, step, request.POST.get("cursor", "")[:200])
    except (BadNumberError, BadCursorError) as error:
        return {"number": number, "error": f"The number {error}."}
    except BusyError as error:
        return {"number": number, "error": f"{error}."}
    counts = asdict(progress.erased)
    return {
        "number": number,
        "step": step,
        "cursor": progress.cursor,
        "counts": [(name, count) for name, count in counts.items() if count],
    }


def _run(tenant: Tenant, number: str, step: str, cursor: str) -> Progress:
    """As far as it comes in the time of one answer."""
    until = time.monotonic() + ANSWER_SECONDS
    steps = erase(tenant, number, dry_run=step == COUNT, cursor=cursor, rest=REST)
    progress = next(steps)
    while progress.cursor and time.monotonic() < until:
        progress = next(steps)
    return progress
