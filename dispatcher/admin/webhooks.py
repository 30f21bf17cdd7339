"""Webhooks: the page that makes or changes one.

Everything is saved by pipeline.subscribe, so that nothing is let through here that the
API refuses. Deleted webhooks are not shown; their deliveries are.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone

from dispatcher import tasks
from dispatcher.admin import again, webhook_views
from dispatcher.admin.moments import both
from dispatcher.admin.paging import count_text
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import ScopedInline, scope_of
from dispatcher.admin.site import ending_in_the_id
from dispatcher.admin.unbundled import unbundled_status
from dispatcher.admin.unfolded import TabularInline
from dispatcher.admin.webhook_forms import (
    CustomDataForm,
    FilterForm,
    HeaderForm,
    PartFormSet,
    WebhookForm,
    styles_for,
)
from dispatcher.admin.webhook_list import (
    COUNTED_PENDING,
    OWNER,
    WebhookList,
    state_labels,
)
from dispatcher.cdr_fields import FIELDS
from dispatcher.models import (
    CustomData,
    Webhook,
    WebhookFilter,
    WebhookHeader,
)
from dispatcher.pipeline import probes, subscribe
from dispatcher.pipeline.draft import COLUMNS, OF_INTEGRATION, WRITE_ONLY

if TYPE_CHECKING:
    import datetime as dt

    from django.http import HttpRequest

PRIVACY: Final = (
    "What the receiver is shown of a call; filters see all of it. A change works for"
    " requests that are made from now on: one that has been tried stays as it is."
)
SETTINGS: Final = (
    ("Request", ("url", ("style", "active"), ("method", "format")), ""),
    (
        "Trying again",
        (
            ("retries", "also_accept"),
            ("honour_retry_after", "disable_on_410"),
            ("when_down", "when_disabled"),
        ),
        "",
    ),
    ("Pace and order", (("max_in_flight", "max_per_second"), "ordered"), ""),
    ("What is sent", ("on_update",), ""),
    ("Privacy", (("mask", "mask_digits"), "allowed_fields"), PRIVACY),
)
IDENTITY: Final = (
    "TLS and login",
    (
        "ca_certificates",
        ("client_certificate", "client_key"),
        ("basic_username", "basic_password"),
    ),
    "Where the receiver's certificate comes from an authority of its own, or it demands"
    " one of ours, or Basic auth.",
)
# Of one style alone; the page shows them while that is the chosen style.
OF_STYLE: Final = MappingProxyType(
    {
        "batch": (
            "Batches",
            (("batch_size", "batch_seconds"),),
            "A batch goes out when it is full, or that long after its first call.",
        ),
        "feed": (
            "Feed",
            (("resource", "late_records"), "empty_windows"),
            "A feed sends the calls of each five minutes.",
        ),
    }
)


class Part(ScopedInline, TabularInline):
    """Rows of a webhook, which are judged and saved together with it."""

    formset = PartFormSet
    extra = 0
    hide_title = True


class Filters(Part):
    """The conditions that a call must meet, all of them."""

    model = WebhookFilter
    form = FilterForm
    fields = ("field", "op", "value")
    verbose_name_plural = "Filters (all must hold; none: every call)"
    template_after = "admin/dispatcher/webhook/cdr_fields.html"


class CustomDataRows(Part):
    """Keys and values that go into every payload."""

    model = CustomData
    form = CustomDataForm
    fields = ("key", "value")


class Headers(Part):
    """Headers of the webhook's own; their values are write-only."""

    model = WebhookHeader
    form = HeaderForm
    fields = ("name", "value")
    verbose_name_plural = "Headers (values are never shown; *** keeps one)"

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        """A form hides the value itself; where there is none, it is left out."""
        if self.has_change_permission(request, obj):
            return self.fields
        return ("name",)


@admin.register(Webhook)
class WebhookAdmin(WebhookList):
    """The webhooks that are not deleted."""

    form = WebhookForm
    inlines = (Filters, CustomDataRows, Headers)
    change_form_outer_before_template = "admin/dispatcher/webhook/status.html"

    # The page ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses; the page's own ends in the webhook's id."""
        own: list[URLPattern] = super().get_urls()
        return [
            *webhook_views.patterns(self),
            *again.patterns(self),
            *ending_in_the_id(self, own),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Webhook | None = None) -> Any:
        """The owner is chosen once, and the secret is typed once."""
        owner = ("Belongs to", {"fields": OWNER})
        secret = ("Signature", {"fields": ("secret",)})
        rest = [
            (title, {"fields": names, "description": note})
            for title, names, note in (*SETTINGS, self._identity(request, obj))
        ]
        of_style = [
            (
                title,
                {"fields": names, "description": note, "classes": (f"cdr-of-{name}",)},
            )
            for name, (title, names, note) in OF_STYLE.items()
            if name
            in (styles_for(scope_of(request).tenant) if obj is None else {obj.style})
        ]
        first = [] if scope_of(request).tenant is not None else [owner]
        past = ("Past calls", {"fields": ("last_hours",)})
        last = [past, secret] if obj is None else []
        return [*first, *rest, *of_style, *last]

    def _identity(self, request: HttpRequest, obj: Webhook | None) -> Any:
        """A form hides key and password; where there is none, they are left out."""
        if obj is None or self.has_change_permission(request, obj):
            return IDENTITY
        title, _, note = IDENTITY
        return title, ("ca_certificates", "client_certificate", "basic_username"), note

    def get_readonly_fields(
        self, request: HttpRequest, obj: Webhook | None = None
    ) -> tuple[str, ...]:
        """A webhook cannot change hands; an integration's follows the integration."""
        if obj is None:
            return ()
        return (*OWNER, *OF_INTEGRATION) if obj.of_integration else OWNER

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Adds how the webhook is, and how its test went."""
        webhook = self.get_object(request, object_id)
        extra: dict[str, Any] = {"cdr_fields": list(FIELDS)}
        if webhook is not None:
            extra["status"] = status(webhook)
            extra["again"] = again.of_webhook(webhook)
            extra["tested"] = webhook_views.tested(request, webhook)
        return super().change_view(
            request, object_id, form_url, {**extra, **(extra_context or {})}
        )

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Adds the fields that filters may ask for."""
        extra = {"cdr_fields": list(FIELDS), **(extra_context or {})}
        return super().add_view(request, form_url, extra)

    def _create_formsets(
        self, request: HttpRequest, obj: Webhook, change: bool
    ) -> tuple[list[Any], list[Any]]:
        """Lets the form see the rows under it: they are judged together."""
        formsets, inlines = super()._create_formsets(request, obj, change)  # type: ignore[misc]  # missing in the stubs
        obj.parts = {formset.prefix: formset for formset in formsets}  # type: ignore[attr-defined]  # for WebhookForm.clean
        return formsets, inlines

    # Saving --------------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: Webhook, form: Any, change: bool
    ) -> None:
        """Hands the draft to the pipeline; shows a new secret once."""
        draft, now = form.draft(), timezone.now()
        # What was held goes out without waiting for the sweep.
        transaction.on_commit(lambda: tasks.wake_up([obj.pk]))
        if change:
            names = [*COLUMNS, *WRITE_ONLY, "filters", "custom_data", "headers"]
            changes = {name: getattr(draft, name) for name in names}
            subscribe.update_webhook(obj, changes, now=now)
            return
        webhook, secret = subscribe.create_webhook(draft, now=now)
        obj.pk, obj._state.adding = webhook.pk, False
        if hours := form.cleaned_data.get("last_hours"):
            # Its calls before end with its commit.
            transaction.on_commit(lambda: again.give(request, webhook, hours))
        if secret:
            webhook_views.show_secret(request, secret)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """The pipeline has saved the rows; Django's log asks what became of them."""
        for formset in formsets:
            formset.new_objects = formset.changed_objects = formset.deleted_objects = []

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Asks, then deletes in the pipeline's own short transactions."""
        webhook = self.get_object(request, object_id)
        if webhook is None or request.method != "POST":
            return super().delete_view(request, object_id, extra_context)
        if not self.has_delete_permission(request, webhook):
            raise PermissionDenied
        try:
            cancelled = subscribe.delete_webhook(webhook, now=timezone.now())
        except subscribe.InUseError as error:
            messages.error(request, f"The webhook was not deleted: {error}.")
            return HttpResponseRedirect(page_of(webhook))
        self.log_deletions(
            request,
            Webhook.objects.filter(pk=webhook.pk).defer("secret", "previous_secret"),
        )
        messages.success(
            request, f"The webhook was deleted; {cancelled} deliveries were cancelled."
        )
        return HttpResponseRedirect(reverse("admin:dispatcher_webhook_changelist"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the webhook: what it sent stays, and is not to be listed by the million."""
        note = "What it has sent stays visible; what it has pending is cancelled."
        return [str(obj) for obj in objs] + [note], {"webhooks": len(objs)}, set(), []


def status(webhook: Any) -> dict[str, Any]:
    """What the top of a webhook's page says about it."""
    now = timezone.now()
    return {
        "id": str(webhook.pk),
        "labels": state_labels(webhook),
        "down_since": both(webhook.down_since, now) if webhook.down_since else "",
        "next_probe": _next_probe(webhook, now),
        "succeeded": both(webhook.last_success_at, now),
        "failed": both(webhook.last_failure_at, now),
        "failures_in_a_row": webhook.failures_in_a_row,
        "pending": count_text(webhook.pending_count or 0, COUNTED_PENDING),
        "unbundled": unbundled_status(webhook),
        "dropped": webhook.dropped,
        "answer_ms": webhook.answer_ms,
        "deliveries": reverse("admin:dispatcher_delivery_changelist")
        + f"?webhook={webhook.pk}",
        "test": reverse("admin:dispatcher_webhook_test", args=[webhook.pk]),
        "probe": reverse("admin:dispatcher_webhook_probe", args=[webhook.pk]),
        "rotate": reverse("admin:dispatcher_webhook_rotate", args=[webhook.pk]),
        "page": page_of(webhook),
        "of_integration": webhook.of_integration,
    }


def _next_probe(webhook: Webhook, now: dt.datetime) -> str:
    """When it is tried next; "" where it is not DOWN or every call is tried."""
    at = probes.next_probe_at(webhook, now)
    if at is None:
        return ""
    if not webhook.pending_count:  # type: ignore[attr-defined]  # annotated by the list
        return "with the next call"
    return both(at, now)
