"""Encrypts what is stored with the first of FIELD_ENCRYPTION_KEYS, a few rows at a time.

Each text is a compare-and-set of its own: one that is changed meanwhile is encrypted
with the first key by whoever changes it. What is of the first key already is passed
over, so that it can be ended at any time and begun anew. Changes no secret.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.apps import apps
from django.db import transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast

from dispatcher.models.encryption import (
    EncryptedTextField,
    Unreadable,
    is_of_first_key,
)
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

log = structlog.get_logger(__name__)

STEP: Final = 100
LONGEST_REST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many texts were looked at and encrypted anew; which rows no key can read."""

    seen: int = 0
    rotated: int = 0
    unreadable: tuple[str, ...] = ()

    def plus(self, other: Rotated) -> Rotated:
        """Both together."""
        return Rotated(
            self.seen + other.seen,
            self.rotated + other.rotated,
            self.unreadable + other.unreadable,
        )


def columns() -> list[tuple[type[Any], str]]:
    """Every encrypted column: its model and its name."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTextField)
    ]


def rotate_keys(
    *, now: dt.datetime, pause: Callable[[float], None] = time.sleep
) -> Iterator[Rotated]:
    """Goes through every encrypted column; tells after each step how far it is.

    It rests as long as it worked: others write, too. `pause` is given the seconds.
    """
    rotated = Rotated()
    for model, column in columns():
        after: Any = None
        while True:
            began = time.monotonic()
            looked, after = _step(model, column, after)
            rotated = rotated.plus(looked)
            yield rotated
            if after is None:
                break
            pause(min(time.monotonic() - began, LONGEST_REST_SECONDS))
    with transaction.atomic():
        told = {"seen": rotated.seen, "encrypted anew": rotated.rotated}
        thing = audit.Thing(kind="encryption keys")
        audit.note("rotated", thing, now=now, after=told)
    log.info("keys.rotated", seen=rotated.seen, rotated=rotated.rotated)


def _step(model: type[Any], column: str, after: Any) -> tuple[Rotated, Any]:
    """The next rows behind `after`, and the last of them; None: there are no more."""
    rows = (
        model._default_manager.exclude(**{column: ""})
        .annotate(stored=Cast(column, TextField()), readable=F(column))
        .order_by("pk")
    )
    if after is not None:
        rows = rows.filter(pk__gt=after)
    some = list(rows.values_list("pk", "stored", "readable")[:STEP])
    rotated = Rotated(seen=len(some))
    for key, stored, text in some:
        if isinstance(text, Unreadable):
            name = f"{model._meta.label} {key} {column}"
            rotated = replace(rotated, unreadable=(*rotated.unreadable, name))
        elif not is_of_first_key(stored):
            same = rows.filter(pk=key, stored=stored)
            rotated = replace(
                rotated, rotated=rotated.rotated + same.update(**{column: text})
            )
    return rotated, some[-1][0] if len(some) == STEP else None
