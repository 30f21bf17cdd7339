"""API tokens: made here and shown once, revoked here, never shown again.

Only the digest is stored, and no page shows that either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.html import format_html

from dispatcher.admin.labels import label
from dispatcher.admin.moments import UNKNOWN, both
from dispatcher.admin.readonly import page_of
from dispatcher.admin.scope import OwnedForm, ScopedAdmin, scope_of
from dispatcher.admin.unfolded import CheckboxesWidget, ModelAdmin
from dispatcher.models import ApiToken
from dispatcher.pipeline import tokens

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    TokenModelForm = forms.ModelForm[ApiToken]
else:
    TokenModelForm = forms.ModelForm

SCOPES: Final = (
    ("ingest", "ingest: hand in CDRs"),
    ("read", "read: CDRs, webhooks and deliveries"),
    ("manage", "manage: make and change webhooks, send deliveries again"),
)


class TokenForm(OwnedForm, TokenModelForm):
    """Whose token it is, and what it may be used for."""

    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        widget=CheckboxesWidget,
        help_text="Scopes do not imply each other.",
    )

    class Meta:
        """The scopes are a field of their own."""

        model = ApiToken
        fields: ClassVar = ["name", "tenant", "partner", "expires_at"]

    def clean_expires_at(self) -> Any:
        """Not over before it began."""
        end = self.cleaned_data["expires_at"]
        if end is not None and end <= timezone.now():
            raise ValidationError("This time is over already.")
        return end

    def clean(self) -> dict[str, Any]:
        """A token speaks for one tenant or for one partner."""
        data = super().clean() or {}
        tenant = data.get("tenant") or self.instance.tenant
        if bool(tenant) == bool(data.get("partner")):
            raise ValidationError("A token belongs to one tenant or to one partner.")
        for scope in data.get("scopes", ()):
            setattr(self.instance, f"can_{scope}", True)
        return data

    def _get_validation_exclusions(self) -> set[str]:
        """The scopes' constraint is told by `scopes`, in better words."""
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # missing in the stubs
        return exclusions | {"can_ingest", "can_read", "can_manage"}


@admin.register(ApiToken)
class TokenAdmin(ScopedAdmin, ModelAdmin):
    """The tokens, newest first."""

    tenant_path = "tenant"
    partner_path = "partner"
    administrators_may = frozenset({"add", "revoke"})
    form = TokenForm
    list_display = (
        "token",
        "name",
        "owner",
        "of_source",
        "scope_labels",
        "state",
        "last_used",
        "expires",
        "created",
    )
    list_display_links = None
    list_select_related = ("tenant", "partner", "source")
    list_filter = ("can_ingest", "can_read", "can_manage")
    search_fields = ("name", "hint", "tenant__external_id", "partner__name")
    search_help_text = "Name, last four characters, tenant, partner"
    autocomplete_fields = ("tenant", "partner")
    fields = ("name", "tenant", "partner", "scopes", "expires_at")
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True
    actions: Any = ("revoke",)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """A token is revoked, and another one made."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """A revoked one stays to be seen."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Administrators."""
        return self.may(request, "revoke")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """A tenant's administrators make its tokens: there is no owner to choose."""
        if scope_of(request).tenant is None:
            return self.fields
        return tuple(name for name in self.fields if name not in ("tenant", "partner"))

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """There is no page of one token: the list says all that is known of it."""
        return self.response_post_save_change(request, ApiToken())

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: Any, change: bool
    ) -> None:
        """Makes the token, stores its digest, and shows it once."""
        token = obj.mint()
        super().save_model(request, obj, form, change)
        messages.warning(
            request, f"The token, shown this once, so copy it now: {token}"
        )

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Ends tokens at once; one that was revoked before stays as it is."""
        revoked = tokens.revoke(queryset, now=timezone.now())
        messages.success(request, f"Revoked: {revoked}.")

    # Columns -------------------------------------------------------------------------

    @admin.display(description="Token")
    def token(self, token: ApiToken) -> str:
        """Its last characters, by which an owner knows it."""
        return str(token)

    @admin.display(description="Belongs to")
    def owner(self, token: ApiToken) -> str:
        """The tenant or the partner."""
        if token.tenant is not None:
            return f"tenant {token.tenant}"
        return f"partner {token.partner}"

    @admin.display(description="Source")
    def of_source(self, token: ApiToken) -> SafeString | str:
        """The one that it is good for, where it is not good for all of its owner's."""
        if token.source is None:
            return UNKNOWN
        address, name = page_of(token.source), token.source.name
        return format_html('<a class="cdr-link" href="{}">{}</a>', address, name)

    @admin.display(description="Scopes")
    def scope_labels(self, token: ApiToken) -> str:
        """What it may be used for."""
        return ", ".join(token.scopes)

    @admin.display(description="State")
    def state(self, token: ApiToken) -> SafeString:
        """Valid, revoked or expired."""
        if token.revoked_at is not None:
            return label("revoked", "bad")
        valid = token.is_valid(timezone.now())
        return label("valid", "good") if valid else label("expired", "warn")

    @admin.display(description="Last used")
    def last_used(self, token: ApiToken) -> str:
        """To the minute."""
        return both(token.last_used_at, timezone.now())

    @admin.display(description="Expires")
    def expires(self, token: ApiToken) -> str:
        """Until when it is good, if there is an end."""
        end = token.expires_at
        return "never" if end is None else both(end, timezone.now())

    @admin.display(description="Made")
    def created(self, token: ApiToken) -> str:
        """When."""
        return both(token.created_at, timezone.now())
