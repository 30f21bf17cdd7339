"""Keeps the legs of a call until they are one call, which is then taken in.

For sources that deliver once a call. The constraints, and what follows from them:

1. A PBX forgets what it was told 202 for. Therefore each leg is a row in the commit that
   is answered so; a process that dies loses none, and nothing is kept in memory.
2. Two legs may come in the same moment, and each find the other missing. Therefore
   whoever handles legs of a call has the call to itself (a lock of PostgreSQL's, taken
   before any row's; SQLite has one writer).
3. A call may only be joined once, by whoever. Therefore a leg that waits has `due_at`;
   in the transaction that takes the call in, the leg is told its call and waits no more.
   What comes later joins the same call: its uid is made of the PBX's id of the call, so
   that it becomes a revision.
4. Nobody may need to remember when. Therefore the beat looks for what is due.

What a source's legs are counted as: docs/balance.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Count, Q

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import Read
from dispatcher.models import CallLeg, Source, StoredCdr
from dispatcher.models.bulk import update_rows
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import insert
from dispatcher.models.source import packed, unpacked
from dispatcher.normalise.joining import (
    call_of,
    in_order,
    is_complete,
    joined,
    uid_of,
)
from dispatcher.pipeline.accept import StorageUnavailable, committed, take_in
from dispatcher.pipeline.known import CHUNK, known_among, remember
from dispatcher.pipeline.owe import Owing
from dispatcher.pipeline.tally import Tallies, hour_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

log = structlog.get_logger(__name__)

# So many times as long as a source waits for the next leg, it waits for the last.
MOST_WAITS: Final = 5
# A leg that is due later was put off by a clock that has been set back since.
LONGEST: Final = dt.timedelta(hours=1, minutes=1)
# A call of more legs is none: its id is not one. They are calls by themselves.
MOST_LEGS: Final = 100
# Calls that one transaction joins.
TOGETHER: Final = 100
# For how long one task joins; the next one comes 2 s after it began.
BUDGET_SECONDS: Final = 1.0
# What cannot be joined is tried again.
PUT_OFF: Final = dt.timedelta(minutes=10)
# Locks that a transaction may hold at most; calls share them.
_LOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of legs.

    `ready` are the calls that wait for nothing more, `alone` what is to be taken in as
    calls, for their call would have too many legs.
    """

    accepted: int = 0
    duplicates: int = 0
    ready: Sequence[str] = ()
    alone: Sequence[Read] = ()


@dataclass(slots=True)
class _Keeping:
    """Legs of one request, being kept."""

    source: Source
    now: dt.datetime
    new: dict[str, Read] = field(default_factory=dict)
    changed: list[CallLeg] = field(default_factory=list)
    alone: list[Read] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    replaced: int = 0


def apart(
    source: Source | None, reads: Sequence[Read]
) -> tuple[Sequence[Read], Sequence[Read]]:
    """Legs, which are kept here until their call is joined, and what is a call at once."""
    if source is None or source.legs != Source.PER_CALL:
        return [], reads
    parts = [read for read in reads if call_of(read.cdr) is not None]
    return parts, [read for read in reads if call_of(read.cdr) is None]


def keep(source: Source, reads: Sequence[Read], now: dt.datetime) -> Kept:
    """Keeps legs in the caller's transaction, which has locked nothing yet.

    The same leg again is a duplicate; other content replaces it, and has a call that is
    joined already be joined anew.
    """
    if not reads:
        return Kept()
    calls = {str(call_of(read.cdr)) for read in reads}
    _have_to_itself(source.pk, calls)
    keeping = _Keeping(source, now)
    _sort_out(keeping, reads, _full(source, calls))
    _write(keeping)
    calls |= {leg.call_id for leg in keeping.changed}
    tallies = Tallies(source.tenant_id)
    tallies.receive(
        hour_at(now), duplicates=keeping.duplicates, joined=keeping.replaced
    )
    tallies.write()
    ready = _ready(source, calls, now)
    log.info(
        "leg.kept",
        source=source.name,
        accepted=keeping.accepted,
        duplicates=keeping.duplicates,
        ready=len(ready),
    )
    return Kept(keeping.accepted, keeping.duplicates, ready, keeping.alone)


def join(source: Source, calls: Sequence[str], now: dt.datetime) -> Mapping[UUID, str]:
    """Takes in calls of a source, of all the legs that there are of each.

    In the caller's transaction, which has the calls to itself. Of what does not wait,
    nothing is done. Returns the webhooks to wake, and their lanes.
    """
    by_call = {
        call_id: legs
        for call_id, legs in _legs_of(source, calls).items()
        if any(leg.due_at is not None for leg in legs)
    }
    if not by_call:
        return {}
    waiting = [leg for legs in by_call.values() for leg in legs if leg.due_at]
    owing = Owing(source.tenant_id, now)
    owing.tallies.receive(hour_at(now), joined=len(waiting) - len(by_call))
    reads = [_joined(call_id, legs) for call_id, legs in by_call.items()]
    taken = take_in(source.tenant, reads, source.pbx, owing, source.pk)
    _settle(source, waiting, now)
    return taken.wake


def join_at_once(
    source: Source, calls: Sequence[str], now: dt.datetime
) -> Mapping[UUID, str]:
    """Joins calls in the transaction that has kept their legs.

    A call that the database refuses must not keep its legs from being stored: it is
    left to the beat, and to who reads the log.
    """
    try:
        with transaction.atomic():
            return join(source, calls, now)
    except (DataError, IntegrityError) as error:
        log.warning("call.not_joined", error=str(error).partition("\n")[0][:200])
        return {}


def join_due(*, clock: Callable[[], dt.datetime]) -> Iterator[Mapping[UUID, str]]:
    """Joins calls whose waiting is over, for a second at most; yields whom to wake.

    Each handful is a transaction. One that fails is tried call by call, and what fails
    by itself is put off, so that it holds up no other.
    """
    until = time.monotonic() + BUDGET_SECONDS
    while time.monotonic() < until:
        due = _due(clock())
        for source, calls in due:
            try:
                yield _join_now(source, calls, clock())
            except StorageUnavailable:
                yield from _one_by_one(source, calls, clock)
        if not due:
            break


# Keeping ------------------------------------------------------------------------------


def _have_to_itself(source_id: UUID, calls: Iterable[str]) -> None:
    """Waits until nobody else handles these calls; until the transaction ends."""
    if connection.vendor != "postgresql":
        return
    locks = sorted({_lock_of(source_id, call_id) for call_id in calls})
    with connection.cursor() as cursor:
        for lock in locks:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])


def _lock_of(source_id: UUID, call_id: str) -> int:
    of_call = hashlib.sha256(call_id.encode()).digest()[0] % _LOCKS
    of_source = hashlib.sha256(source_id.bytes).digest()[:7]
    return int.from_bytes(of_source, "big") * _LOCKS + of_call


def _full(source: Source, calls: Iterable[str]) -> set[str]:
    """Those calls that have as many legs as a call may have."""
    found: set[str] = set()
    wanted = sorted(calls)
    for start in range(0, len(wanted), CHUNK):
        legs = CallLeg.objects.filter(
            source=source, call_id__in=wanted[start : start + CHUNK]
        )
        counts = legs.order_by().values_list("call_id").annotate(count=Count("id"))
        found |= {call_id for call_id, count in counts if count >= MOST_LEGS}
    return found


def _sort_out(keeping: _Keeping, reads: Sequence[Read], full: set[str]) -> None:
    """What is new, what is changed, what is known."""
    known = _known(keeping.source, [read.cdr.uid for read in reads])
    gone = known_among(keeping.source.tenant_id, [read.cdr.uid for read in reads])
    for read in reads:
        uid = read.cdr.uid
        if uid in gone:
            keeping.duplicates += 1
        elif uid in known:
            _change(keeping, known[uid], read)
        elif uid in keeping.new:
            _replace(keeping, read)
        elif call_of(read.cdr) in full:
            keeping.alone.append(read)
        else:
            keeping.new[uid] = read
            keeping.accepted += 1


def _replace(keeping: _Keeping, read: Read) -> None:
    """The same leg twice in one request."""
    if keeping.new[read.cdr.uid].cdr == read.cdr:
        keeping.duplicates += 1
        return
    keeping.new[read.cdr.uid] = read
    _count_replaced(keeping)


def _change(keeping: _Keeping, leg: CallLeg, read: Read) -> None:
    record = cdr_json.dump(read.cdr)
    if leg.record == record:
        keeping.duplicates += 1
        return
    leg.record, leg.packed = record, packed(read.raw)
    if leg.due_at is None:
        # Its call is taken in once more, which counts it.
        leg.due_at = keeping.now
        keeping.accepted += 1
    else:
        _count_replaced(keeping)
    keeping.changed.append(leg)


def _count_replaced(keeping: _Keeping) -> None:
    """A leg that is part of its call with other content: it is counted now."""
    keeping.replaced += 1
    keeping.accepted += 1


def _known(source: Source, uids: Sequence[str]) -> dict[str, CallLeg]:
    return {
        leg.uid: leg
        for start in range(0, len(uids), CHUNK)
        for leg in CallLeg.objects.filter(
            source=source, uid__in=uids[start : start + CHUNK]
        )
    }


def _write(keeping: _Keeping) -> None:
    due_at = keeping.now + _wait(keeping.source)
    rows = [
        (
            *(uuid7(), call_of(read.cdr), read.cdr.uid),
            *(cdr_json.dump(read.cdr), packed(read.raw)),
        )
        for read in keeping.new.values()
    ]
    insert(
        CallLeg,
        ("id", "call_id", "uid", "record", "packed"),
        rows,
        source_id=keeping.source.pk,
        received_at=keeping.now,
        due_at=due_at,
    )
    for leg in keeping.changed:
        leg.save(update_fields=["record", "packed", "due_at"])


def _wait(source: Source) -> dt.timedelta:
    return dt.timedelta(seconds=source.leg_wait_seconds)


def _ready(source: Source, calls: Iterable[str], now: dt.datetime) -> list[str]:
    """Those of the calls that are complete; the others are put off."""
    ready = []
    put_off: dict[dt.datetime, list[UUID]] = defaultdict(list)
    for call_id, legs in _legs_of(source, list(calls), "packed").items():
        waiting = [leg for leg in legs if leg.due_at is not None]
        first = min(leg.received_at for leg in legs)
        due_at = min(now + _wait(source), first + MOST_WAITS * _wait(source))
        if waiting and (due_at <= now or _is_known(legs) or _is_complete(legs)):
            ready.append(call_id)
            continue
        put_off[due_at] += [leg.pk for leg in waiting if leg.due_at != due_at]
    for due_at, keys in put_off.items():
        for start in range(0, len(keys), CHUNK):
            some = CallLeg.objects.filter(pk__in=keys[start : start + CHUNK])
            some.update(due_at=due_at)
    return ready


def _is_known(legs: Sequence[CallLeg]) -> bool:
    """Whether their call has been taken in: another leg is a revision, at once."""
    return any(leg.cdr_id is not None for leg in legs)


def _is_complete(legs: Sequence[CallLeg]) -> bool:
    return is_complete([cdr_json.load(leg.record) for leg in legs])


# Joining ------------------------------------------------------------------------------


def _legs_of(
    source: Source, calls: Sequence[str], *without: str
) -> dict[str, list[CallLeg]]:
    by_call: dict[str, list[CallLeg]] = defaultdict(list)
    for start in range(0, len(calls), CHUNK):
        some = calls[start : start + CHUNK]
        legs = CallLeg.objects.filter(source=source, call_id__in=some)
        for leg in legs.defer(*without):
            by_call[leg.call_id].append(leg)
    return by_call


def _joined(call_id: str, legs: Sequence[CallLeg]) -> Read:
    """The call, with the bytes of its first leg; those of the others stay in theirs."""
    raw = {leg.uid: bytes(leg.packed) for leg in legs}
    cdrs = in_order(cdr_json.load(leg.record) for leg in legs)
    return Read(joined(call_id, cdrs), unpacked(raw[cdrs[0].uid]))


def _settle(source: Source, waiting: Sequence[CallLeg], now: dt.datetime) -> None:
    """Tells legs their call; those of one that was deleted meanwhile go, too."""
    uids = sorted({uid_of(leg.call_id) for leg in waiting})
    stored: dict[str, UUID] = {}
    for start in range(0, len(uids), CHUNK):
        rows = StoredCdr.objects.filter(
            tenant_id=source.tenant_id, uid__in=uids[start : start + CHUNK]
        )
        stored |= dict(rows.order_by().values_list("uid", "pk"))
    to = {leg.pk: stored.get(uid_of(leg.call_id)) for leg in waiting}
    update_rows(CallLeg, ("cdr_id", "due_at"), [(key, to[key], None) for key in to])
    gone = [leg for leg in waiting if to[leg.pk] is None]
    remember(source.tenant_id, [leg.uid for leg in gone], now)
    for leg in gone:
        leg.delete()


# What is due --------------------------------------------------------------------------


def _due(now: dt.datetime) -> list[tuple[Source, list[str]]]:
    """Some calls whose waiting is over, the longest first, by their source."""
    rows = (
        CallLeg.objects.filter(Q(due_at__lte=now) | Q(due_at__gt=now + LONGEST))
        .order_by("due_at")
        .values_list("source_id", "call_id")[:TOGETHER]
    )
    by_source: dict[UUID, list[str]] = defaultdict(list)
    for source_id, call_id in dict.fromkeys(rows):
        by_source[source_id].append(call_id)
    sources = Source.objects.select_related("tenant").in_bulk(list(by_source))
    return [(sources[key], calls) for key, calls in by_source.items() if key in sources]


def _join_now(
    source: Source, calls: Sequence[str], now: dt.datetime
) -> Mapping[UUID, str]:
    def write() -> Mapping[UUID, str]:
        _have_to_itself(source.pk, calls)
        # Another leg may have come, and put its call off, before the lock was ours.
        late = CallLeg.objects.filter(
            Q(due_at__lte=now) | Q(due_at__gt=now + LONGEST),
            source=source,
            call_id__in=calls,
        )
        still = set(late.values_list("call_id", flat=True).distinct().order_by())
        return join(source, [call for call in calls if call in still], now)

    return committed(write)


def _one_by_one(
    source: Source, calls: Sequence[str], clock: Callable[[], dt.datetime]
) -> Iterator[Mapping[UUID, str]]:
    for call_id in calls:
        try:
            yield _join_now(source, [call_id], clock())
        except StorageUnavailable as error:
            log.warning("call.not_joined", error=str(error).partition("\n")[0][:200])
            waiting = CallLeg.objects.filter(source=source, call_id=call_id)
            waiting.filter(due_at__isnull=False).update(due_at=clock() + PUT_OFF)
