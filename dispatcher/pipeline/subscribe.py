"""Makes, changes and ends webhooks, for API, commands and admin alike.

What may be saved is for `draft` to say. Sends nothing, wakes nobody up, caches nothing:
a change works for the very next call and the very next attempt.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db import transaction

from dispatcher.models import (
    CustomData,
    Delivery,
    Integration,
    OwedCdr,
    Partner,
    Tenant,
    Webhook,
    WebhookFilter,
    WebhookHeader,
)
from dispatcher.models.encryption import Unreadable
from dispatcher.pipeline import audit, marks
from dispatcher.pipeline.draft import (
    COLUMNS,
    OWNER,
    PARTS,
    WRITE_ONLY,
    WebhookDraft,
    draft_of,
    refusals,
)
from dispatcher.sending import signing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.models import QuerySet

    from dispatcher.values import FieldError

__all__ = [
    "NO_SECRET",
    "InUseError",
    "RefusedError",
    "WebhookDraft",
    "cancel_pending",
    "create_webhook",
    "delete_webhook",
    "draft_of",
    "refusals",
    "rotate_secret",
    "update_webhook",
]

log = structlog.get_logger(__name__)

# Secrets that may sign beside the one in force, were it rotated time and again.
MAX_FORMER: Final = 4
# The overlap in which a receiver may still check with the secret before.
ROTATION_OVERLAP: Final = dt.timedelta(hours=24)
NO_SECRET: Final = "none"  # noqa: S105  the word for "unsigned", not a password
# Settings that may have been what a webhook was DOWN for; None in a draft: as it is.
_MEND: Final = (
    *("url", "when_down", "ca_certificates", "client_certificate", "client_key"),
    *("basic_username", "basic_password"),
)
WHY_DELETED: Final = "the webhook was deleted before this was delivered"

# What a webhook that was deleted does not keep.
SECRETS: Final = ("secret", "previous_secret", "mask_key", *sorted(WRITE_ONLY))
_SECRET_BYTES: Final = 32
_CHUNK: Final = 500


class RefusedError(Exception):
    """The webhook may not be saved; `errors` says which settings are at fault."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))


class InUseError(Exception):
    """The webhook may not be deleted; the text says what needs it."""


def create_webhook(
    draft: WebhookDraft, *, now: dt.datetime, of_integration: bool = False
) -> tuple[Webhook, str]:
    """Saves a new webhook; returns it with its secret's text, "" when unsigned.

    `of_integration`: it follows the tenant's integrations (pipeline.integrate). Raises
    RefusedError.
    """
    with transaction.atomic():
        _lock_owner(draft)
        _refuse(refusals(draft, now=now))
        secret = _first_secret(draft)
        webhook = Webhook.objects.create(
            **{name: getattr(draft, name) for name in COLUMNS},
            **{name: getattr(draft, name) or "" for name in WRITE_ONLY},
            secret=secret,
            mask_key=_new_mask_key() if draft.mask == "hash" else "",
            of_integration=of_integration,
            fed_until=marks.closed_by(now) if draft.style == "feed" else None,
        )
        _write_parts(webhook, draft, PARTS)
        audit.note("made", webhook, now=now, after=audit.settings_of(draft_of(webhook)))
    log.info("webhook.created", webhook=str(webhook.pk), at=now.isoformat())
    return webhook, secret


def update_webhook(
    webhook: Webhook,
    changes: Mapping[str, Any],
    *,
    now: dt.datetime,
    by_integration: bool = False,
) -> Webhook:
    """Saves `changes` (names and values of WebhookDraft); returns the new state.

    A new secret takes over at once while the former stays valid for the overlap;
    "none" ends signing at once. Raises RefusedError; the owner cannot be changed.
    `by_integration`: pipeline.integrate has judged what it changes.
    """
    with transaction.atomic():
        _lock_owner(webhook)
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        before = draft_of(webhook)
        draft = replace(before, **changes)
        if not by_integration:
            _refuse(refusals(draft, existing=webhook, now=now))
        columns = [name for name in COLUMNS if name in changes and name not in OWNER]
        columns += [name for name in WRITE_ONLY if changes.get(name) is not None]
        if webhook.style == "feed" and draft.active and not webhook.active:
            columns += _skip_idle_windows(webhook, now)
        if webhook.health == "DOWN" and _may_be_mended(webhook, draft, changes):
            # Tried at once, for that may have been what was wrong.
            webhook.probed_at = None
            columns.append("probed_at")
        elif draft.url != webhook.url:
            # Another receiver: whether it is quick is not known yet.
            webhook.lane, webhook.quick_answers, webhook.answer_ms = "fast", 0, 0
            columns += ["lane", "quick_answers", "answer_ms"]
        for name in changes.keys() & set(columns):
            setattr(webhook, name, getattr(draft, name))
        if draft.mask == "hash" and not webhook.mask_key:
            webhook.mask_key = _new_mask_key()
            columns.append("mask_key")
        if draft.secret is not None:
            columns += _exchange_secret(webhook, draft.secret, now)
        webhook.save(update_fields=[*columns, "updated_at"])
        _write_parts(webhook, draft, changes.keys())
        audit.note(
            "changed",
            webhook,
            now=now,
            before=audit.settings_of(before),
            after=audit.settings_of(draft),
        )
    log.info("webhook.changed", webhook=str(webhook.pk), settings=sorted(changes))
    return webhook


def _may_be_mended(
    webhook: Webhook, draft: WebhookDraft, changes: Mapping[str, Any]
) -> bool:
    """Whether it may answer now: another address or keys, or it is switched on."""
    new = (getattr(draft, name) not in {None, getattr(webhook, name)} for name in _MEND)
    return (
        any(new)
        or (draft.active and not webhook.active)
        or not changes.keys().isdisjoint({"headers", "secret"})
    )


def _skip_idle_windows(webhook: Webhook, now: dt.datetime) -> list[str]:
    """Has a feed that was off begin again with now, or with what it still owes.

    Its calls were dropped meanwhile: an empty window would say that there were none.
    """
    if webhook.when_disabled == "hold":
        return []
    waiting = OwedCdr.objects.filter(OwedCdr.unbundled(), webhook=webhook)
    owed = waiting.order_by("call_end").values_list("call_end", flat=True).first()
    begin = marks.closed_by(now)
    if owed is not None:
        begin = min(begin, marks.mark_before(owed))
    webhook.fed_until = max(begin, webhook.fed_until or begin)
    return ["fed_until"]


def rotate_secret(
    webhook: Webhook, *, now: dt.datetime
) -> tuple[str, dt.datetime | None]:
    """Makes a new secret; returns it and until when the former one signs as well.

    None: there was no former one.
    """
    secret = signing.new_secret(secrets.token_bytes(_SECRET_BYTES))
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        columns = _exchange_secret(webhook, secret, now)
        webhook.save(update_fields=[*columns, "updated_at"])
        audit.note("secret rotated", webhook, now=now)
    log.info("webhook.secret_rotated", webhook=str(webhook.pk))
    return secret, webhook.previous_secret_until


def delete_webhook(webhook: Webhook, *, now: dt.datetime) -> int:
    """Ends a webhook for good; returns how many deliveries that cancelled.

    What it sent stays visible. Its backlog is cancelled in short transactions, first
    of all closed to new calls, so that an interrupted deletion can be repeated.
    Raises InUseError while an integration needs it.
    """
    rows = Webhook.objects.filter(pk=webhook.pk)
    with transaction.atomic():
        _lock_owner(webhook)
        _refuse_deletion(webhook)
        # The next integration that is switched on makes another one.
        rows.update(
            active=False, when_disabled="drop", of_integration=False, updated_at=now
        )
    cancelled = cancel_pending(webhook, now)
    with transaction.atomic():
        rows.update(deleted_at=now, **dict.fromkeys(SECRETS, ""))
        audit.note("deleted", webhook, now=now)
        WebhookHeader.objects.filter(webhook=webhook).delete()
    # What calls brought that were being accepted while it was closed.
    cancelled += cancel_pending(webhook, now)
    log.info("webhook.deleted", webhook=str(webhook.pk), cancelled=cancelled)
    return cancelled


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise RefusedError(errors)


def _refuse_deletion(webhook: Webhook) -> None:
    if not webhook.of_integration or webhook.tenant is None:
        return
    integration = Integration.in_force(webhook.tenant)
    if integration is not None:
        raise InUseError(
            f"{webhook.tenant}'s calls go to this webhook by the integration of"
            f" {integration.user}: switch that off first"
        )


def _lock_owner(owned: WebhookDraft | Webhook) -> None:
    """Two at once must not both take the last place that a limit leaves."""
    if owned.tenant is not None:
        Tenant.objects.select_for_update(no_key=True).filter(pk=owned.tenant.pk).first()
    if owned.partner is not None:
        Partner.objects.select_for_update(no_key=True).filter(
            pk=owned.partner.pk
        ).first()


def _first_secret(draft: WebhookDraft) -> str:
    if draft.secret == NO_SECRET or (draft.secret is None and draft.style == "feed"):
        return ""
    return draft.secret or signing.new_secret(secrets.token_bytes(_SECRET_BYTES))


def _new_mask_key() -> str:
    """It never changes: the same number is the same text for as long as it is masked."""
    return secrets.token_hex(_SECRET_BYTES)


def _exchange_secret(webhook: Webhook, secret: str, now: dt.datetime) -> list[str]:
    """Puts a secret in force; returns the names of the columns that changed."""
    if secret == webhook.secret:
        return []
    unsigned = secret == NO_SECRET
    former: list[tuple[str, dt.datetime]] = []
    if webhook.secret and not unsigned and not isinstance(webhook.secret, Unreadable):
        still = webhook.former_secrets(now)
        former = [(webhook.secret, now + ROTATION_OVERLAP), *still][:MAX_FORMER]
    webhook.keep_former_secrets(former)
    webhook.secret = "" if unsigned else secret
    return ["secret", "previous_secret", "previous_secret_until"]


def _write_parts(webhook: Webhook, draft: WebhookDraft, names: Iterable[str]) -> None:
    """Writes filters, custom data and headers anew, those of them that are named."""
    if "filters" in names:
        webhook.filters.all().delete()
        WebhookFilter.objects.bulk_create(
            WebhookFilter(webhook=webhook, field=f.field, op=f.op, value=f.value)
            for f in draft.filters
        )
    if "custom_data" in names:
        webhook.custom_data.all().delete()
        CustomData.objects.bulk_create(
            CustomData(webhook=webhook, key=key, value=value)
            for key, value in draft.custom_data
        )
    if "headers" in names:
        webhook.headers.all().delete()
        WebhookHeader.objects.bulk_create(
            WebhookHeader(webhook=webhook, name=name, value=value)
            for name, value in draft.headers
        )


def cancel_pending(webhook: Webhook, now: dt.datetime) -> int:
    """Cancels what is pending, a chunk at a time; returns how many that were.

    One that is being sent keeps its lease: should it arrive after all, it is recorded
    as delivered (pipeline.record). What waited for its batch or window is left out.
    """
    waiting = OwedCdr.objects.filter(OwedCdr.unbundled(), webhook=webhook)
    for chunk in _chunks(waiting):
        waiting.filter(pk__in=chunk).update(left_out=OwedCdr.DELETED)
    pending = Delivery.objects.filter(webhook=webhook, state=Delivery.PENDING)
    cancelled = 0
    for chunk in _chunks(pending):
        with transaction.atomic():
            # By id, as everybody locks deliveries.
            locked = pending.filter(pk__in=chunk).order_by("pk")
            ids = [row.pk for row in locked.select_for_update(no_key=True).only("pk")]
            cancelled += pending.filter(pk__in=ids).update(
                state=Delivery.CANCELLED,
                next_attempt_at=None,
                ended_at=now,
                last_error_class="cancelled",
                last_error=WHY_DELETED,
            )
    return cancelled


def _chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Keys of what is in `rows`, some at a time, until nothing is."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    while some := list(keys[:_CHUNK]):
        yield some
