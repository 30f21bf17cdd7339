"""TheHUB's "CDRs to Webhook": each user's settings, and whose are in force.

"Only Admin User can access these Integration Settings" (thehub.txt): viewers reach
nothing here. Members change their own settings and see those of the others, operators
change all. Everything is saved by pipeline.integrate. No page shows an API key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from dispatcher import tasks
from dispatcher.admin import webhook_views
from dispatcher.admin.delivery_filters import TenantFilter
from dispatcher.admin.integration_forms import KEY_FIELDS, OWNER, IntegrationForm
from dispatcher.admin.labels import host_of, label
from dispatcher.admin.moments import absolute, both
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import ScopedAdmin, scope_of
from dispatcher.admin.unfolded import ChangeList, ModelAdmin
from dispatcher.admin.webhook_list import state_labels
from dispatcher.models import Integration, Webhook
from dispatcher.pipeline import integrate
from dispatcher.pipeline.subscribe import RefusedError

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from dispatcher.pipeline.integrate import Standing

ABOUT_WEBHOOK: Final = (
    "HTTP method is POST, the calls are sent as JSON in batches. Your webhook must"
    " respond with status 200 or 201 to confirm the receipt of the data."
)
ABOUT_SUMMARIES: Final = (
    "On: the summary of each recorded call is posted to the same URL when it is"
    " generated. AssemblyAI makes the transcription and OpenAI the summary, by these"
    " two keys; without either of them there are no summaries."
)


class IntegrationList(ChangeList):
    """The list, whose rows know how they stand."""

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, with one query more for all rows."""
        super().get_results(request)
        standing = integrate.standing(self.result_list)
        for row in self.result_list:
            row.standing = standing[row.pk]


@admin.register(Integration)
class IntegrationAdmin(ScopedAdmin, ModelAdmin):
    """The integrations, by tenant, the first that was switched on first."""

    tenant_path = "tenant"
    administrators_may = frozenset({"add", "change", "delete"})
    form = IntegrationForm
    change_form_outer_before_template = "admin/dispatcher/integration/status.html"
    list_display = ("whose", "tenant", "state", "on_since", "goes_to", "summaries")
    list_filter: ClassVar = [TenantFilter, "call_summary"]
    list_filter_submit = True
    list_select_related = ("tenant", "user")
    search_fields = ("tenant__external_id", "tenant__name", "user__username", "url")
    search_help_text = "Tenant, user, part of the URL"
    autocomplete_fields = OWNER
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True
    # Django's deletion of many would go round the pipeline.
    actions = None

    # Who may ---------------------------------------------------------------------------

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Administrators only, even to see them."""
        scope = scope_of(request)
        return (scope.operator or scope.administrator) and super().may(request, verb)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A tenant's administrator has one set of settings of that tenant."""
        if not super().has_add_permission(request):
            return False
        tenant = scope_of(request).tenant
        own = Integration.objects.filter(tenant=tenant, user=request.user.pk)
        return tenant is None or not own.exists()

    def has_change_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """One's own; operators change those of all users."""
        return super().has_change_permission(request, obj) and _own(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """One's own; operators remove those of all users."""
        return super().has_delete_permission(request, obj) and _own(request, obj)

    # The list --------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that knows how its rows stand."""
        return IntegrationList

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without the tenant where there is but one."""
        one = scope_of(request).tenant is not None
        return [name for name in self.list_display if not (one and name == "tenant")]

    @admin.display(description="User")
    def whose(self, integration: Integration) -> str:
        """The user whose settings they are; a user's own page is for operators."""
        return str(integration.user)

    @admin.display(description="State")
    def state(self, integration: Any) -> SafeString:
        """In force, or why not."""
        return state_of(integration.standing)

    @admin.display(description="On since")
    def on_since(self, integration: Integration) -> str:
        """When it was switched on, which decides whose settings are in force."""
        return both(integration.switched_on_at, timezone.now())

    @admin.display(description="Request URL")
    def goes_to(self, integration: Integration) -> SafeString:
        """The host over the path."""
        host = host_of(integration.url)
        return format_html(
            '<span class="cdr-break">{}</span><br>'
            '<span class="cdr-fine cdr-break">{}</span>',
            host,
            integration.url.partition(host)[2],
        )

    @admin.display(description="Call summaries")
    def summaries(self, integration: Integration) -> SafeString:
        """Whether they are made, or why not."""
        return summaries_of(integration)

    # The page --------------------------------------------------------------------------

    def get_fieldsets(
        self, request: HttpRequest, obj: Integration | None = None
    ) -> Any:
        """The settings; those of another user without their keys."""
        if obj is not None and not self.has_change_permission(request, obj):
            return [
                ("Belongs to", {"fields": ("tenant", "whose")}),
                ("CDRs to webhook", {"fields": ("url",)}),
                ("Call summary", {"fields": ("call_summary",)}),
            ]
        chosen = obj is None and scope_of(request).operator
        return [
            ("Belongs to", {"fields": OWNER if chosen else ("tenant", "whose")}),
            ("CDRs to webhook", _part(ABOUT_WEBHOOK, "on", "url")),
            (
                "Call summary",
                _part(ABOUT_SUMMARIES, "call_summary", *_key_fields(obj)),
            ),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Integration | None = None
    ) -> tuple[str, ...]:
        """Whose they are is chosen once, and only where there is a choice."""
        scope = scope_of(request)
        if obj is not None or scope.tenant is not None:
            return ("tenant", "whose")
        return () if scope.operator else ("whose",)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Tells the form who asks."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.asking = request.user
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Operators set up their own, too, unless they choose another user."""
        initial = super().get_changeform_initial_data(request)
        return {"user": request.user.pk, "on": True, **initial}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Adds how the integration stands."""
        integration = self.get_object(request, object_id) if object_id else None
        extra = {"status": status(integration)} if integration is not None else {}
        try:
            return super().changeform_view(
                request, object_id, form_url, {**extra, **(extra_context or {})}
            )
        except RefusedError as error:
            # What the form let through has become wrong before it was saved.
            messages.error(request, f"Nothing was saved: {error}.")
            return HttpResponseRedirect(request.get_full_path())

    # Saving ----------------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: Integration, form: Any, change: bool
    ) -> None:
        """Hands what is wished to the pipeline; shows a new webhook's secret once."""
        changed = integrate.save(obj.tenant, obj.user, form.wish(), now=timezone.now())
        obj.pk, obj._state.adding = changed.integration.pk, False
        _wake_up(changed)
        if changed.secret:
            webhook_views.show_secret(request, changed.secret)

    def delete_model(self, request: HttpRequest, obj: Integration) -> None:
        """Removes the settings; the next ones take over, if there are any."""
        _wake_up(integrate.remove(obj, now=timezone.now()))


def _own(request: HttpRequest, integration: Integration | None) -> bool:
    if scope_of(request).operator or integration is None:
        return True
    return integration.user_id == request.user.pk


def _wake_up(changed: integrate.Changed) -> None:
    """What was held goes out without waiting for the sweep."""
    transaction.on_commit(lambda: tasks.wake_up(changed.wake))


def _part(description: str, *fields: Any) -> dict[str, Any]:
    return {"fields": fields, "description": description}


def _key_fields(integration: Integration | None) -> list[Any]:
    """A row for each key: a field for a new one, a box to remove the one that is set."""
    return [
        (new, clear) if getattr(integration, column, "") else new
        for column, (new, clear) in KEY_FIELDS.items()
    ]


# How it stands ----------------------------------------------------------------------


def state_of(standing: Standing) -> SafeString:
    """The label and, under it, whose settings are in force instead."""
    shown, why_not = _label_and_reason(standing)
    if not why_not:
        return shown
    return format_html(
        '{}<br><span class="cdr-fine cdr-outcome">{}</span>', shown, why_not
    )


def _label_and_reason(standing: Standing) -> tuple[SafeString, str]:
    if standing.in_force:
        return label("in force", "good"), ""
    if standing.why_not == integrate.SWITCHED_OFF:
        return label("off"), ""
    # The label says the first words of it.
    why_not = standing.why_not.removeprefix(f"{integrate.NOT_IN_FORCE}: ")
    return label(integrate.NOT_IN_FORCE, "warn"), why_not


def summaries_of(integration: Integration) -> SafeString:
    """`on`, `off`, or `stopped` and why."""
    notice = integrate.summaries_notice(integration)
    if not integration.call_summary:
        return label("off")
    if not notice:
        return label("on", "good")
    return format_html(
        '{}<br><span class="cdr-fine cdr-outcome">{}</span>',
        label("stopped", "bad"),
        notice,
    )


def status(integration: Integration) -> dict[str, Any]:
    """What the top of an integration's page says about it."""
    now = timezone.now()
    standing = integrate.standing([integration])[integration.pk]
    state, why_not = _label_and_reason(standing)
    notice = integrate.summaries_notice(integration)
    webhook = integrate.webhook_of(integration.tenant)
    return {
        "state": state,
        "why_not": why_not,
        "on_since": both(integration.switched_on_at, now),
        "notice": notice if integration.call_summary else "",
        "notice_at": absolute(integration.notice_at) if integration.notice else "",
        "webhook": _webhook(webhook, now) if webhook is not None else None,
    }


def _webhook(webhook: Webhook, now: Any) -> dict[str, Any]:
    return {
        "page": page_of(webhook),
        "url": webhook.url,
        "state": state_labels(webhook),
        "succeeded": both(webhook.last_success_at, now),
        "failed": both(webhook.last_failure_at, now),
    }
