"""The JSON of a webhook: what may be sent, and what is shown.

Judges types and names only; which settings go together is for pipeline.draft to say.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

from django.utils import timezone
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dispatcher.api.problems import Problem, listed
from dispatcher.api.shapes import iso
from dispatcher.models import Webhook
from dispatcher.pipeline.draft import WRITE_ONLY
from dispatcher.pipeline.probes import next_probe_at
from dispatcher.values import FieldError, Filter

MASKED: Final = "***"

# Shown only where they differ from their default.
OPTIONS: Final = (
    "on_update",
    "honour_retry_after",
    "disable_on_410",
    "empty_windows",
    "mask",
    "ca_certificates",
    "client_certificate",
    "basic_username",
)
# Of these only that they are there.
HIDDEN: Final = tuple(sorted(WRITE_ONLY))
# Shown, and accepted back unchanged, so that what was read can be written.
READ_ONLY: Final = ("id", "tenant", "partner", "health", "secret_set")
_PLAIN: Final = (
    "url",
    "method",
    "format",
    "style",
    "retries",
    "max_in_flight",
    "max_per_second",
    "ordered",
    "when_down",
    "when_disabled",
    "active",
    "batch_size",
    "batch_seconds",
    "resource",
    "on_update",
    "honour_retry_after",
    "disable_on_410",
    "late_records",
    "empty_windows",
    "mask",
    "mask_digits",
    "allowed_fields",
    "ca_certificates",
    "client_certificate",
    "basic_username",
    "secret",
)


def _operand(value: object) -> object:
    """`"value": 30` and `true` mean what their text means in FIELD:OP:VALUE."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return str(value)
    return value


class FilterBody(BaseModel):
    """One condition; all of a webhook's must hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    field: str
    op: str
    value: Annotated[str, BeforeValidator(_operand)]

    def as_value(self) -> Filter:
        """The condition as the filters room takes it."""
        return Filter(self.field, self.op, self.value)


class WebhookChanges(BaseModel):
    """The settings of a webhook; in a PATCH, those that are to change.

    `headers` and `custom_data` replace all there were; `***`, as a header's value, as
    `client_key` or as `basic_password`, keeps the stored one; "" ends them. `secret`: left out in a POST, one is made; "none": unsigned.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field("", max_length=2000)
    method: str = Field("POST", description="POST, PUT or GET")
    format: str = Field("json", description="json or form")
    style: str = Field("envelope", description="envelope, flat, batch or feed")
    filters: list[FilterBody] = []
    custom_data: dict[str, str] = {}
    headers: dict[str, str] = {}
    retries: int = Field(1, description="0 to 10; the wait before retry n is n x 2 s")
    max_in_flight: int = 4
    max_per_second: int | None = None
    ordered: bool = False
    when_down: str = Field("hold", description="hold, try or fail")
    when_disabled: str = Field("drop", description="drop or hold")
    active: bool = True
    batch_size: int = 100
    batch_seconds: int = 60
    resource: str = Field("analytics", description="analytics or billing")
    on_update: bool = False
    honour_retry_after: bool = False
    disable_on_410: bool = False
    also_accept: list[int] = Field([], description="Statuses beside 200 and 201")
    late_records: str = Field("send", description="Of a feed: send or api_only")
    empty_windows: bool = Field(False, description="Of a feed: sent, too")
    mask: str = Field(
        "",
        description="Numbers are sent without their last digits"
        ' ("digits"), as a keyed hash ("hash"), or as they are ("")',
    )
    mask_digits: int = Field(4, description="How many digits become x")
    allowed_fields: list[str] = Field(
        [], description="Properties that are sent of a call; none: everything"
    )
    ca_certificates: str = Field(
        "", description="PEM, trusted in place of the public authorities"
    )
    client_certificate: str = Field("", description="PEM, with its chain")
    client_key: str | None = Field(None, description="PEM; shown by no GET")
    basic_username: str = ""
    basic_password: str | None = Field(None, description="Shown by no GET")
    secret: str | None = Field(None, description='Text, or "none"; shown by no GET')
    id: str | None = Field(None, description="Read-only")
    tenant: str | None = Field(None, description="Read-only")
    partner: str | None = Field(None, description="Read-only")
    health: str | None = Field(None, description="Read-only")
    down_since: str | None = Field(None, description="Read-only, passed over")
    next_probe_at: str | None = Field(None, description="Read-only, passed over")
    secret_set: bool | None = Field(None, description="Read-only")


class NewWebhook(WebhookChanges):
    """The settings of a new webhook; only `url` is required."""

    url: str = Field(max_length=2000)


class WebhookJson(BaseModel):
    """A webhook as it is shown: headers masked, no secret."""

    id: str
    tenant: str | None
    partner: str | None
    url: str
    method: str
    format: str
    style: str
    filters: list[dict[str, str]]
    custom_data: dict[str, str]
    headers: dict[str, str]
    retries: int
    max_in_flight: int
    max_per_second: int | None
    ordered: bool
    when_down: str
    when_disabled: str
    active: bool
    health: str
    down_since: str | None = None
    next_probe_at: str | None = None
    batch_size: int
    batch_seconds: int
    resource: str
    secret_set: bool
    on_update: bool = False
    honour_retry_after: bool = False
    disable_on_410: bool = False
    also_accept: list[int] = []
    late_records: str = "send"
    empty_windows: bool = False
    mask: str = ""
    mask_digits: int = 4
    allowed_fields: list[str] = []
    ca_certificates: str = ""
    client_certificate: str = ""
    client_key: str = ""
    basic_username: str = ""
    basic_password: str = ""


class CreatedJson(WebhookJson):
    """A webhook that has just been made, with its secret: shown this once."""

    secret: str | None


def webhook_json(webhook: Webhook) -> dict[str, Any]:
    """The keys of DESIGN's table; options of ours where they are in use."""
    tenant, partner_id = webhook.tenant, webhook.partner_id
    shown: dict[str, Any] = {
        "id": str(webhook.pk),
        "tenant": None if tenant is None else tenant.external_id,
        "partner": None if partner_id is None else str(partner_id),
        "url": webhook.url,
        "method": webhook.method,
        "format": webhook.format,
        "style": webhook.style,
        "filters": [
            {"field": entry.field, "op": entry.op, "value": entry.value}
            for entry in webhook.filters.all()
        ],
        "custom_data": {entry.key: entry.value for entry in webhook.custom_data.all()},
        "headers": {entry.name: MASKED for entry in webhook.headers.all()},
        "retries": webhook.retries,
        "max_in_flight": webhook.max_in_flight,
        "max_per_second": webhook.max_per_second,
        "ordered": webhook.ordered,
        "when_down": webhook.when_down,
        "when_disabled": webhook.when_disabled,
        "active": webhook.active,
        "health": webhook.health,
        "batch_size": webhook.batch_size,
        "batch_seconds": webhook.batch_seconds,
        "resource": webhook.resource,
        "secret_set": bool(webhook.secret),
    }
    options = {name: getattr(webhook, name) for name in OPTIONS}
    options["also_accept"] = sorted(webhook.accepted_statuses)
    options["allowed_fields"] = webhook.allowed_fields
    options.update(dict.fromkeys(hidden(webhook), MASKED))
    if webhook.mask == "digits":
        options["mask_digits"] = webhook.mask_digits
    options["down_since"] = iso(webhook.down_since)
    options["next_probe_at"] = iso(next_probe_at(webhook, timezone.now()))
    if webhook.late_records != "send":
        options["late_records"] = webhook.late_records
    return shown | {name: value for name, value in options.items() if value}


def hidden(webhook: Webhook) -> tuple[str, ...]:
    """The write-only settings that it has."""
    return tuple(name for name in HIDDEN if getattr(webhook, name))


def settings_of(
    body: WebhookChanges,
    stored_headers: Mapping[str, str],
    stored_hidden: Collection[str] = (),
) -> dict[str, Any]:
    """What was sent, by the names and in the types of WebhookDraft.

    Raises Problem for a masked value that stands for nothing.
    """
    given = body.model_fields_set
    settings: dict[str, Any] = {
        name: getattr(body, name) for name in _PLAIN if name in given
    }
    if "filters" in given:
        settings["filters"] = tuple(entry.as_value() for entry in body.filters)
    if "custom_data" in given:
        settings["custom_data"] = tuple(body.custom_data.items())
    if "headers" in given:
        settings["headers"] = _unmasked(body.headers, stored_headers)
    if "also_accept" in given:
        settings["also_accept"] = ",".join(map(str, body.also_accept))
    return settings | _unhidden(body, stored_hidden)


def _unhidden(body: WebhookChanges, stored: Collection[str]) -> dict[str, str]:
    sent = {name: getattr(body, name) for name in HIDDEN}
    unknown = [
        FieldError(name, f"{MASKED} stands for a stored value; there is none")
        for name, value in sent.items()
        if value == MASKED and name not in stored
    ]
    if unknown:
        raise Problem(422, "The webhook may not be saved so.", errors=listed(unknown))
    return {name: text for name, text in sent.items() if text not in {None, MASKED}}


def check_read_only(body: WebhookChanges, shown: Mapping[str, Any]) -> None:
    """Problem 422 for a read-only key whose value is not the one that is shown."""
    errors = [
        FieldError(name, "cannot be set")
        for name in READ_ONLY
        if name in body.model_fields_set
        and (name not in shown or getattr(body, name) != shown[name])
    ]
    if errors:
        raise Problem(422, "The webhook may not be saved so.", errors=listed(errors))


def _unmasked(
    headers: Mapping[str, str], stored: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    by_name = {name.lower(): value for name, value in stored.items()}
    unknown = [
        FieldError("headers", f"{MASKED} stands for a stored value; {name} has none")
        for name, value in headers.items()
        if value == MASKED and name.lower() not in by_name
    ]
    if unknown:
        raise Problem(422, "The webhook may not be saved so.", errors=listed(unknown))
    return tuple(
        (name, by_name[name.lower()] if value == MASKED else value)
        for name, value in headers.items()
    )
