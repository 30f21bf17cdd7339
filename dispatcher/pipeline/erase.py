"""Erases a number: every call of a tenant that holds it, with what was sent of it.

The constraints, and what follows from them:

1. Nothing about the number may be kept, neither in the database nor in the broker nor in
   logs. Therefore no job is stored: whoever asks runs it, and where that takes longer
   than an answer may, gets a cursor to go on with.
2. Sending and taking in go on meanwhile. Therefore it works in steps, each its own short
   transaction, and rests after each. A record is locked, then its webhooks, leases and
   deliveries; a delivery that somebody is sending at this moment is waited for.
3. A delivery is history. Therefore it stays, with its state, its attempts and why its
   request is gone; what is still to be sent of other calls is rendered anew without the
   erased ones, and what carried nothing else is cancelled.
4. Recordings go before the record that leads to them: interrupted, it is found again.
5. A leg that waits for others becomes a call at any moment. Therefore legs go first, and
   the calls are those that there are after that.

Calls that are taken in after it began are calls like any other.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import structlog
from django.core.files.storage import storages
from django.db import OperationalError, transaction
from django.utils import timezone

from dispatcher.adapters import cdr_json
from dispatcher.models import (
    Attempt,
    CallSummary,
    CdrRevision,
    Delivery,
    OwedCdr,
    QuarantinedRecord,
    StoredCdr,
    Webhook,
)
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import audit, leases
from dispatcher.pipeline.forget import (
    among,
    carriers_of,
    chunks,
    empty_among,
    empty_requests,
    forget,
    lock_deliveries,
)
from dispatcher.pipeline.originals import erase_waiting, holding
from dispatcher.pipeline.playback import STORAGE, file_names
from dispatcher.privacy import search

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    from dispatcher.models import Tenant

log = structlog.get_logger(__name__)

# Records, or quarantined bodies, that one step looks at.
STEP: Final = 500
QUARANTINE_STEP: Final = 50
# Calls that one transaction deletes.
TOGETHER: Final = 20
REST: Final = 2.0
LONGEST_REST_SECONDS: Final = 1.0
# How often a delivery that is being sent is looked at again; longer than a lease lives.
BUSY_PAUSE_SECONDS: Final = 0.25
BUSY_TRIES: Final = 240
LEGS, CALLS, QUARANTINE, DONE = "legs", "calls", "quarantine", "done"
START: Final = UUID(int=0)
WHY_ERASED: Final = "its request is gone: what it carried was erased"
WHY_PARTLY: Final = "its request is gone: of what it carried, a call was erased"


class BusyError(Exception):
    """A delivery of the call has been under way for longer than one can be."""


class BadCursorError(ValueError):
    """The text is no cursor that was given out here."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How much is gone, or would be. Deliveries are emptied, not deleted."""

    calls: int = 0
    revisions: int = 0
    summaries: int = 0
    recordings: int = 0
    deliveries: int = 0
    attempts: int = 0
    quarantined: int = 0
    legs: int = 0

    def plus(self, other: Erased) -> Erased:
        """Both together."""
        return Erased(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        )


COUNTS: Final = tuple(entry.name for entry in fields(Erased))


@dataclass(frozen=True, slots=True)
class Progress:
    """What is gone since this run began, and where to go on; "": it is done."""

    erased: Erased
    cursor: str


class _Cursor(NamedTuple):
    phase: str
    since: UUID
    until: UUID

    def text(self) -> str:
        """As it is given out."""
        return "" if self.phase == DONE else f"{self.phase}:{self.since}:{self.until}"


@dataclass(slots=True)
class _Search:
    """Whose calls, and which digits."""

    tenant: Tenant
    digits: str
    dry_run: bool
    pause: Callable[[float], object]
    clock: Callable[[], dt.datetime] = field(default=timezone.now)


def erase(
    tenant: Tenant,
    number: str,
    *,
    dry_run: bool = False,
    cursor: str = "",
    rest: float = REST,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Progress]:
    """Erases a number step by step; tells after each what is gone and where it is.

    `number` has its country code. It can be ended after any step, and gone on with by
    the cursor, or begun anew. Raises search.BadNumberError, BadCursorError, BusyError.
    """
    wanted = _Search(tenant, search.wanted(number), dry_run, pause)
    at, erased = _cursor(cursor), Erased()
    if not cursor:
        _note(wanted, "erasure begun", Erased())
    while at.phase != DONE:
        began = time.monotonic()
        done, at = _step(wanted, at)
        took = time.monotonic() - began
        erased = erased.plus(done)
        yield Progress(erased, at.text())
        if at.phase != DONE:
            pause(min(took * rest, LONGEST_REST_SECONDS))
    _note(wanted, "erasure ended", erased)
    log.info(
        "number.looked_for" if dry_run else "number.erased",
        tenant=tenant.external_id,
        **asdict(erased),
    )


def _note(wanted: _Search, action: str, erased: Erased) -> None:
    """Who did so, and how much it was; never of which number."""
    if wanted.dry_run:
        return
    counts = {name: count for name, count in asdict(erased).items() if count}
    with transaction.atomic():
        thing = audit.thing_of(wanted.tenant)
        audit.note(action, thing, now=wanted.clock(), after=counts)


def _cursor(text: str) -> _Cursor:
    if not text:
        return _Cursor(LEGS, START, uuid7())
    try:
        phase, since, until = text.split(":")
        cursor = _Cursor(phase, UUID(since), UUID(until))
    except ValueError:
        raise BadCursorError("is no cursor of an erasure") from None
    if cursor.phase not in (LEGS, CALLS, QUARANTINE):
        raise BadCursorError("is no cursor of an erasure")
    return cursor


def _step(wanted: _Search, at: _Cursor) -> tuple[Erased, _Cursor]:
    if at.phase == LEGS:
        erased, since = _leg_step(wanted, at)
        after = _Cursor(CALLS, START, uuid7())
    elif at.phase == CALLS:
        erased, since = _call_step(wanted, at)
        after = _Cursor(QUARANTINE, START, at.until)
    else:
        erased, since = _quarantine_step(wanted, at)
        after = at._replace(phase=DONE)
    return erased, after if since is None else at._replace(since=since)


# Finding ------------------------------------------------------------------------------


def _leg_step(wanted: _Search, at: _Cursor) -> tuple[Erased, UUID | None]:
    done = erase_waiting(
        wanted.tenant,
        wanted.digits,
        at.since,
        wanted.clock(),
        dry_run=wanted.dry_run,
    )
    return Erased(legs=done.legs), done.last


def _call_step(wanted: _Search, at: _Cursor) -> tuple[Erased, UUID | None]:
    """Looks at the next records; the last id of them, None at the end."""
    made = StoredCdr.objects.filter(
        tenant=wanted.tenant, pk__gt=at.since, pk__lt=at.until
    ).order_by("pk")
    rows = list(made.values_list("pk", "record")[:STEP])
    found = [key for key, record in rows if _is_in(record, wanted.digits)]
    keys = [key for key, _ in rows]
    found += _by_revision(wanted, keys) + _by_summary(wanted, keys)
    found += holding(keys, wanted.digits)
    erased = Erased()
    for some in _some_of(sorted(set(found))):
        erased = erased.plus(_counted(some) if wanted.dry_run else _gone(wanted, some))
    return erased, keys[-1] if len(keys) == STEP else None


def _some_of(keys: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(keys), TOGETHER):
        yield keys[start : start + TOGETHER]


def _is_in(record: str, digits: str) -> bool:
    return search.may_be_in(record, digits) and search.in_call(
        cdr_json.load(record), digits
    )


def _by_revision(wanted: _Search, keys: list[UUID]) -> list[UUID]:
    rows = [
        row
        for some in chunks(keys)
        for row in CdrRevision.objects.filter(among("cdr_id", some)).values_list(
            "cdr_id", "record"
        )
    ]
    return [key for key, record in rows if _is_in(record, wanted.digits)]


def _by_summary(wanted: _Search, keys: list[UUID]) -> list[UUID]:
    rows = [
        row
        for some in chunks(keys)
        for row in CallSummary.objects.filter(among("cdr_id", some)).values_list(
            "cdr_id", "transcription", "summary"
        )
    ]
    return [
        key
        for key, *texts in rows
        if any(search.in_text(text, wanted.digits) for text in texts)
    ]


def _quarantine_step(wanted: _Search, at: _Cursor) -> tuple[Erased, UUID | None]:
    made = QuarantinedRecord.objects.filter(
        tenant=wanted.tenant, pk__gt=at.since, pk__lt=at.until
    ).order_by("pk")
    rows = list(made.values_list("pk", "body", "query")[:QUARANTINE_STEP])
    found = [
        key
        for key, body, query in rows
        if search.in_bytes(bytes(body), wanted.digits)
        or search.in_bytes(query.encode(), wanted.digits)
    ]
    if not wanted.dry_run:
        QuarantinedRecord.objects.filter(pk__in=found).delete()
    is_last = len(rows) < QUARANTINE_STEP
    return Erased(quarantined=len(found)), None if is_last else rows[-1][0]


# Erasing ------------------------------------------------------------------------------


def _counted(keys: list[UUID]) -> Erased:
    """What would go with these."""
    deliveries = carriers_of(keys)
    return Erased(
        calls=len(keys),
        revisions=CdrRevision.objects.filter(among("cdr_id", keys)).count(),
        summaries=CallSummary.objects.filter(among("cdr_id", keys)).count(),
        recordings=len(_stored_recordings(keys)),
        deliveries=len(deliveries),
        attempts=sum(
            Attempt.objects.filter(among("delivery_id", some)).count()
            for some in chunks(deliveries)
        ),
    )


def _gone(wanted: _Search, keys: list[UUID]) -> Erased:
    """Erases these; by itself each, where one of them is being sent at this moment."""
    recordings = _delete_recordings(keys)
    erased = _attempt(wanted, keys)
    if erased is not None:
        return erased.plus(Erased(recordings=recordings))
    total = Erased(recordings=recordings)
    for key in keys:
        total = total.plus(_when_free(wanted, key))
    return total


def _when_free(wanted: _Search, key: UUID) -> Erased:
    for _ in range(BUSY_TRIES):
        erased = _attempt(wanted, [key])
        if erased is not None:
            return erased
        wanted.pause(BUSY_PAUSE_SECONDS)
    raise BusyError("a delivery of a call has been under way for too long; try again")


def _attempt(wanted: _Search, keys: list[UUID]) -> Erased | None:
    """Erases these, unless one of them is being sent, or somebody else was quicker."""
    try:
        with transaction.atomic():
            return _erased(wanted.tenant, keys, wanted.clock())
    except OperationalError as error:
        # Two that waited for each other: one of them is told, and tries again.
        log.warning("number.not_erased_yet", error=type(error).__name__)
        return None


def _erased(tenant: Tenant, keys: list[UUID], now: dt.datetime) -> Erased | None:
    rows = StoredCdr.objects.select_for_update().filter(among("id", keys))
    calls = list(rows.order_by("pk").values_list("pk", "uid"))
    if not calls:
        return Erased()
    carriers = carriers_of(keys)
    if _is_under_way(keys, carriers, now):
        return None
    states = lock_deliveries(carriers)
    attempts = empty_requests(carriers)
    gone = forget(tenant, calls, now)
    _tell(states, set(empty_among(carriers)), now)
    return Erased(
        calls=gone.calls,
        revisions=gone.revisions,
        summaries=gone.summaries,
        deliveries=len(carriers),
        attempts=attempts,
    )


def _is_under_way(keys: list[UUID], carriers: list[UUID], now: dt.datetime) -> bool:
    """Whether somebody is sending one of these; from then on nobody begins to.

    What a process held that has died is taken over: its requests are in the rows then.
    """
    owed = OwedCdr.objects.filter(among("cdr_id", keys))
    ids = set(owed.values_list("webhook_id", flat=True))
    locked = Webhook.objects.select_for_update(no_key=True).filter(pk__in=ids)
    webhooks = {webhook.pk: webhook for webhook in locked.order_by("pk")}
    under_way = leases.under_way_of(webhooks, now)
    sending = {one for held in under_way.values() for one in held.deliveries}
    return not sending.isdisjoint(carriers)


def _tell(states: Mapping[UUID, str], empty: set[UUID], now: dt.datetime) -> None:
    """Has deliveries say why their requests are gone; cancels what carries nothing.

    But for a window of a feed, which is sent without the call: its number is counted on.
    """
    ended = [key for key, state in states.items() if state != Delivery.PENDING]
    for some in chunks(list(states)):
        rows = Delivery.objects.filter(among("id", some))
        rows.filter(state=Delivery.PENDING).update(last_error="")
    for some in chunks([key for key in ended if key not in empty]):
        Delivery.objects.filter(among("id", some)).update(last_error=WHY_PARTLY)
    for some in chunks(sorted(empty)):
        rows = Delivery.objects.filter(among("id", some))
        rows.exclude(state=Delivery.PENDING).update(
            last_error_class=Delivery.ERASED, last_error=WHY_ERASED
        )
        rows.filter(state=Delivery.PENDING, sequence__isnull=True).update(
            state=Delivery.CANCELLED,
            next_attempt_at=None,
            ended_at=now,
            last_error_class=Delivery.ERASED,
            last_error=WHY_ERASED,
        )


# Recordings -----------------------------------------------------------------------------


def _stored_recordings(keys: list[UUID]) -> list[str]:
    """The names of the calls' recordings in the storage."""
    storage = storages[STORAGE]
    records = StoredCdr.objects.filter(pk__in=keys)
    revisions = CdrRevision.objects.filter(cdr__in=keys)
    texts = [
        *records.values_list("tenant__external_id", "record"),
        *revisions.values_list("cdr__tenant__external_id", "record"),
    ]
    names = {
        name: None
        for tenant, record in texts
        for recording in cdr_json.load(record).recordings or ()
        for name in file_names(tenant, recording.id)
    }
    return [name for name in names if storage.exists(name)]


def _delete_recordings(keys: list[UUID]) -> int:
    storage = storages[STORAGE]
    names = _stored_recordings(keys)
    for name in names:
        storage.delete(name)
    return len(names)
