"""The forms of a webhook's page. What may be saved is the pipeline's to say.

A header's value, a key, a password and the secret go in and never come out: a page shows `***`, and a
value that is left so stays as it is. Saves nothing: `draft` is what is wished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.forms.models import BaseInlineFormSet, construct_instance
from django.utils import timezone

from dispatcher.admin.again import hours_field
from dispatcher.admin.scope import OwnedForm
from dispatcher.admin.unfolded import (
    SelectWidget,
    TextareaWidget,
    TextInputWidget,
)
from dispatcher.filters.conditions import OPERATORS
from dispatcher.models import CustomData, Webhook, WebhookFilter, WebhookHeader
from dispatcher.payloads.registry import STYLES
from dispatcher.pipeline.draft import COLUMNS, WRITE_ONLY
from dispatcher.pipeline.subscribe import WebhookDraft, refusals
from dispatcher.values import FieldError, Filter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dispatcher.models import Tenant

    WebhookModelForm = forms.ModelForm[Webhook]
    FilterModelForm = forms.ModelForm[WebhookFilter]
    HeaderModelForm = forms.ModelForm[WebhookHeader]
    CustomDataModelForm = forms.ModelForm[CustomData]
    PartFormSetBase = BaseInlineFormSet[Any, Any, Any]
else:
    from unfold.forms import PaginationInlineFormSet as PartFormSetBase

    WebhookModelForm = FilterModelForm = forms.ModelForm
    HeaderModelForm = CustomDataModelForm = forms.ModelForm

UNCHANGED: Final = "***"
HELP_ABOUT_SIGNING: Final = (
    "Empty: a whsec_ secret is made and shown once (style feed: none)."
    " The word none: requests are not signed."
)

HELP_ABOUT_DOWN: Final = (
    "What becomes of calls while the webhook is DOWN: they wait, every one is tried, or"
    " they fail at once."
)

HELP_ABOUT_ALLOWED: Final = (
    "Properties that are sent of a call, by the names that filters know (cliNum, dur,"
    " tags.NAME) or the API's (caller, dialer.campaign), with commas; none: everything."
)

HELP_ABOUT_HIDDEN: Final = "Write-only: *** keeps what is there."


def styles_for(own_tenant: Tenant | None) -> list[str]:
    """The styles that are offered: to a tenant's users those that a tenant may have."""
    return [
        name
        for name, style in STYLES.items()
        if own_tenant is None or "tenant" in style.owners
    ]


class WebhookForm(OwnedForm, WebhookModelForm):
    """The settings of a webhook, together with the rows under them."""

    style = forms.ChoiceField(widget=SelectWidget)
    secret = forms.CharField(
        required=False,
        strip=True,
        help_text=HELP_ABOUT_SIGNING,
        widget=TextInputWidget(attrs={"autocomplete": "off"}),
    )
    allowed_fields = forms.CharField(
        required=False,
        help_text=HELP_ABOUT_ALLOWED,
        widget=TextareaWidget(attrs={"rows": 3}),
    )

    last_hours = hours_field(
        "Of the last hours",
        "It starts with the calls that are accepted from now on. With a number, it gets"
        " those of so many hours before as well.",
        required=False,
    )
    client_key = forms.CharField(
        required=False,
        help_text="PEM, without a passphrase. " + HELP_ABOUT_HIDDEN,
        widget=TextareaWidget(attrs={"rows": 3, "autocomplete": "off"}),
    )
    basic_password = forms.CharField(
        label="Basic auth password",
        required=False,
        strip=False,
        help_text=HELP_ABOUT_HIDDEN,
        widget=TextInputWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        """The page says which fields there are."""

        model = Webhook
        fields: ClassVar = [*COLUMNS, *sorted(WRITE_ONLY)]
        help_texts: ClassVar = {"when_down": HELP_ABOUT_DOWN}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "style" in self.fields:
            offered = styles_for(self.own_tenant)
            names = dict.fromkeys([*offered, self.instance.style])
            self.fields["style"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]  # a ChoiceField
        for name in WRITE_ONLY:
            # In place of the value, which must not be read to draw the page.
            self.initial[name] = UNCHANGED if getattr(self.instance, name) else ""
        if "mask_digits" in self.fields:
            self.fields["mask_digits"].required = False
        self.initial["allowed_fields"] = ", ".join(self.instance.allowed_fields)
        if not self.instance._state.adding:
            self.fields.pop("secret", None)
            self.fields.pop("last_hours", None)

    def clean_mask_digits(self) -> int:
        """As it was, where that was left empty: it matters to one kind of mask alone."""
        digits: int | None = self.cleaned_data["mask_digits"]
        return self.instance.mask_digits if digits is None else digits

    def clean_allowed_fields(self) -> list[str]:
        """The names, once each."""
        text: str = self.cleaned_data["allowed_fields"]
        names = (name.strip() for name in text.replace("\n", ",").split(","))
        return list(dict.fromkeys(filter(None, names)))

    @property
    def parts(self) -> dict[str, PartFormSet]:
        """Formsets of filters, custom data and headers, which the page hangs there."""
        return getattr(self.instance, "parts", {})

    def clean(self) -> dict[str, Any]:
        """Asks the pipeline, and puts what it refuses at the field that is at fault."""
        data = super().clean() or {}
        existing = None if self.instance._state.adding else self.instance
        wished, now = self.draft(), timezone.now()
        for error in refusals(wished, existing=existing, now=now):
            self._place(error)
        return data

    def draft(self) -> WebhookDraft:
        """What is wished; a field that could not be read is as it was."""
        columns = {name: getattr(self.instance, name) for name in COLUMNS}
        given = {
            name: value for name, value in self.cleaned_data.items() if name in COLUMNS
        }
        return WebhookDraft(
            **{**columns, **given},
            filters=tuple(
                Filter(row["field"], row["op"], row["value"])
                for row in self._rows("filters", "field", "op", "value")
            ),
            custom_data=tuple(
                (row["key"], row["value"])
                for row in self._rows("custom_data", "key", "value")
            ),
            headers=tuple(
                (row["name"], row["value"])
                for row in self._rows("headers", "name", "value")
            ),
            secret=self.cleaned_data.get("secret") or None,
            client_key=self._hidden("client_key"),
            basic_password=self._hidden("basic_password"),
        )

    def _hidden(self, name: str) -> str | None:
        """What was typed; None: it was left as it is."""
        typed: str | None = self.cleaned_data.get(name)
        left_alone = self.add_prefix(name) not in self.data
        return None if left_alone or typed == self.initial.get(name) else typed

    def _rows(self, part: str, *names: str) -> Iterable[dict[str, str]]:
        formset = self.parts.get(part)
        for row in formset.wished() if formset is not None else ():
            data = getattr(row, "cleaned_data", {})
            yield {name: data.get(name) or "" for name in names}

    def _place(self, error: FieldError) -> None:
        part, *rest = error.field.split(".")
        if part in self.parts:
            self.parts[part].refuse(rest, error.message)
        elif part not in self.fields:
            self.add_error(None, error.message)
        elif part not in self.errors:
            self.add_error(part, error.message)

    def _post_clean(self) -> None:
        """Django would judge by the database's constraints, in words of its own."""
        fields, exclude = self._meta.fields, self._meta.exclude
        construct_instance(self, self.instance, fields, exclude)


class PartFormSet(PartFormSetBase):
    """Rows of a webhook's page that the pipeline judges together with it."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """A row's id is one of the webhook's own: Django would take any that there is."""
        super().add_fields(form, index)
        own: Any = self.queryset
        form.fields[self._pk_field.name].queryset = own  # type: ignore[attr-defined]  # missing in the stubs

    def wished(self) -> list[forms.ModelForm[Any]]:
        """The rows that are to be there afterwards, in the order of the page."""
        self.is_valid()
        return [
            row
            for row in self.forms
            if not self._should_delete_form(row)  # type: ignore[attr-defined]  # missing in the stubs
            and (row.has_changed() or row in self.initial_forms)
        ]

    def refuse(self, place: list[str], message: str) -> None:
        """Shows why: `place` is the row's number and field, or nothing."""
        rows = self.wished()
        if len(place) == 2 and int(place[0]) < len(rows) and place[1] in self._names:
            row = rows[int(place[0])]
            if place[1] not in row.errors:
                row.add_error(place[1], message)
        else:
            self._non_form_errors.append(message)  # type: ignore[attr-defined]  # missing in the stubs

    @property
    def _names(self) -> set[str]:
        return set(self.form.base_fields)

    def validate_unique(self) -> None:
        """The pipeline names repeated keys."""


class FilterForm(FilterModelForm):
    """One condition; the fields that there are, are offered as one types."""

    op = forms.ChoiceField(
        label="Operator",
        choices=[(name, name) for name in OPERATORS],
        widget=SelectWidget,
    )
    value = forms.CharField(required=False, strip=False, widget=TextInputWidget)

    class Meta:
        """A condition's parts."""

        model = WebhookFilter
        fields: ClassVar = ["field", "op", "value"]
        widgets: ClassVar = {
            "field": TextInputWidget(attrs={"list": "cdr-fields", "size": "24"})
        }

    def _post_clean(self) -> None:
        """The pipeline judges."""


class CustomDataForm(CustomDataModelForm):
    """A key and a value."""

    class Meta:
        """Both texts."""

        model = CustomData
        fields: ClassVar = ["key", "value"]

    def _post_clean(self) -> None:
        """The pipeline judges."""


class HeaderForm(HeaderModelForm):
    """A header's name, and its value, which is write-only."""

    value = forms.CharField(
        help_text="Write-only: *** keeps the value that is there.",
        widget=TextInputWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        """The value is a field of its own."""

        model = WebhookHeader
        fields: ClassVar = ["name", "value"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        stored: WebhookHeader | None = kwargs.get("instance")
        if stored is not None and stored.pk:
            # In place of the value, which must not be read to draw the page.
            kwargs["initial"] = {**kwargs.get("initial", {}), "value": UNCHANGED}
        super().__init__(*args, **kwargs)

    def clean_value(self) -> str:
        """What was typed, or the stored value where that was left alone."""
        value: str = self.cleaned_data["value"]
        if value == UNCHANGED and self.instance.pk:
            return self.instance.value
        return value

    def _post_clean(self) -> None:
        """The pipeline judges."""
