"""Deletes what tenants keep no longer: deliveries, calls, quarantine, recordings.

The constraints, and what follows from them:

1. Sending and taking in go on meanwhile. Therefore it works in steps, each its own short
   transaction, and rests after each much longer than it worked (as pipeline.purge).
2. Nothing that is still to be sent is deleted, however old: a call goes when every
   delivery of it has ended that long ago, nothing of it waits for its batch or window,
   and its newest revision and its summary are done. What is held stays and is counted
   against nobody. Therefore deliveries go first.
3. A step locks what it deletes, passing over what others have locked, and judges it
   again after that. A record that gets a revision at this moment is locked by whoever
   takes that in.
4. A partner's bundle carries calls of several tenants. The shortest retention counts:
   its request and answers go with the first of its calls, the delivery with the last.
5. A PBX repeats what it thinks did not arrive. Therefore a uid stays known for 90 days.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from dispatcher.models import (
    CallSummary,
    CdrRevision,
    Delivery,
    OwedCdr,
    QuarantinedRecord,
    StoredCdr,
    Tenant,
)
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline.forget import (
    among,
    carriers_of,
    delete_empty,
    empty_requests,
    forget,
    lock_deliveries,
)
from dispatcher.pipeline.known import forget_old
from dispatcher.pipeline.playback import STORAGE, file_names
from dispatcher.pipeline.purge import LONGEST_REST_SECONDS, REST, purge_deliveries
from dispatcher.pipeline.tidy import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.files.storage import Storage
    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

# Records that one transaction looks at: about 30 ms of work.
STEP: Final = 200
START: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Hours:
    """How long something is kept; None: for ever."""

    cdrs: int | None
    deliveries: int | None
    quarantine: int | None
    recordings: int | None


@dataclass(frozen=True, slots=True)
class Retained:
    """How many are gone since the pass began."""

    deliveries: int = 0
    calls: int = 0
    quarantined: int = 0
    recordings: int = 0
    uids: int = 0
    tidied: int = 0


def hours_of(tenant: Tenant) -> Hours:
    """A tenant's own, else the settings'. Deliveries are kept no longer than their calls."""
    cdrs = tenant.keep_cdrs_hours or settings.CDRHOOK_KEEP_CDRS_HOURS
    limits = [hours for hours in (tenant.keep_deliveries_hours, cdrs) if hours]
    return Hours(
        cdrs=cdrs,
        deliveries=min(limits, default=None),
        quarantine=tenant.keep_quarantine_hours,
        recordings=tenant.keep_recordings_hours,
    )


def retain(
    clock: Callable[[], dt.datetime],
    *,
    rest: float = REST,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Retained]:
    """One pass over all tenants; tells what is gone after each step.

    It can be ended after any step, and begun anew. `pause` is given the seconds of each
    rest.
    """
    gone = Retained()
    steps = _steps(clock)
    while True:
        began = time.monotonic()
        done = next(steps, None)
        if done is None:
            break
        took = time.monotonic() - began
        gone = _sum(gone, done)
        yield gone
        pause(min(took * rest, LONGEST_REST_SECONDS))
    if gone != Retained():
        log.info("retention.passed", **asdict(gone))


def _steps(clock: Callable[[], dt.datetime]) -> Iterator[Retained]:
    for tenant in Tenant.objects.order_by("pk"):
        try:
            yield from _of_tenant(tenant, hours_of(tenant), clock())
        except Exception as error:  # it must not hold up the tenants behind it
            log.warning(
                "retention.failed",
                tenant=tenant.external_id,
                error=f"{type(error).__name__}: {error}".partition("\n")[0][:200],
            )
    while uids := forget_old(clock()):
        yield Retained(uids=uids)
    for rows in tidy(clock()):
        yield Retained(tidied=rows)


def _of_tenant(tenant: Tenant, hours: Hours, now: dt.datetime) -> Iterator[Retained]:
    if hours.deliveries is not None:
        yield from _deliveries(tenant, _before(now, hours.deliveries))
    if hours.cdrs is not None:
        yield from _calls(tenant, _before(now, hours.cdrs), now)
    if hours.quarantine is not None:
        yield from _quarantine(tenant, _before(now, hours.quarantine))
    if hours.recordings is not None:
        yield from _recordings(tenant, _before(now, hours.recordings))


def _before(now: dt.datetime, hours: int) -> dt.datetime:
    return now - dt.timedelta(hours=hours)


def _deliveries(tenant: Tenant, before: dt.datetime) -> Iterator[Retained]:
    known = 0
    for purged in purge_deliveries(before, tenant=tenant, pause=lambda _: None):
        yield Retained(deliveries=purged.deliveries - known)
        known = purged.deliveries


# Calls ------------------------------------------------------------------------------


def _calls(tenant: Tenant, before: dt.datetime, now: dt.datetime) -> Iterator[Retained]:
    since = START
    while True:
        looked, until = _call_step(tenant, before, since, now)
        yield looked
        if until is None:
            return
        since = until


def _call_step(
    tenant: Tenant, before: dt.datetime, since: UUID, now: dt.datetime
) -> tuple[Retained, UUID | None]:
    """Looks at the next records behind `since`; the last id of them, None at the end."""
    made = StoredCdr.objects.filter(
        tenant=tenant, pk__gt=since, pk__lt=first_id_at(before)
    ).order_by("pk")
    keys = list(made.values_list("pk", flat=True)[:STEP])
    if not keys:
        return Retained(), None
    with transaction.atomic():
        calls, deliveries = _that_may_go(tenant, keys, before)
        empty_requests(deliveries)
        gone = forget(tenant, calls, now)
        deleted = delete_empty(deliveries)
    until = keys[-1] if len(keys) == STEP else None
    return Retained(calls=gone.calls, deliveries=deleted), until


def _that_may_go(
    tenant: Tenant, keys: list[UUID], before: dt.datetime
) -> tuple[list[tuple[UUID, str]], list[UUID]]:
    """(id, uid) of those records that nothing keeps, and the bundles that carry them.

    Both locked: they are judged when nobody can change them any more.
    """
    rows = StoredCdr.objects.filter(among("id", keys), tenant=tenant)
    locked = rows.select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    ids = list(locked.order_by("pk").values_list("pk", flat=True))
    lock_deliveries(carriers_of(ids))
    free = StoredCdr.objects.filter(
        among("id", ids),
        ~Exists(_still_owed(before)),
        ~Exists(_revised_since(before)),
        ~Exists(_open_summaries()),
        accepted_at__lt=before,
    )
    calls = list(free.order_by("pk").values_list("pk", "uid"))
    return calls, carriers_of([key for key, _ in calls])


def _still_owed(before: dt.datetime) -> QuerySet[OwedCdr]:
    """What is to be sent, or was not long ago."""
    lately = Q(delivery__state=Delivery.PENDING) | Q(delivery__ended_at__gte=before)
    return OwedCdr.objects.filter(OwedCdr.unbundled() | lately, cdr=OuterRef("pk"))


def _revised_since(before: dt.datetime) -> QuerySet[CdrRevision]:
    return CdrRevision.objects.filter(cdr=OuterRef("pk"), received_at__gte=before)


def _open_summaries() -> QuerySet[CallSummary]:
    return CallSummary.objects.filter(cdr=OuterRef("pk"), next_step_at__isnull=False)


# Quarantine and recordings ------------------------------------------------------------


def _quarantine(tenant: Tenant, before: dt.datetime) -> Iterator[Retained]:
    old = QuarantinedRecord.objects.filter(tenant=tenant, last_seen_at__lt=before)
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:STEP]):
        # Unless it has come once more meanwhile.
        gone = old.filter(among("id", keys))._raw_delete(connection.alias)
        yield Retained(quarantined=gone)


def _recordings(tenant: Tenant, before: dt.datetime) -> Iterator[Retained]:
    """By when a file was written. A storage that cannot list its files keeps them."""
    if not file_names(tenant.external_id, "any"):
        return  # "." and ".." are external ids, and no folders of their own
    storage = storages[STORAGE]
    try:
        for name in _files_in(storage, tenant.external_id):
            if storage.get_modified_time(name) < before:
                storage.delete(name)
                yield Retained(recordings=1)
    except FileNotFoundError:
        return  # it has none, or somebody else deleted one: the next pass goes on
    except Exception as error:
        # Every storage has errors of its own.
        log.warning(
            "retention.recordings_failed",
            tenant=tenant.external_id,
            error=type(error).__name__,
        )


def _files_in(storage: Storage, folder: str) -> Iterator[str]:
    folders, files = storage.listdir(folder)
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _files_in(storage, f"{folder}/{name}")


def _sum(one: Retained, other: Retained) -> Retained:
    sums = {name: getattr(one, name) + getattr(other, name) for name in _COUNTS}
    return Retained(**sums)


_COUNTS: Final = tuple(entry.name for entry in fields(Retained))
