"""How things stand now with the calls of some hours: the other side of the balance.

Counts rows: calls, their revisions, and what webhooks are owed of them, by state. Knows
nothing of tallies. Calls are found by their ids, which say in which hour each was
accepted, so that a tenant's hour is a range of an index; records only, no summaries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Case, Count, Q, Value, When

from dispatcher.models import CdrRevision, Delivery, OwedCdr, StoredCdr, Webhook
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline.tally import hour_of, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from dispatcher.models import Tenant

# Hours that one query tells apart.
TOGETHER: Final = 24
# Of what is owed and no delivery carries: it waits for its batch or window; it came too
# late for its window.
WAITING, LATE, HELD = "waiting", "late", "held"
_LEFT_OUT: Final = {
    **{word: state for state, word in OwedCdr.PURGED.items()},
    OwedCdr.LATE: LATE,
    OwedCdr.DELETED: Delivery.CANCELLED,
}


@dataclass(slots=True)
class Standing:
    """Of an hour: how many calls and revisions there are, and by webhook the states."""

    calls: int = 0
    revisions: int = 0
    webhooks: dict[UUID, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


def of_hours(tenant: Tenant, since: int, until: int) -> dict[int, Standing]:
    """How a tenant's calls of the hours [since, until) stand; without hours of none."""
    found: dict[int, Standing] = defaultdict(Standing)
    for start in range(since, until, TOGETHER):
        hours = range(start, min(start + TOGETHER, until))
        first, end = (first_id_at(moment_of(hour)) for hour in (start, hours[-1] + 1))
        calls = StoredCdr.objects.filter(
            tenant=tenant, pk__gte=first, pk__lt=end
        ).order_by()
        for hour, count in _by_hour(calls, "pk", hours):
            found[hour].calls = count
        # The range twice, so that either table may be the one to begin with; joined,
        # Django would ask it of one of them only.
        among = {"cdr__in": calls.values("pk"), "cdr__gte": first, "cdr__lt": end}
        _add(found, among, hours)
    return found


def of_calls(cdr_ids: Sequence[UUID]) -> dict[int, Standing]:
    """The same of these calls, whosever they are; at most 900."""
    found: dict[int, Standing] = defaultdict(Standing)
    for cdr_id in cdr_ids:
        found[hour_of(cdr_id)].calls += 1
    _add(found, {"cdr__in": cdr_ids}, sorted(found))
    return found


def _add(
    found: dict[int, Standing], among: dict[str, Any], hours: Iterable[int]
) -> None:
    """Adds revisions of some calls, and what is owed of them."""
    for hour, count in _by_hour(CdrRevision.objects.filter(**among), "cdr_id", hours):
        found[hour].revisions = count
    owed = OwedCdr.objects.filter(**among, kind=OwedCdr.CDR)
    _add_owed(found, owed.annotate(hour=_hour("cdr_id", hours)))


def _hour(column: str, hours: Iterable[int]) -> Case:
    """The hour of the call whose id stands in that column."""
    return Case(
        *(
            When(
                **{f"{column}__lt": first_id_at(moment_of(hour + 1))}, then=Value(hour)
            )
            for hour in hours
        )
    )


def _by_hour(rows: Any, column: str, hours: Iterable[int]) -> Any:
    by_hour = rows.annotate(hour=_hour(column, hours)).order_by().values("hour")
    return by_hour.annotate(count=Count("pk")).values_list("hour", "count")


def _add_owed(found: dict[int, Standing], owed: Any) -> None:
    rows = list(
        owed.order_by()
        .values("hour", "webhook_id", "delivery__state", "left_out")
        .annotate(count=Count("pk"))
        .values_list("hour", "webhook_id", "delivery__state", "left_out", "count")
    )
    resting, deleted = _at_rest({webhook_id for _, webhook_id, *_ in rows})
    for hour, webhook_id, state, left_out, count in rows:
        shown = state or _LEFT_OUT.get(left_out, WAITING)
        if webhook_id in deleted and shown == WAITING:
            shown = Delivery.CANCELLED
        if webhook_id in resting and shown in {WAITING, Delivery.PENDING}:
            shown = HELD
        found[hour].webhooks[webhook_id][shown] += count


def _at_rest(webhook_ids: Iterable[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Those of the webhooks that nothing is sent to for now; and those deleted."""
    rows = Webhook.objects.filter(pk__in=list(webhook_ids)).filter(
        Webhook.holding() | Q(deleted_at__isnull=False)
    )
    resting: set[UUID] = set()
    deleted: set[UUID] = set()
    for webhook_id, deleted_at in rows.values_list("pk", "deleted_at"):
        (resting if deleted_at is None else deleted).add(webhook_id)
    return resting, deleted
