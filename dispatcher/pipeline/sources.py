"""Makes, changes and removes sources and their tokens, and notes who did so.

Decides what a source may be. Writes no more than settings: how far something has been
fetched, and how silent it is, is written by others meanwhile.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from dispatcher.adapters import kinds
from dispatcher.adapters.formats import FORMATS
from dispatcher.models import ApiToken, CallLeg, QuarantinedRecord, RawRecord, Source
from dispatcher.normalise.directions import rules_refusals
from dispatcher.normalise.numbers import region_refusal
from dispatcher.pipeline import audit, tokens
from dispatcher.values import FieldError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet

# What an owner's administrators set, and what only operators do: it names files and
# hosts of theirs.
OF_OWNER: Final = (
    "active", "time_zone", "region", "directions", "uid_prefix", "legs", "leg_wait_seconds",
    "allowed_networks", "secret", "alert_when_silent",
)  # fmt: skip
OF_OPERATOR: Final = ("folder", "file_format", "connection", "table")
COLUMNS: Final = (*OF_OWNER, *OF_OPERATOR)
# Values of the operator's, which an audit entry of the owner's must not show.
_HIDDEN: Final = frozenset({"folder", "table"})
_NO_SETTINGS: Final = frozenset(
    {
        "cursor", "collector", "collector_until", "trouble", "trouble_at",
        "silence_limit", "silence_judged_at", "silent_since",
    }
)  # fmt: skip
STEP: Final = 500


class WaitingLegsError(Exception):
    """Legs of its calls still wait for others: removed with it, they would be lost."""


def url_of(source: Source) -> str:
    """Where its PBX posts to; "" where it is only fetched from."""
    if not kinds.pushes(source.pbx):
        return ""
    path = f"/ingest/{source.pbx}/{source.tenant.external_id}/{source.name}"
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


# What may be saved --------------------------------------------------------------------


def refusals(source: Source) -> list[FieldError]:
    """Why its settings may not be saved, by field; beyond what the model says."""
    region = region_refusal(source.region)
    return [
        *_bad_name(source),
        *([FieldError("region", region)] if region else []),
        *_bad_rules(source.directions),
        *_bad_place(source),
    ]


def _bad_name(source: Source) -> Iterator[FieldError]:
    if source.name in {".", ".."}:
        yield FieldError("name", "is a part of the URL, which this would change")
    if source.pbx not in kinds.kinds():
        known = ", ".join(sorted(kinds.kinds()))
        yield FieldError("pbx", f"must be one of {known}")


def _bad_rules(rules: Any) -> Iterator[FieldError]:
    """Each at `directions`; the message says which rule and part."""
    for error in rules_refusals(rules):
        where = error.field.removeprefix("directions").strip(".")
        said = f"rule {where}: {error.message}" if where else error.message
        yield FieldError("directions", said)


def _bad_place(source: Source) -> Iterator[FieldError]:
    """What is at fault in where its calls are fetched from."""
    if source.folder and not source.folder.startswith("/"):
        yield FieldError("folder", "must be an absolute path")
    if source.folder and not source.file_format:
        yield FieldError("file_format", "says how the folder's files are read")
    if source.file_format and source.file_format not in FORMATS:
        known = ", ".join(sorted(FORMATS)) or "none yet"
        yield FieldError("file_format", f"must be one of {known}")
    if source.connection and (why := _bad_connection(source)):
        yield FieldError("connection", why)


def _bad_connection(source: Source) -> str:
    schemes = kinds.LIVE.get(source.pbx, ())
    if not schemes:
        return f"there are no live connections to {source.pbx}"
    try:
        scheme = urlsplit(source.connection).scheme.partition("+")[0]
    except ValueError:
        return "is no URL"
    known = ", ".join(f"{one}://" for one in schemes)
    return "" if scheme in schemes else f"must begin with one of {known}"


def masked(connection_url: str) -> str:
    """A connection without its password and query, for people to recognise it by."""
    if not connection_url:
        return ""
    try:
        parts = urlsplit(connection_url)
    except ValueError:
        return "***"
    login, at, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    shown = f"{user}:***@" if ":" in login else f"{user}{at}"
    rest = f"{parts.path}{'?***' if parts.query else ''}"
    return f"{parts.scheme}://{shown}{host}{rest}"


# Saving ---------------------------------------------------------------------------------


def settings_of(source: Source) -> dict[str, Any]:
    """Its settings for an audit entry: secrets, and what is the operator's, hidden."""
    values = audit.values_of(source)
    return {
        name: audit.Hidden(value or "") if name in _HIDDEN else value
        for name, value in values.items()
        if name not in _NO_SETTINGS
    }


def save(source: Source, *, now: dt.datetime, columns: Sequence[str] = COLUMNS) -> None:
    """Saves a new source, or the named settings of one that there is; noted."""
    with transaction.atomic():
        stored = Source.objects.filter(pk=source.pk).first()
        before = {} if stored is None else settings_of(stored)
        if stored is None:
            source.save(force_insert=True)
        else:
            source.save(update_fields=[*columns, "updated_at"])
        after = settings_of(Source.objects.get(pk=source.pk))
        action = "made" if stored is None else "changed"
        audit.note(action, source, now=now, before=before, after=after)


def new_token(source: Source, *, now: dt.datetime) -> str:
    """Makes a token that is good for this source alone; its text, stored nowhere."""
    token = ApiToken(
        tenant=source.tenant,
        source=source,
        name=f"source {source.name}",
        can_ingest=True,
    )
    return tokens.make(token, now=now)


# Removing -------------------------------------------------------------------------------


def remove(
    source: Source, *, now: dt.datetime, seconds: float = 10.0, rest: float = 1.0
) -> bool:
    """Ends its tokens at once, lets go of its records in steps, and deletes it.

    False: that takes longer than `seconds`; called again it goes on. What it has handed
    over stays. Raises WaitingLegsError.
    """
    if CallLeg.objects.filter(source=source, due_at__isnull=False).exists():
        raise WaitingLegsError
    _switch_off(source, now)
    until = time.monotonic() + seconds
    for took in _let_go(source):
        if time.monotonic() >= until:
            return False
        time.sleep(min(took * rest, 0.2))
    with transaction.atomic():
        audit.note("deleted", source, now=now)
        source.delete()
    return True


def _switch_off(source: Source, now: dt.datetime) -> None:
    """So that nothing comes in while it is being removed."""
    with transaction.atomic():
        if Source.objects.filter(pk=source.pk, active=True).update(active=False):
            audit.note(
                "changed",
                source,
                now=now,
                before={"active": True},
                after={"active": False},
            )
        tokens.revoke(ApiToken.objects.filter(source=source), now=now)


def _let_go(source: Source) -> Iterator[float]:
    """Takes records off a source, some at a time; yields how long each step took.

    In one statement it would be a million rows, and SQLite has one writer.
    """
    held: tuple[tuple[QuerySet[Any], str], ...] = (
        (RawRecord.objects.filter(source=source), "source"),
        (QuarantinedRecord.objects.filter(from_source=source), "from_source"),
    )
    for rows, column in held:
        while keys := list(rows.order_by().values_list("pk", flat=True)[:STEP]):
            began = time.monotonic()
            rows.model.objects.filter(pk__in=keys).update(**{column: None})
            yield time.monotonic() - began
