"""Holds what was counted as records came in against what has become of them.

Two sources that know nothing of each other: tallies, which were written with each
record, and the rows as they are now. For every tenant and hour (in which a call was
accepted) these must hold:

    received   = accepted + revised + duplicates + joined + rejected + quarantined
    accepted   = calls that there are + calls that are gone
    revisions  = revisions that there are + revisions that are gone
    and of each webhook
    considered = matched + dropped + filtered + not_billed + not_updated
    matched    = delivered + failed + cancelled + held + pending + waiting + late + gone

Call summaries are not in it: they are made here, and not received. Changes nothing,
except that `note_gone` counts what somebody is about to delete.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from dispatcher.models import CallLeg, Delivery, Tally, Webhook
from dispatcher.pipeline import standing
from dispatcher.pipeline.standing import HELD, LATE, WAITING, Standing
from dispatcher.pipeline.tally import Tallies, hour_at, moment_of, more

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.models import Q

    from dispatcher.models import Tenant
    from dispatcher.pipeline.tally import Counts

RECEIVED: Final = (
    *("accepted", "revised", "duplicates", "joined", "rejected", "quarantined"),
)
RECORDS: Final = ("received", *RECEIVED, "revisions")
# What became of what a webhook was asked about; those that it wanted, by state.
FATES: Final = ("matched", "dropped", "not_billed", "not_updated")
STATES: Final = (
    *(Delivery.DELIVERED, Delivery.FAILED, HELD, Delivery.CANCELLED),
    *(Delivery.PENDING, WAITING, LATE),
)
# The migration that made the table of tallies; how long an upgrade may take.
COUNTING_SINCE: Final = "0004_health_privacy_balance"
_UPGRADE: Final = timedelta(minutes=10)
# What had not ended when its call was deleted.
_UNENDED: Final = frozenset({HELD, Delivery.PENDING, WAITING})
# SQLite takes 999 parameters a statement.
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """An identity that does not hold: what was counted, and what was found."""

    what: str
    counted: int
    found: int
    webhook: UUID | None = None


class _Webhook(NamedTuple):
    url: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class AtWebhook:
    """What became of an hour's calls at one webhook.

    `not_considered`: it was made later. `gone`: by state, what was deleted since.
    """

    webhook: UUID
    url: str
    is_deleted: bool
    considered: int
    not_considered: int
    fates: Mapping[str, int]
    filtered: Mapping[str, int]
    states: Mapping[str, int]
    gone: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a tenant's; `hour` None: all of them together.

    `is_judged` False: it was over before records were counted (an older version).
    """

    hour: dt.datetime | None
    records: Mapping[str, int]
    gone: Mapping[str, int]
    webhooks: Sequence[AtWebhook]
    differences: Sequence[Difference] = ()
    is_judged: bool = True

    @property
    def balanced(self) -> bool | None:
        """Whether everything adds up; None where that cannot be said."""
        return not self.differences if self.is_judged else None


@dataclass(frozen=True, slots=True)
class Balance:
    """Hours in which something was received, the earliest first, and their totals.

    `legs_waiting`: legs of the tenant's, whenever they came, whose calls are not joined
    yet; they count as received when these are.
    """

    hours: Sequence[Hour]
    totals: Hour
    legs_waiting: int = 0


def balance(
    tenant: Tenant, since: int, until: int, *, seen: Q | None = None
) -> Balance:
    """The balance of the hours [since, until), counted from 1970; both sides as of now.

    `seen` narrows the webhooks to those that the reader may know of, and with them
    what is judged.
    """
    with _snapshot():
        counted = _counted(tenant, since, until)
        found = standing.of_hours(tenant, since, until)
        webhooks = _known(counted, found, seen)
        judged_since = _judged_since(tenant)
        waiting = CallLeg.objects.filter(source__tenant=tenant, due_at__isnull=False)
        legs_waiting = waiting.count()
    hours = []
    for hour in sorted(counted.keys() | found.keys()):
        told = _hour(hour, counted.get(hour, {}), found.get(hour, Standing()), webhooks)
        hours.append(told if hour >= judged_since else _unjudged(told))
    return Balance(hours, _totals(hours), legs_waiting)


def note_gone(tenant: Tenant, cdr_ids: Sequence[UUID]) -> None:
    """Counts calls of a tenant that are about to be deleted, and what became of them.

    Call it in the transaction that deletes the calls, before anything of them is: it
    reads their owed rows, deliveries and revisions as they are. Lock the deliveries
    first (purge does so), so that no state changes in between. What is still pending
    then counts as cancelled, since nothing will be sent of it. To delete deliveries
    alone needs no call: what was owed stays, and says what became of it.
    """
    tallies = Tallies(tenant.pk)
    for start in range(0, len(cdr_ids), _CHUNK):
        found = standing.of_calls(cdr_ids[start : start + _CHUNK])
        for hour, its in found.items():
            gone = {"calls": its.calls, "revisions": its.revisions}
            tallies.add(hour, {"gone": gone})
            for webhook_id, states in its.webhooks.items():
                tallies.add(hour, {"gone": _ended(states)}, webhook=webhook_id)
    tallies.write()


def _ended(states: Mapping[str, int]) -> dict[str, int]:
    ended: Counter[str] = Counter()
    for state, count in states.items():
        ended[Delivery.CANCELLED if state in _UNENDED else state] += count
    return dict(ended)


# Before records were counted ------------------------------------------------------------


def _judged_since(tenant: Tenant) -> int:
    """The first hour in which every record of the tenant's was counted.

    One that is older than the tables of the balance had calls that nobody counted, at
    least until the last web process of the former version had ended.
    """
    applied = (
        MigrationRecorder(connection)
        .migration_qs.filter(app="dispatcher", name=COUNTING_SINCE)
        .values_list("applied", flat=True)
        .first()
    )
    if applied is None or tenant.created_at >= applied:
        return 0
    return hour_at(applied + _UPGRADE) + 1


def _unjudged(hour: Hour) -> Hour:
    return replace(hour, differences=(), is_judged=False)


# Both sides -----------------------------------------------------------------------------


@contextmanager
def _snapshot() -> Iterator[None]:
    """All queries see the database as of one moment, and nobody waits for them."""
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "sqlite":
        with _without_the_writers_lock(), transaction.atomic():
            yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _without_the_writers_lock() -> Iterator[None]:
    """On SQLite, transactions take the one writer's lock at once (settings)."""
    wrapper: Any = connection
    wrapper.ensure_connection()  # which sets the mode
    mode, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        wrapper.transaction_mode = mode


def _counted(tenant: Tenant, since: int, until: int) -> dict[int, Counts]:
    counted: dict[int, Counts] = defaultdict(dict)
    rows = Tally.objects.filter(
        tenant=tenant, hour__gte=moment_of(since), hour__lt=moment_of(until)
    ).order_by()
    # One after the other: each has an index of its own.
    for is_sum in (True, False):
        of_kind = rows.filter(is_sum=is_sum).values_list("hour", "counts")
        for moment, counts in of_kind.iterator():
            more(counted[hour_at(moment)], counts)
    return counted


def _known(
    counted: Mapping[int, Counts], found: Mapping[int, Standing], seen: Q | None
) -> dict[UUID, _Webhook]:
    """The webhooks that are told of, deleted ones among them."""
    ids = {
        UUID(key) for counts in counted.values() for key in counts.get("webhooks", ())
    }
    ids |= {key for its in found.values() for key in its.webhooks}
    webhooks = Webhook.objects.filter(pk__in=ids)
    if seen is not None:
        webhooks = webhooks.filter(seen)
    known = {
        key: _Webhook(url, deleted_at is not None)
        for key, url, deleted_at in webhooks.values_list("pk", "url", "deleted_at")
    }
    # Also one that is not there any more: it must not vanish from what must add up.
    told = ids if seen is None else known
    return {key: known.get(key, _Webhook("", True)) for key in sorted(told)}


# What must hold ---------------------------------------------------------------------------


def _hour(
    hour: int, counts: Counts, found: Standing, known: Mapping[UUID, _Webhook]
) -> Hour:
    asked = counts.get("calls", 0) + counts.get("revisions", 0)
    counted = counts.get("webhooks", {})
    webhooks = [
        _at_webhook(key, its, counted.get(str(key), {}), found.webhooks.get(key), asked)
        for key, its in known.items()
        if str(key) in counted or key in found.webhooks
    ]
    differences = [*_of_records(counts, found)]
    for webhook in webhooks:
        differences += _of_webhook(webhook)
    return Hour(
        hour=moment_of(hour),
        records={name: counts.get(name, 0) for name in RECORDS},
        gone=counts.get("gone", {}),
        webhooks=webhooks,
        differences=differences,
    )


def _at_webhook(
    webhook_id: UUID,
    its: _Webhook,
    counts: Counts,
    states: Mapping[str, int] | None,
    asked: int,
) -> AtWebhook:
    considered = counts.get("calls", 0)
    return AtWebhook(
        webhook=webhook_id,
        url=its.url,
        is_deleted=its.is_deleted,
        considered=considered,
        # Some may be considered twice that came in the moment when it was made, and
        # that it was given afterwards.
        not_considered=max(0, asked - considered),
        fates={name: counts.get(name, 0) for name in FATES},
        filtered=counts.get("filtered", {}),
        states={name: (states or {}).get(name, 0) for name in STATES},
        gone=counts.get("gone", {}),
    )


def _of_records(counts: Counts, found: Standing) -> Iterator[Difference]:
    gone = counts.get("gone", {})
    for what, counted, there in (
        (
            "received",
            counts.get("received", 0),
            sum(counts.get(name, 0) for name in RECEIVED),
        ),
        ("accepted", counts.get("accepted", 0), found.calls + gone.get("calls", 0)),
        (
            "revisions",
            counts.get("revisions", 0),
            found.revisions + gone.get("revisions", 0),
        ),
    ):
        if counted != there:
            yield Difference(what, counted, there)


def _of_webhook(its: AtWebhook) -> Iterator[Difference]:
    for what, counted, there in (
        ("considered", its.considered, _sum(its.fates) + _sum(its.filtered)),
        ("matched", its.fates["matched"], _sum(its.states) + _sum(its.gone)),
    ):
        if counted != there:
            yield Difference(what, counted, there, its.webhook)


def _sum(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


# Totals ---------------------------------------------------------------------------------


def _totals(hours: Sequence[Hour]) -> Hour:
    records: Counter[str] = Counter(dict.fromkeys(RECORDS, 0))
    gone: Counter[str] = Counter()
    by_webhook: dict[UUID, list[AtWebhook]] = defaultdict(list)
    for hour in hours:
        records.update(hour.records)
        gone.update(hour.gone)
        for webhook in hour.webhooks:
            by_webhook[webhook.webhook].append(webhook)
    return Hour(
        hour=None,
        records=records,
        gone=gone,
        webhooks=[_together(its) for _, its in sorted(by_webhook.items())],
        differences=[difference for hour in hours for difference in hour.differences],
    )


def _together(its: Sequence[AtWebhook]) -> AtWebhook:
    return replace(
        its[0],
        considered=sum(one.considered for one in its),
        not_considered=sum(one.not_considered for one in its),
        fates=_added(one.fates for one in its),
        filtered=_added(one.filtered for one in its),
        states=_added(one.states for one in its),
        gone=_added(one.gone for one in its),
    )


def _added(all_of_them: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in all_of_them:
        total.update(counts)
    return dict(total)
