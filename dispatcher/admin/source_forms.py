"""The form of a source's page. What may be saved is the pipeline's to say.

A secret and a connection's password go in and never come out: the page shows `***`, and
what is left so stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms

from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.kinds import kinds
from dispatcher.admin.scope import OwnedForm
from dispatcher.admin.unfolded import SelectWidget, TextareaWidget, TextInputWidget
from dispatcher.filters import conditions
from dispatcher.models import Source
from dispatcher.pipeline import sources

if TYPE_CHECKING:
    from dispatcher.values import FieldError

    SourceModelForm = forms.ModelForm[Source]
else:
    SourceModelForm = forms.ModelForm

UNCHANGED: Final = "***"
HELP_ABOUT_RULES: Final = (
    "One a line, the first that holds counts: inbound if ddiNum:startswith:+4420."
    " Before the word if: inbound, outbound, internal, both or unknown; after it a"
    " condition as filters have it. None: the direction that the PBX says."
)
HELP_ABOUT_NAME: Final = (
    "1 to 64 of A-Z a-z 0-9 . _ : @ + -. It is a part of the URL and stays as it is."
)


def rules_text(rules: Any) -> str:
    """Rules as they are typed; those that are none are left out."""
    return "\n".join(
        f"{rule.get('direction')} if"
        f" {rule.get('field')}:{rule.get('op')}:{rule.get('value')}"
        for rule in (rules if isinstance(rules, list) else [])
        if isinstance(rule, dict)
    )


def rules_of(text: str) -> list[dict[str, str]]:
    """What was typed, as it is stored. Raises ValidationError for a line without `if`."""
    return [
        _rule(number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]


def _rule(number: int, line: str) -> dict[str, str]:
    direction, found, condition = line.partition(" if ")
    if not found:
        why = f'Line {number}: write a rule as "inbound if FIELD:OP:VALUE".'
        raise forms.ValidationError(why)
    try:
        parsed = conditions.parse(condition.strip())
    except conditions.BadFilterError as error:
        raise forms.ValidationError(f"Line {number}: {error}") from None
    return {
        "field": parsed.field,
        "op": parsed.op,
        "value": parsed.value,
        "direction": direction.strip().lower(),
    }


class SourceForm(OwnedForm, SourceModelForm):
    """The settings of a source."""

    pbx = forms.ChoiceField(label="PBX", widget=SelectWidget)
    directions = forms.CharField(
        required=False,
        help_text=HELP_ABOUT_RULES,
        widget=TextareaWidget(attrs={"rows": 3}),
    )
    allowed_networks = forms.CharField(
        required=False,
        help_text="Addresses or networks that may push, one a line; empty: any.",
        widget=TextareaWidget(attrs={"rows": 3}),
    )
    secret = forms.CharField(
        required=False,
        strip=True,
        help_text="What the PBX signs with (Yeastar P-series: X-Signature). Write-only:"
        " *** keeps what is there, empty removes it.",
        widget=TextInputWidget(attrs={"autocomplete": "off"}),
    )
    file_format = forms.ChoiceField(
        required=False, widget=SelectWidget, help_text="Of the folder's files."
    )
    connection = forms.CharField(
        required=False,
        strip=True,
        help_text="With login. Its password is never shown: what is left as it is"
        " stays, empty removes it. Asterisk's events (ami://) come once: what happens"
        " while nobody is connected is lost, so have a file or a table as well.",
        widget=TextInputWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        """The page says which fields there are."""

        model = Source
        fields: ClassVar = ["tenant", "name", "pbx", *sources.COLUMNS]
        help_texts: ClassVar = {
            "name": HELP_ABOUT_NAME,
            "folder": "Watched for files; a path on the machine that collects.",
            "table": "Where calls are read from, if not the usual one.",
            "alert_when_silent": "Operators are told when nothing has come for longer"
            " than is usual.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer("pbx", kinds())
        self._offer("file_format", {"": "-", **{name: name for name in FORMATS}})
        self.initial["directions"] = rules_text(self.instance.directions)
        # In place of the values, which must not be read to draw the page.
        self.initial["secret"] = UNCHANGED if self.instance.secret else ""
        self.initial["connection"] = sources.masked(self.instance.connection)

    def _offer(self, name: str, choices: dict[str, str]) -> None:
        if name in self.fields:
            now = getattr(self.instance, name)
            offered = {**({now: now} if now else {}), **choices}
            self.fields[name].choices = list(offered.items())  # type: ignore[attr-defined]  # a ChoiceField

    def clean_region(self) -> str:
        """In capitals, however it was typed."""
        return str(self.cleaned_data["region"]).upper()

    def clean_directions(self) -> list[dict[str, str]]:
        """The rules."""
        return rules_of(self.cleaned_data["directions"])

    def clean_secret(self) -> str:
        """As it was, where it was left alone."""
        return self._hidden("secret")

    def clean_connection(self) -> str:
        """As it was, where it was left alone."""
        return self._hidden("connection")

    def _hidden(self, name: str) -> str:
        typed: str = self.cleaned_data[name]
        left_alone = self.add_prefix(name) not in self.data
        if left_alone or typed == self.initial[name]:
            return str(getattr(self.instance, name))
        return typed

    def _get_validation_exclusions(self) -> set[str]:
        """A name is judged among those of its tenant, which need not be in the form."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # missing in the stubs
        return excluded - {"tenant"} if self.instance.tenant_id else excluded

    def _post_clean(self) -> None:
        """Asks the pipeline as well, once the row holds what was typed."""
        super()._post_clean()  # type: ignore[misc]  # missing in the stubs
        for error in sources.refusals(self.instance):
            self._place(error)

    def _place(self, error: FieldError) -> None:
        if error.field not in self.fields:
            self.add_error(None, f"{error.field}: {error.message}")
        elif error.field not in self.errors:
            self.add_error(error.field, error.message)
