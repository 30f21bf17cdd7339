"""What a webhook is wished to be, and whether it may be saved so.

The one place that says so: API, commands and admin all ask here, so that none of them
lets through what another refuses. Saves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields, replace
from dataclasses import field as field_
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ValidationError

from dispatcher.filters import conditions
from dispatcher.models import Webhook
from dispatcher.models.webhook import IDENTITY
from dispatcher.payloads.registry import STYLES, UnknownStyleError, style
from dispatcher.pipeline import outbound
from dispatcher.privacy.allow import known_names, unknown_among
from dispatcher.sending import credentials, policy
from dispatcher.values import FieldError, Identity

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from dispatcher.models import Partner, Tenant
    from dispatcher.values import Filter

MAX_ITEMS: Final = 100
MAX_SECRET_CHARS: Final = 500
MAX_ALLOWED: Final = 200
MAX_NAME_CHARS: Final = 100

_STATUSES: Final = re.compile(r"[2-5][0-9]{2}( *, *[2-5][0-9]{2})*")
_HALF_A_CHARACTER: Final = re.compile("[\ud800-\udfff]")
# Judged by their style, whose message says what it allows instead.
_BY_STYLE: Final = frozenset({"style", "method", "format"})

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDraft:
    """Every setting of a webhook, as somebody wishes it; names are the model's.

    `custom_data` and `headers` are pairs, so that a repeated key is seen and refused.
    `also_accept` is text such as `202,204`; `allowed_fields` are names as
    `privacy.allow` knows them. `secret`: None means one is made (a feed
    gets none; in a change: as it is), "none" means unsigned, else the text itself.
    `client_key` and `basic_password`: None means as it is, or none in a new one.
    """

    tenant: Tenant | None = None
    partner: Partner | None = None
    url: str = ""
    style: str = "envelope"
    method: str = "POST"
    format: str = "json"
    retries: int = 1
    max_in_flight: int = 4
    max_per_second: int | None = None
    ordered: bool = False
    when_down: str = "hold"
    when_disabled: str = "drop"
    active: bool = True
    on_update: bool = False
    honour_retry_after: bool = False
    disable_on_410: bool = False
    also_accept: str = ""
    batch_size: int = 100
    batch_seconds: int = 60
    resource: str = "analytics"
    late_records: str = "send"
    empty_windows: bool = False
    mask: str = ""
    mask_digits: int = 4
    allowed_fields: Sequence[str] = ()
    filters: tuple[Filter, ...] = ()
    custom_data: Pairs = ()
    headers: Pairs = field_(default=(), repr=False)
    secret: str | None = field_(default=None, repr=False)
    ca_certificates: str = ""
    client_certificate: str = ""
    client_key: str | None = field_(default=None, repr=False)
    basic_username: str = ""
    basic_password: str | None = field_(default=None, repr=False)


# Columns that are written and never shown.
WRITE_ONLY: Final = frozenset({"client_key", "basic_password"})
PARTS: Final = frozenset({"filters", "custom_data", "headers", "secret"})
COLUMNS: Final = tuple(
    entry.name for entry in fields(WebhookDraft) if entry.name not in PARTS | WRITE_ONLY
)
OWNER: Final = frozenset({"tenant", "partner"})
# What follows the tenant's integration in force, and nobody else changes: neither a
# person nor a receiver's 410.
OF_INTEGRATION: Final = ("url", "style", "active", "when_disabled", "disable_on_410")


def draft_of(webhook: Webhook) -> WebhookDraft:
    """The settings that a webhook has now; what is secret is None: as it is."""
    return WebhookDraft(
        **{name: getattr(webhook, name) for name in COLUMNS},
        filters=tuple(entry.as_value() for entry in webhook.filters.all()),
        custom_data=tuple(
            (entry.key, entry.value) for entry in webhook.custom_data.all()
        ),
        headers=tuple((entry.name, entry.value) for entry in webhook.headers.all()),
    )


# What may be saved ------------------------------------------------------------------


def refusals(
    draft: WebhookDraft,
    *,
    existing: Webhook | None = None,
    now: dt.datetime | None = None,
) -> list[FieldError]:
    """Why a webhook may not be saved so; empty if it may.

    `existing` is the webhook that is being changed; without `now`, the dates of
    certificates are not judged. Fields are the names of the
    webhook's JSON, with positions and keys as dotted paths (`filters.0.value`).
    """
    return [
        *_owner_refusals(draft),
        *_url_refusals(draft.url),
        *_style_refusals(draft),
        *_change_refusals(draft, existing),
        *_integration_refusals(draft, existing),
        *_column_refusals(draft),
        *_also_accept_refusals(draft.also_accept),
        *_filter_refusals(draft.filters),
        *_allowed_fields_refusals(draft.allowed_fields),
        *_header_refusals(draft.headers),
        *_text_refusals(draft),
        *_list_refusals(draft),
        *_secret_refusals(draft),
        *_identity_refusals(draft, existing, now),
        *_count_refusals(draft, existing),
    ]


def _owner_refusals(draft: WebhookDraft) -> Iterable[FieldError]:
    if (draft.tenant is None) == (draft.partner is None):
        yield FieldError("tenant", "a webhook belongs to one tenant or to one partner")


def _url_refusals(url: str) -> Iterable[FieldError]:
    reason = policy.refusal(url, outbound.policy())
    if reason is not None:
        yield FieldError("url", reason)


def _style_refusals(draft: WebhookDraft) -> list[FieldError]:
    try:
        chosen = style(draft.style)
    except UnknownStyleError as error:
        return [FieldError("style", str(error))]
    return chosen.refusals(
        method=draft.method,
        format=draft.format,
        custom_data=[key for key, _ in draft.custom_data],
        has_filters=bool(draft.filters),
        owner="tenant" if draft.partner is None else "partner",
    )


def _change_refusals(
    draft: WebhookDraft, existing: Webhook | None
) -> Iterable[FieldError]:
    """What is owed in bundles cannot be sent one by one, nor the other way round."""
    if existing is None or draft.style == existing.style:
        return
    both = (draft.style, existing.style)
    if any(name in STYLES and STYLES[name].bundles for name in both):
        reason = f"cannot be changed from {existing.style} to {draft.style}"
        yield FieldError("style", f"{reason}: make a new webhook")


def _integration_refusals(
    draft: WebhookDraft, existing: Webhook | None
) -> Iterable[FieldError]:
    """What a webhook that was made by the tenant's integrations takes from them."""
    if existing is None or not existing.of_integration:
        return
    for name in OF_INTEGRATION:
        if getattr(draft, name) != getattr(existing, name):
            yield FieldError(name, "is set by the tenant's integration")


def _column_refusals(draft: WebhookDraft) -> list[FieldError]:
    """What the model's own bounds and choices say; `url` has been judged above."""
    judged = set(COLUMNS) - _BY_STYLE - OWNER - {"url", "also_accept", *IDENTITY}
    webhook = Webhook(**{name: getattr(draft, name) for name in judged})
    others = {field.name for field in Webhook._meta.fields} - judged
    try:
        webhook.clean_fields(exclude=others)
    except ValidationError as error:
        return [
            FieldError(name, message)
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    return []


def _also_accept_refusals(text: str) -> Iterable[FieldError]:
    if text and not _STATUSES.fullmatch(text.strip()):
        yield FieldError("also_accept", "takes statuses from 200 to 599, such as 202")


def _filter_refusals(filters: Sequence[Filter]) -> Iterable[FieldError]:
    for index, condition in enumerate(filters):
        error = conditions.refusal(condition)
        if error is not None:
            yield FieldError(f"filters.{index}.{error.field}", error.message)


def _allowed_fields_refusals(names: Sequence[str]) -> Iterable[FieldError]:
    if len(names) > MAX_ALLOWED:
        yield FieldError("allowed_fields", f"takes at most {MAX_ALLOWED} names")
        return
    for name in unknown_among(names)[:1]:
        known = ", ".join((*known_names(), "tags.NAME"))
        yield FieldError("allowed_fields", f'no property "{name}"; there are {known}')


def _header_refusals(headers: Pairs) -> Iterable[FieldError]:
    for name, value in headers:
        reason = policy.header_refusal(name, value)
        if reason is not None:
            yield FieldError("headers", reason)


def _text_refusals(draft: WebhookDraft) -> Iterable[FieldError]:
    """Texts that the columns cannot keep."""
    for field, text, max_chars in _texts(draft):
        if len(text) > max_chars:
            yield FieldError(field, f"must not be longer than {max_chars} characters")
        elif "\0" in text or _HALF_A_CHARACTER.search(text):
            yield FieldError(field, "contains a character that cannot be stored")


def _list_refusals(draft: WebhookDraft) -> Iterable[FieldError]:
    """Repeated keys, and lists without end."""
    keys = [("custom_data", key) for key, _ in draft.custom_data]
    names = [("headers", name.lower()) for name, _ in draft.headers]
    for (field, key), count in Counter(keys + names).items():
        if count > 1:
            yield FieldError(field, f'"{key}" is there {count} times')
    for field in ("filters", "custom_data", "headers"):
        if len(getattr(draft, field)) > MAX_ITEMS:
            yield FieldError(field, f"takes at most {MAX_ITEMS}")


def _identity_refusals(
    draft: WebhookDraft, existing: Webhook | None, now: dt.datetime | None
) -> Iterable[FieldError]:
    """Judges certificates, key and login; what stays as it was, by the URL alone."""
    identity = _identity(draft, existing)
    if not draft.url.lower().startswith("https://"):
        for name in ("ca_certificates", "client_certificate"):
            if getattr(identity, name):
                yield FieldError(name, "is for https:// URLs")
    headers = {name.lower() for name, _ in draft.headers}
    if identity.has_basic and "authorization" in headers:
        yield FieldError("basic_username", "stands against the header Authorization")
    if existing is None or identity != _stored(existing):
        yield from credentials.refusals(identity, now)


def _identity(draft: WebhookDraft, existing: Webhook | None) -> Identity:
    wished = {name: getattr(draft, name) for name in IDENTITY}
    given = {name: text for name, text in wished.items() if text is not None}
    stored = Identity() if existing is None else _stored(existing)
    return replace(stored, **given)


def _stored(webhook: Webhook) -> Identity:
    return Identity(**{name: getattr(webhook, name) for name in IDENTITY})


def _secret_refusals(draft: WebhookDraft) -> Iterable[FieldError]:
    if draft.secret == "":
        yield FieldError(
            "secret", 'is empty: leave it out for a new one, or "none" for no signature'
        )


def _texts(draft: WebhookDraft) -> Iterable[tuple[str, str, int]]:
    yield "url", draft.url, 2000
    yield "also_accept", draft.also_accept, 64
    yield "secret", draft.secret or "", MAX_SECRET_CHARS
    yield "ca_certificates", draft.ca_certificates, credentials.MAX_PEM
    yield "client_certificate", draft.client_certificate, credentials.MAX_PEM
    yield "client_key", draft.client_key or "", credentials.MAX_PEM
    yield "basic_username", draft.basic_username, 200
    yield "basic_password", draft.basic_password or "", credentials.MAX_PASSWORD
    for index, condition in enumerate(draft.filters):
        yield f"filters.{index}.field", condition.field, 100
        yield f"filters.{index}.value", condition.value, 1000
    for key, value in draft.custom_data:
        yield "custom_data", key, 100
        yield "custom_data", value, 2000
    for name, _ in draft.headers:
        yield "headers", name, 100
    for name in draft.allowed_fields:
        yield "allowed_fields", name, MAX_NAME_CHARS


def _count_refusals(
    draft: WebhookDraft, existing: Webhook | None
) -> Iterable[FieldError]:
    others = Webhook.objects.filter(deleted_at__isnull=True)
    if existing is not None:
        others = others.exclude(pk=existing.pk)
    tenant, partner = draft.tenant, draft.partner
    if existing is None and tenant is not None and tenant.max_webhooks is not None:
        count = others.filter(tenant=tenant).count()
        if count >= tenant.max_webhooks:
            yield FieldError(
                "tenant",
                f"{tenant.external_id} may have {tenant.max_webhooks} webhooks"
                f" and has {count}",
            )
    if draft.style == "feed" and draft.active and partner is not None:
        feed = others.filter(partner=partner, style="feed", active=True).first()
        if feed is not None:
            # One for each partner organisation, says webex.txt.
            yield FieldError(
                "style", f"a partner has one active feed, and {feed.pk} is it"
            )
