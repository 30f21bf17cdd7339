"""Takes CDRs in: the rows and what they owe to webhooks, in one commit.

Only when that commit has succeeded may the caller be told 202. Decodes nothing that
an adapter should, sends nothing, publishes nothing.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models import Max

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import Read
from dispatcher.models import CdrRevision, RawRecord, StoredCdr
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import by_copy, fetch, insert, insert_missing
from dispatcher.models.source import packed
from dispatcher.pipeline.known import CHUNK, known_among
from dispatcher.pipeline.owe import Call, Owing, owe, write_owed
from dispatcher.pipeline.route import Route, routes_of
from dispatcher.pipeline.summarise import note_recorded
from dispatcher.pipeline.tally import hour_at, hour_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from dispatcher.models import Tenant
    from dispatcher.values import Cdr

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

# A transaction shorter than this lets other writers in without being told to.
SHORT_SECONDS: Final = 0.05
# How far a PBX's clock may be ahead of ours.
CLOCK_MARGIN: Final = dt.timedelta(minutes=5)
# How long a request waits for its turn to write; then it is answered 503.
WRITER_SECONDS: Final = 5.0
_WRITER: Final = threading.Lock()


class StorageUnavailable(Exception):  # noqa: N818  it is a state, as HTTP 503 is
    """The database did not take it: nothing was written, try again later."""


class OutcomeUnknown(StorageUnavailable):
    """The connection broke at COMMIT: all of it was written, or nothing."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a handful of CDRs, and which webhooks have work now: their lanes."""

    accepted: int
    duplicates: int
    wake: Mapping[UUID, str] = field(default_factory=dict)


# Rows to be written: the columns that differ, named as the models name them. Models
# themselves cost more to make than the rows cost to insert.


class _CdrRow(NamedTuple):
    id: UUID
    uid: str
    record: str
    content_hash: str
    started_at: dt.datetime
    call_end: dt.datetime
    caller_number: str
    dialed_number: str
    direction: str
    disposition: str
    duration: int | None


class _Known(NamedTuple):
    """The row that holds a uid."""

    id: UUID
    content_hash: str


@dataclass(slots=True)
class _Intake:
    """Rows to be written for one handful of CDRs."""

    tenant: Tenant
    source: str
    now: dt.datetime
    routes: list[Route]
    owing: Owing
    recorded: list[UUID] = field(default_factory=list)


def accept(
    tenant: Tenant,
    cdrs: Sequence[Cdr],
    *,
    source: str,
    now: dt.datetime,
    rejected: int = 0,
) -> Accepted:
    """Stores CDRs of a tenant and makes the deliveries that its webhooks are owed.

    The same uid with the same content is a duplicate, also within one call; with other
    content it is kept as a revision and counts as accepted. `rejected` is how many
    records came with them and were refused: they are counted, too, and may be all that
    there is. Raises StorageUnavailable.
    """
    owing = Owing(tenant.pk, now)
    owing.tallies.receive(hour_at(now), rejected=rejected)
    reads = [Read(cdr) for cdr in cdrs]
    return committed(lambda: take_in(tenant, reads, source, owing))


def committed(write: Callable[[], Result]) -> Result:
    """Runs `write` in one transaction; on SQLite it then lets smaller writers in.

    Raises StorageUnavailable; OutcomeUnknown where the answer to COMMIT was lost.
    """
    at_commit = False
    try:
        with _turn():
            began = time.monotonic()
            with transaction.atomic():
                result = write()
                at_commit = True
    except (DatabaseError, InterfaceError) as error:
        # Its first line: details quote what could not be stored.
        log.warning("cdr.not_accepted", error=str(error).partition("\n")[0][:200])
        lost = at_commit and _lost_its_server(error)
        raise (OutcomeUnknown if lost else StorageUnavailable)(str(error)) from error
    took = time.monotonic() - began
    if connection.vendor == "sqlite" and took > SHORT_SECONDS:
        # One writer: resting as long as it wrote keeps the small writes' wait short.
        time.sleep(min(took, 1.0))
    return result


def _lost_its_server(error: Exception) -> bool:
    """A server that refuses a COMMIT says so; one that went away may have done it."""
    return connection.vendor == "postgresql" and isinstance(
        error, OperationalError | InterfaceError
    )


@contextmanager
def _turn() -> Iterator[None]:
    """On SQLite, one request of this process at a time asks for the one writer's lock.

    SQLite lets those who wait for it sleep and try again, without order: with many at
    once, the unlucky waited for seconds.
    """
    if connection.vendor != "sqlite":
        yield
        return
    if not _WRITER.acquire(timeout=WRITER_SECONDS):
        raise StorageUnavailable("the database is busy with other writers")
    try:
        yield
    finally:
        _WRITER.release()


def take_in(
    tenant: Tenant,
    reads: Sequence[Read],
    source: str,
    owing: Owing,
    from_source: UUID | None = None,
) -> Accepted:
    """Writes calls and what is owed of them, in the caller's transaction.

    `source` is the PBX's kind, `from_source` the key of a Source. Writes `owing`.
    """
    if not reads:
        owing.tallies.write()
        return Accepted(0, 0)
    now = owing.now
    intake = _Intake(tenant, source, now, routes_of(tenant), owing)
    first, later = _by_uid(_row(intake, read) for read in reads)
    stored = _insert(intake, [row for row, _ in first.values()])
    gone = _take_back(intake, first, stored)
    new = []
    raws = []
    for uid, (row, read) in first.items():
        if uid not in gone and stored[uid].id == row.id:
            new.append(row.id)
            _owe(intake, row.id, row.call_end, read.cdr)
            if read.raw:
                raws.append((row.id, packed(read.raw)))
        else:
            later.insert(0, (row, read))
    insert(
        RawRecord,
        ("cdr_id", "packed"),
        raws,
        parents_added=True,
        source_id=from_source,
    )
    owing.tallies.accept(new)
    changed = sum(
        row.uid not in gone and _revise(intake, stored[row.uid], row, read)
        for row, read in later
    )
    duplicates = len(later) - changed
    owing.tallies.receive(hour_at(now), revised=changed, duplicates=duplicates)
    write_owed(owing, calls_added=changed == 0)
    note_recorded(tenant, intake.recorded, now)
    accepted = len(reads) - duplicates
    log.info(
        "cdr.accepted",
        tenant=tenant.external_id,
        source=source,
        accepted=accepted,
        revisions=changed,
        duplicates=duplicates,
        deliveries=len(owing.deliveries),
    )
    return Accepted(accepted, duplicates, owing.wake)


def _row(intake: _Intake, read: Read) -> tuple[_CdrRow, Read]:
    cdr = read.cdr
    record = cdr_json.dump(cdr)
    row = _CdrRow(
        id=uuid7(),
        uid=cdr.uid,
        record=record,
        content_hash=cdr_json.content_hash(record),
        started_at=_in_utc(cdr.started_at),
        call_end=_call_end(cdr, intake.now),
        caller_number=(cdr.caller.number or "")[:64],
        dialed_number=(cdr.dialed.number or "")[:64],
        direction=cdr.direction or "",
        disposition=cdr.disposition or "",
        duration=cdr.duration,
    )
    return row, read


def _call_end(cdr: Cdr, now: dt.datetime) -> dt.datetime:
    """When the call ended, as the feed counts it (PAYLOADS: feed).

    An end that is well in the future is a clock that is wrong: no window would have it
    for that long, and no count, so that it counts as just ended.
    """
    end = _told_end(cdr)
    if end is None or end > now + CLOCK_MARGIN:
        return now
    return _in_utc(end)


def _in_utc(moment: dt.datetime) -> dt.datetime:
    """PostgreSQL takes no offset beyond 15:59."""
    return moment if moment.tzinfo is dt.UTC else moment.astimezone(dt.UTC)


def _told_end(cdr: Cdr) -> dt.datetime | None:
    if cdr.ended_at is not None:
        return cdr.ended_at
    if cdr.duration is not None:
        # In UTC: in a zone, Python adds to what the clock on the wall shows, and would
        # be an hour out where it is set back or forward meanwhile.
        started_at = cdr.started_at.astimezone(dt.UTC)
        try:
            return started_at + dt.timedelta(seconds=cdr.duration)
        except OverflowError:
            return None
    return None


def _by_uid(
    rows: Iterable[tuple[_CdrRow, Read]],
) -> tuple[dict[str, tuple[_CdrRow, Read]], list[tuple[_CdrRow, Read]]]:
    """The first row of each uid, sorted so that two requests lock in one order."""
    first: dict[str, tuple[_CdrRow, Read]] = {}
    later = []
    for row, read in rows:
        if first.setdefault(row.uid, (row, read))[0] is not row:
            later.append((row, read))
    return dict(sorted(first.items())), later


def _insert(intake: _Intake, rows: list[_CdrRow]) -> dict[str, _Known]:
    """Inserts what is new; returns the row that holds each uid, ours or an older one."""
    tenant_id, uids = intake.tenant.pk, [row.uid for row in rows]
    all_new = insert_missing(
        StoredCdr,
        _CdrRow._fields,
        rows,
        seem_new=by_copy(rows) and not _stored(tenant_id, uids, "LIMIT 1"),
        tenant_id=tenant_id,
        source=intake.source,
        accepted_at=intake.now,
    )
    if all_new:
        return {row.uid: _Known(row.id, row.content_hash) for row in rows}
    return _stored(tenant_id, uids)


def _stored(tenant_id: UUID, uids: list[str], limit: str = "") -> dict[str, _Known]:
    """The rows that hold these uids."""
    if by_copy(uids):
        found = fetch(f"{_STORED} {limit}", [tenant_id, uids])
    else:
        rows = StoredCdr.objects.filter(tenant=tenant_id, uid__in=uids).order_by()
        found = list(rows.values_list("uid", "pk", "content_hash"))
    return {uid: _Known(key, content_hash) for uid, key, content_hash in found}


# In SQL: Django takes longer to write thousands of uids than PostgreSQL to find them.
_STORED: Final = (
    "SELECT uid, id, content_hash FROM dispatcher_storedcdr"
    " WHERE tenant_id = %s AND uid = ANY(%b::text[])"
)


def _take_back(
    intake: _Intake,
    first: Mapping[str, tuple[_CdrRow, Read]],
    stored: Mapping[str, _Known],
) -> set[str]:
    """Deletes again what is known of a record that is gone; returns those uids.

    A uid that nobody holds was inserted beside a deletion: it is gone as well.
    """
    new = [uid for uid, (row, _) in first.items() if _is_new(row, stored.get(uid))]
    gone = known_among(intake.tenant.pk, new)
    if gone:
        keys = [stored[uid].id for uid in gone]
        for start in range(0, len(keys), CHUNK):
            some = StoredCdr.objects.filter(pk__in=keys[start : start + CHUNK])
            some._raw_delete(connection.alias)
    unheld = first.keys() - stored.keys()
    if unheld and connection.vendor == "sqlite":
        # Nobody deletes beside us there: SQLite passes over whatever breaks a rule.
        raise IntegrityError("a record breaks a rule of its table")
    return gone | unheld


def _is_new(row: _CdrRow, holder: _Known | None) -> bool:
    return holder is not None and holder.id == row.id


def _revise(intake: _Intake, known: _Known, row: _CdrRow, read: Read) -> bool:
    """Keeps other content of a known uid. False: nothing new in it."""
    if read.is_excerpt or row.content_hash == known.content_hash:
        return False
    if StoredCdr.objects.select_for_update().filter(pk=known.id).first() is None:
        return False  # deleted meanwhile, and its uid known
    revisions = CdrRevision.objects.filter(cdr_id=known.id)
    if revisions.filter(content_hash=row.content_hash).exists():
        return False
    latest = revisions.aggregate(number=Max("number"))["number"] or 0
    revision = CdrRevision.objects.create(
        cdr_id=known.id,
        number=latest + 1,
        record=row.record,
        content_hash=row.content_hash,
        received_at=intake.now,
        packed=packed(read.raw) if read.raw else None,
    )
    intake.owing.tallies.add(hour_of(known.id), {"revisions": 1})
    _owe(intake, known.id, row.call_end, read.cdr, revision=revision.number)
    return True


def _owe(
    intake: _Intake,
    cdr_id: UUID,
    call_end: dt.datetime,
    cdr: Cdr,
    *,
    revision: int = 0,
) -> None:
    """Notes what is owed of this record, and that it has a recording."""
    if cdr.recordings:
        intake.recorded.append(cdr_id)
    call = Call(cdr_id, call_end, cdr, revision)
    owe(intake.owing, intake.routes, call)
