"""TheHUB's "CDRs to webhook": users' settings, and the one webhook that follows them.

Of the integrations of a tenant, the one that was switched on first and is still on is in
force, with all its settings, for the calls of all the tenant's users (thehub.txt). They
share one webhook of style batch, whose URL is that of the one in force and which is
inactive while none is on. Every change happens under the lock on the tenant's row, so
that two at once see each other. Sends nothing, wakes nobody up, shows no key.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db import transaction
from django.db.models import Q

from dispatcher.models import Integration, Membership, Tenant, Webhook
from dispatcher.models.encryption import Unreadable
from dispatcher.pipeline import audit, subscribe
from dispatcher.pipeline.subscribe import RefusedError, WebhookDraft
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

KEYS: Final = ("openai_key", "assemblyai_key")
# They go into a header of the services' requests.
_KEY: Final = re.compile(r"[!-~]{1,500}")
_LATER: Final = dt.timedelta(microseconds=1)
SWITCHED_OFF: Final = "switched off"
NOT_IN_FORCE: Final = "not in force"
SUMMARIES_OFF: Final = "Call summaries are switched off."
_KEY_NAMES: Final = (
    ("openai_key", "OpenAI API key"),
    ("assemblyai_key", "AssemblyAI API key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A user's settings, as somebody wishes them.

    A key that is None stays as it is, "" removes it. `on` None: as it is.
    """

    url: str
    on: bool | None = None
    call_summary: bool = False
    openai_key: str | None = field(default=None, repr=False)
    assemblyai_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change: the webhooks to wake up, and a new webhook's secret.

    `secret` is "" unless the webhook has just been made; it is shown this once.
    """

    integration: Integration
    wake: tuple[UUID, ...] = ()
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an integration is in force; `why_not` is "" if it is."""

    in_force: bool
    why_not: str = ""


# Changes ----------------------------------------------------------------------------


def save(tenant: Tenant, user: User, wish: Wish, *, now: dt.datetime) -> Changed:
    """Makes or changes the user's integration of a tenant, all of `wish` or nothing.

    Switching on what is on keeps its time. A new key, and switching summaries on or
    off, ends the notice about a key that was refused. Raises RefusedError.
    """
    with _tenant_locked(tenant):
        errors = refusals(tenant, user, wish)
        if errors:
            raise RefusedError(errors)
        integration = _of(tenant, user) or Integration(tenant=tenant, user=user)
        is_new, before = integration._state.adding, audit.values_of(integration)
        columns = _take(integration, wish, now)
        integration.save(
            update_fields=None if is_new else [*sorted(columns), "updated_at"]
        )
        audit.note(
            "made" if is_new else "changed",
            integration,
            now=now,
            before=before,
            after=audit.values_of(integration),
        )
        changed = _follow(integration, now)
    # Names of settings, never what they hold.
    _log("integration.saved", integration, settings=sorted(columns))
    return changed


def switch_on(integration: Integration, *, now: dt.datetime) -> Changed:
    """Switches it on; it is in force unless another one of its tenant was on before.

    Raises RefusedError, for instance when the tenant may have no more webhooks.
    """
    with _tenant_locked(integration.tenant):
        stored = Integration.objects.filter(pk=integration.pk).first()
        if stored is None:
            return Changed(integration)
        if stored.switched_on_at is not None:
            return _follow(stored, now)
        wish = Wish(url=stored.url, on=True, call_summary=stored.call_summary)
        return save(stored.tenant, stored.user, wish, now=now)


def switch_off(integration: Integration, *, now: dt.datetime) -> Changed:
    """Switches it off; if it was in force, the one switched on next takes over."""
    with _tenant_locked(integration.tenant):
        on = Integration.objects.filter(pk=integration.pk, switched_on_at__isnull=False)
        if not on.update(switched_on_at=None, updated_at=now):
            return Changed(integration)
        integration.switched_on_at = None
        audit.note("switched off", integration, now=now)
        changed = _follow(integration, now)
    _log("integration.switched_off", integration)
    return changed


def remove(integration: Integration, *, now: dt.datetime) -> Changed:
    """Deletes the settings, keys and all; if they were in force, the next take over.

    The webhook stays, and with it what it has sent and what is pending.
    """
    key = integration.pk
    with _tenant_locked(integration.tenant):
        audit.note("deleted", integration, now=now)
        Integration.objects.filter(pk=key).delete()
        changed = _follow(integration, now)
    _log("integration.removed", integration)
    return changed


def refusals(tenant: Tenant, user: User, wish: Wish) -> list[FieldError]:
    """Why these settings may not be saved; empty if they may. Fields are those of Wish,
    and `user`.
    """
    stored = _of(tenant, user)
    was_on = stored is not None and stored.switched_on_at is not None
    will_be_on = was_on if wish.on is None else wish.on
    errors = list(_key_refusals(wish))
    if stored is None or (will_be_on and not was_on):
        errors += _user_refusals(tenant, user)
    for error in subscribe.refusals(_draft(tenant, wish.url)):
        if error.field == "url":
            errors.append(error)
        elif will_be_on and webhook_of(tenant) is None:
            errors.append(FieldError("on", f"it needs a webhook: {error.message}"))
    return errors


def _key_refusals(wish: Wish) -> Iterable[FieldError]:
    for name in KEYS:
        key = getattr(wish, name)
        if key and not _KEY.fullmatch(key):
            yield FieldError(
                name, "is no API key: 1 to 500 characters of ASCII, without spaces"
            )


def _user_refusals(tenant: Tenant, user: User) -> Iterable[FieldError]:
    """thehub.txt: "Only Admin User can access these Integration Settings"."""
    if user.is_superuser:
        return
    owners = Q(tenant=tenant)
    if tenant.partner_id is not None:
        owners |= Q(partner=tenant.partner_id)
    if not Membership.objects.filter(
        owners, user=user, role=Membership.ADMINISTRATOR
    ).exists():
        yield FieldError("user", f"{user} is no administrator of {tenant}")


def _take(integration: Integration, wish: Wish, now: dt.datetime) -> set[str]:
    """Sets what is wished; returns the names of the columns that changed."""
    columns = {"url", "call_summary"}
    former = integration.call_summary
    integration.url, integration.call_summary = wish.url, wish.call_summary
    keys = {name for name in KEYS if getattr(wish, name) is not None}
    for name in keys:
        setattr(integration, name, getattr(wish, name))
    if keys or former != wish.call_summary:
        integration.notice, integration.notice_at = "", None
        columns |= {*keys, "notice", "notice_at"}
    is_on = integration.switched_on_at is not None
    if wish.on is not None and wish.on != is_on:
        integration.switched_on_at = (
            _next_time(integration.tenant, now) if wish.on else None
        )
        columns.add("switched_on_at")
    return columns


def _next_time(tenant: Tenant, now: dt.datetime) -> dt.datetime:
    """When one is switched on: now, yet after all others that are on.

    Two within one tick, or a clock that was set back, must not change who was first.
    """
    on = Integration.objects.filter(tenant=tenant, switched_on_at__isnull=False)
    last = on.order_by("-switched_on_at").values_list("switched_on_at", flat=True)
    latest = last.first()
    return now if latest is None else max(now, latest + _LATER)


# The webhook ------------------------------------------------------------------------


def _follow(integration: Integration, now: dt.datetime) -> Changed:
    """Has the tenant's webhook follow the integration in force; makes it if need be.

    Nothing pending is touched: it goes to whatever URL is in force when it is sent.
    """
    tenant = integration.tenant
    in_force, webhook = Integration.in_force(tenant), webhook_of(tenant)
    if in_force is None:
        if webhook is not None and webhook.active:
            _rule(webhook, {"active": False}, now)
        return Changed(integration)
    if webhook is None:
        webhook, secret = subscribe.create_webhook(
            _draft(tenant, in_force.url), now=now, of_integration=True
        )
        return Changed(integration, (webhook.pk,), secret)
    _rule(webhook, {"url": in_force.url, "active": True}, now)
    return Changed(integration, (webhook.pk,))


def _rule(webhook: Webhook, wished: dict[str, Any], now: dt.datetime) -> None:
    changes = {
        name: value for name, value in wished.items() if getattr(webhook, name) != value
    }
    if changes:
        subscribe.update_webhook(webhook, changes, now=now, by_integration=True)


def _draft(tenant: Tenant, url: str) -> WebhookDraft:
    """The webhook as it is made; off means that nothing is sent, nor kept for later."""
    return WebhookDraft(tenant=tenant, url=url, style="batch", when_disabled="drop")


def webhook_of(tenant: Tenant) -> Webhook | None:
    """The webhook that the tenant's integrations share, once there is one."""
    webhooks = Webhook.objects.filter(
        tenant=tenant, of_integration=True, deleted_at__isnull=True
    )
    return webhooks.defer("secret", "previous_secret").first()


@contextmanager
def _tenant_locked(tenant: Tenant) -> Iterator[None]:
    """A transaction in which nobody else changes integrations or webhooks of a tenant."""
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).filter(pk=tenant.pk).first()
        yield


def _of(tenant: Tenant, user: User) -> Integration | None:
    return Integration.objects.filter(tenant=tenant, user=user).first()


def _log(event: str, integration: Integration, **more: Any) -> None:
    log.info(
        event,
        tenant=integration.tenant.external_id,
        user=integration.user_id,
        **more,
    )


# How they stand ---------------------------------------------------------------------


def standing(integrations: Iterable[Integration]) -> dict[UUID, Standing]:
    """Which of them are in force and, for the others, why not, by id; in one query."""
    rows = list(integrations)
    on = (
        Integration.objects.filter(
            tenant__in={row.tenant_id for row in rows}, switched_on_at__isnull=False
        )
        .select_related("user")
        .defer(*KEYS)
        .order_by("-switched_on_at", "-id")
    )
    # The first one of each tenant comes last, and stays.
    first = {row.tenant_id: row for row in on}
    return {row.pk: _standing(row, first.get(row.tenant_id)) for row in rows}


def _standing(integration: Integration, first: Integration | None) -> Standing:
    if integration.switched_on_at is None:
        return Standing(False, SWITCHED_OFF)
    if first is None or first.pk == integration.pk:
        return Standing(True)
    return Standing(
        False,
        f"{NOT_IN_FORCE}: the settings of {first.user}, switched on at"
        f" {first.switched_on_at:%Y-%m-%d %H:%M:%S} UTC, are",
    )


def summaries_notice(integration: Integration) -> str:
    """Why an integration has no summaries made, as a sentence; "" if it has.

    Says nothing of whether it is in force: see `standing`.
    """
    if not integration.call_summary:
        return SUMMARIES_OFF
    keys = [(getattr(integration, name), text) for name, text in _KEY_NAMES]
    missing = [f"the {text}" for key, text in keys if not key]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"No summaries are made: {' and '.join(missing)} {verb} not set."
    for key, text in keys:
        if isinstance(key, Unreadable):
            return (
                f"No summaries are made: the {text} cannot be decrypted with"
                " FIELD_ENCRYPTION_KEYS; type it again."
            )
    return integration.notice
