"""Writes down who changed what, in the transaction that changes it.

Who acts is said once, where a request, a command or a task begins; the steps between
need not pass it on. Secrets are compared and never written: an entry says that one has
changed. What no page, API or command decides (a delivery that was sent) is no change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection

from dispatcher.models import AuditEntry, Partner, Tenant, Webhook
from dispatcher.models.encryption import EncryptedTextField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import Model

# Longer values of an entry are cut off.
MAX_CHARS: Final = 500
WAS_SET, CHANGED = "***", "changed"

# What the system writes, of any model.
_NOT_SETTINGS: Final = frozenset(
    {
        "id", "created_at", "updated_at", "last_used_at", "last_login", "date_joined",
        "last_run_at", "total_run_count", "date_changed",
    }
)  # fmt: skip
_SECRETS: Final = frozenset({"password", "digest", "hint"})

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as text, and from which address."""

    name: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that is compared, and never shown."""

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What was changed, where there is no row of it to name; and whose it is."""

    kind: str
    id: str = ""
    text: str = ""
    tenant_id: UUID | None = None
    partner_id: UUID | None = None


SYSTEM: Final = Actor("system")
_acting: ContextVar[Callable[[], Actor]] = ContextVar("acting", default=lambda: SYSTEM)


# Who --------------------------------------------------------------------------------


@contextmanager
def acting(who: Callable[[], Actor]) -> Iterator[None]:
    """Says who acts until the end of the block; asked only when something changes."""
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)


def name_actor(name: str) -> None:
    """Says who it turned out to be, until the end of the block of `acting`."""
    former = _acting.get()
    _acting.set(lambda: Actor(name, former().address))


# What -------------------------------------------------------------------------------


def values_of(row: Model) -> dict[str, Any]:
    """A row's settings by name, secrets hidden; {} of one that is not stored yet."""
    if row._state.adding:
        return {}
    return {
        entry.name: _value(entry, row)
        for entry in row._meta.concrete_fields
        if entry.name not in _NOT_SETTINGS
    }


def stored_values(row: Model) -> dict[str, Any]:
    """The settings of a row as they are in the database; {} of one that is not there."""
    stored = type(row)._default_manager.filter(pk=row.pk).first()
    return {} if stored is None else values_of(stored)


def _value(entry: Any, row: Model) -> Any:
    value = getattr(row, entry.attname)
    if isinstance(entry, EncryptedTextField) or entry.name in _SECRETS:
        return Hidden(value or "")
    return value


def settings_of(draft: Any) -> dict[str, Any]:
    """The settings of a webhook's draft, secrets hidden."""
    parts: dict[str, Any] = {
        "filters": [f"{one.field}:{one.op}:{one.value}" for one in draft.filters],
        **{f"custom_data.{key}": value for key, value in draft.custom_data},
        **{f"headers.{name}": Hidden(value) for name, value in draft.headers},
    }
    for entry in fields(draft):
        if entry.name not in {"filters", "custom_data", "headers"}:
            parts[entry.name] = _setting(entry.name, getattr(draft, entry.name))
    return parts


def _setting(name: str, value: Any) -> Any:
    secret = isinstance(Webhook._meta.get_field(name), EncryptedTextField)
    return Hidden(value or "") if secret else value


def changes(before: Values, after: Values) -> dict[str, list[Any]]:
    """Name to [before, after] of what differs; of a secret only that it does."""
    return {
        name: [_shown(before.get(name), WAS_SET), _shown(after.get(name), CHANGED)]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def _shown(value: Any, hidden: str) -> Any:
    """As JSON holds it, and short."""
    match value:
        case Hidden():
            return hidden if value.value else ""
        case None | bool() | int() | float():
            return value
        case dt.datetime() | dt.date():
            return value.isoformat()
        case list() | tuple() | set() | frozenset():
            return [_shown(one, hidden) for one in value]
        case dict():
            return {str(key): _shown(one, hidden) for key, one in value.items()}
        case _:
            return str(value)[:MAX_CHARS]


# Writing ----------------------------------------------------------------------------


def note(
    action: str,
    thing: Model | Thing,
    *,
    now: dt.datetime,
    before: Values | None = None,
    after: Values | None = None,
) -> None:
    """Writes one entry; none for a thing that was "changed" and is as before.

    Must be called within the transaction of the change. `now` is the time of it.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a change is noted in the transaction that makes it")
    differing = changes(before or {}, after or {})
    if action == "changed" and not differing:
        return
    told = thing if isinstance(thing, Thing) else thing_of(thing)
    actor = _acting.get()()
    AuditEntry.objects.create(
        at=now,
        actor=actor.name[:200],
        address=actor.address,
        action=action,
        tenant_id=told.tenant_id,
        partner_id=told.partner_id,
        object_type=told.kind,
        object_id=told.id,
        object_text=told.text[:300],
        changes=differing,
    )


def thing_of(row: Model) -> Thing:
    """A row, by its name, and whose it is."""
    return Thing(
        kind=str(row._meta.verbose_name)[:64],
        id=str(row.pk),
        text=str(row),
        tenant_id=row.pk if isinstance(row, Tenant) else _key(row, "tenant_id"),
        partner_id=row.pk if isinstance(row, Partner) else _key(row, "partner_id"),
    )


def _key(row: Model, column: str) -> UUID | None:
    key = getattr(row, column, None)
    return key if isinstance(key, UUID) else None
