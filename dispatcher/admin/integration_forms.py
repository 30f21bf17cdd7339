"""The form of an integration's page. What may be saved is the pipeline's to say.

API keys go in and never come out: their fields are the form's own, under names that the
model does not know, so that no stored key is ever an initial value. Saves nothing:
`wish` is what is wished.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.forms.models import construct_instance

from dispatcher.admin.scope import OwnedForm
from dispatcher.admin.unfolded import PasswordWidget, SwitchWidget
from dispatcher.models import Integration
from dispatcher.pipeline import integrate

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from dispatcher.models import Tenant
    from dispatcher.values import FieldError

    IntegrationModelForm = forms.ModelForm[Integration]
else:
    IntegrationModelForm = forms.ModelForm

OWNER: Final = ("tenant", "user")
# The column of a key -> the field that takes a new one, and the box that removes it.
KEY_FIELDS: Final = MappingProxyType(
    {
        "openai_key": ("new_openai_key", "clear_openai_key"),
        "assemblyai_key": ("new_assemblyai_key", "clear_assemblyai_key"),
    }
)
_SET: Final = "Set. It is never shown; leave this empty to keep it."
_NOT_SET: Final = "Not set."


def _key_field(label: str) -> forms.CharField:
    # What browsers obey in a password field; for "off" they fill in the user's own.
    widget = PasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=True, widget=widget)


def _clear_field(label: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=SwitchWidget)


class IntegrationForm(OwnedForm, IntegrationModelForm):
    """One user's settings of a tenant."""

    # The user who asks, whose integration a new one is where there is no choice.
    asking: ClassVar[User | None] = None

    on = forms.BooleanField(
        label="Status",
        required=False,
        help_text="On: the calls of all the tenant's users are sent to the request URL.",
        widget=SwitchWidget,
    )
    new_openai_key = _key_field("OpenAI API key")
    clear_openai_key = _clear_field("Remove the OpenAI API key")
    new_assemblyai_key = _key_field("AssemblyAI API key")
    clear_assemblyai_key = _clear_field("Remove the AssemblyAI API key")

    class Meta:
        """The page says which fields there are."""

        model = Integration
        fields: ClassVar = [*OWNER, "url", "call_summary"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        integration = self.instance
        if integration._state.adding and "user" not in self.fields:
            integration.user = self.asking
        self.fields["on"].initial = integration.switched_on_at is not None
        for column, (new, clear) in KEY_FIELDS.items():
            is_set = bool(getattr(integration, column))
            self.fields[new].help_text = _SET if is_set else _NOT_SET
            if not is_set:
                del self.fields[clear]

    def clean(self) -> dict[str, Any]:
        """Asks the pipeline, and puts what it refuses at the field that is at fault."""
        data = super().clean() or {}
        tenant, user = self._chosen("tenant"), self._chosen("user")
        for new, clear in KEY_FIELDS.values():
            if data.get(new) and data.get(clear):
                self.add_error(clear, "Type a new key or remove the stored one.")
        if tenant is None or user is None:
            return data
        if self.instance._state.adding and _exists(tenant, user):
            text = f"{user} has settings of {tenant} already: change those."
            self.add_error("user" if "user" in self.fields else None, text)
        for error in integrate.refusals(tenant, user, self.wish()):
            self._place(error)
        return data

    def wish(self) -> integrate.Wish:
        """What is wished; a key that was left alone is None."""
        data = self.cleaned_data
        keys = {
            column: "" if data.get(clear) else (data.get(new) or None)
            for column, (new, clear) in KEY_FIELDS.items()
        }
        return integrate.Wish(
            url=data.get("url") or "",
            on=data.get("on", False),
            call_summary=data.get("call_summary", False),
            **keys,
        )

    def _chosen(self, name: str) -> Any:
        """The tenant or user: by the form where it asks for one, else as it is."""
        if name in self.fields:
            return self.cleaned_data.get(name)
        known = getattr(self.instance, f"{name}_id") is not None
        return getattr(self.instance, name) if known else None

    def _place(self, error: FieldError) -> None:
        name = KEY_FIELDS.get(error.field, (error.field,))[0]
        if name not in self.fields:
            self.add_error(None, error.message)
        elif name not in self.errors:
            self.add_error(name, error.message)

    def _post_clean(self) -> None:
        """Only whose it is; the settings are the pipeline's to write."""
        construct_instance(self, self.instance, OWNER, None)


def _exists(tenant: Tenant, user: User) -> bool:
    return Integration.objects.filter(tenant=tenant, user=user).exists()
