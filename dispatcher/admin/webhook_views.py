"""What the buttons of a webhook's page do: send a test, probe, rotate the secret.

Each is a POST that calls one pipeline step and leads back to the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from dispatcher import tasks
from dispatcher.admin.attempts import attempt_row
from dispatcher.admin.labels import label
from dispatcher.admin.moments import absolute
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import scope_of
from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.models.encryption import UndecryptableError
from dispatcher.pipeline import probes, subscribe
from dispatcher.pipeline import test_call as sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dispatcher.admin.unfolded import ModelAdmin

    Step = Callable[[HttpRequest, Webhook], str]

TESTED = "tested"


def patterns(model_admin: ModelAdmin) -> list[URLPattern]:
    """The addresses of the buttons, below that of the webhook's page."""
    site = model_admin.admin_site
    return [
        path(
            f"<uuid:webhook_id>/{address}/",
            site.admin_view(_button(model_admin, step)),
            name=f"dispatcher_webhook_{name}",
        )
        for address, name, step in (
            ("test", "test", _send_test),
            ("probe", "probe", _probe),
            ("secret/rotate", "rotate", _rotate),
        )
    ]


def _button(model_admin: ModelAdmin, step: Step) -> Any:
    def view(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = model_admin.get_object(request, str(webhook_id))
        if webhook is None:
            return HttpResponseRedirect(reverse("admin:dispatcher_webhook_changelist"))
        if not model_admin.has_change_permission(request, webhook):
            raise PermissionDenied
        query = step(request, webhook) if request.method == "POST" else ""
        return HttpResponseRedirect(page_of(webhook) + query)

    return view


def _send_test(request: HttpRequest, webhook: Webhook) -> str:
    """Makes a real request; takes as long as the receiver, 10 s at most."""
    try:
        delivery, _ = sample.test_call(webhook, now=timezone.now())
    except sample.TooManyTestsError:
        messages.warning(request, "Too many test calls are under way; try again soon.")
        return ""
    except UndecryptableError:
        messages.error(request, "A secret of it cannot be decrypted: set it anew.")
        return ""
    return "?" + urlencode({TESTED: delivery.pk})


def _probe(request: HttpRequest, webhook: Webhook) -> str:
    if probes.probe_now(webhook):
        tasks.wake_up([webhook.pk])
        messages.success(
            request,
            "Its oldest pending delivery is tried now; if there is none, the next call.",
        )
    else:
        messages.info(request, "It is not DOWN, or switched off: nothing to probe.")
    return ""


def _rotate(request: HttpRequest, webhook: Webhook) -> str:
    secret, until = subscribe.rotate_secret(webhook, now=timezone.now())
    show_secret(request, secret)
    if until is not None:
        messages.info(
            request,
            f"The former one signs as well until {absolute(until)} UTC.",
        )
    return ""


def show_secret(request: HttpRequest, secret: str) -> None:
    """Shows a new secret on the next page, and never again."""
    messages.warning(
        request, f"Signing secret, shown this once, so copy it now: {secret}"
    )


def _row(request: HttpRequest, attempt: Attempt) -> dict[str, Any]:
    return attempt_row(attempt, operator=scope_of(request).operator)


def tested(request: HttpRequest, webhook: Webhook) -> dict[str, Any] | None:
    """The outcome of the test that the address names; None if it names none."""
    try:
        delivery = (
            Delivery.objects.filter(webhook=webhook, pk=request.GET.get(TESTED, ""))
            .exclude(test_uid="")
            .defer("request_body")
            .first()
        )
    except ValidationError:
        return None
    if delivery is None:
        return None
    attempt = Attempt.objects.filter(delivery=delivery).order_by("number").last()
    return {
        "state": label(delivery.state),
        "page": page_of(delivery),
        "attempt": _row(request, attempt) if attempt is not None else None,
    }
