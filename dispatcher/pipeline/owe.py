"""Notes what webhooks are owed of a tenant's calls, and writes it: in one place.

What becomes of each call at each webhook is counted with it, for the balance. Whoever takes calls in, or hands out calls that were taken in before, collects an `Owing`
and writes it in the transaction of the change that it is about. Decodes nothing, opens
no transaction, publishes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import F

from dispatcher.models import Delivery, OwedCdr, Webhook
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import insert
from dispatcher.pipeline.route import DROPPED, MATCHED, fate_of
from dispatcher.pipeline.tally import Tallies, hour_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from uuid import UUID

    from dispatcher.pipeline.route import Fate, Route
    from dispatcher.values import Cdr


class Call(NamedTuple):
    """A stored record: the id of its row, and which content of it; 0 is the first."""

    id: UUID
    call_end: dt.datetime
    cdr: Cdr
    revision: int = 0


# Rows to be written: the columns that differ, named as the models name them. Models
# themselves cost more to make than the rows cost to insert.


class DeliveryRow(NamedTuple):
    """A delivery of one call."""

    id: UUID
    webhook_id: UUID
    call_end: dt.datetime


class OwedRow(NamedTuple):
    """An owed CDR; without a delivery where the style bundles."""

    webhook_id: UUID
    cdr_id: UUID
    revision: int
    delivery_id: UUID | None
    owed_at: dt.datetime | None
    call_end: dt.datetime | None


@dataclass(slots=True)
class Owing:
    """What is owed of calls of one tenant, not yet written.

    `wake` holds the webhooks that have something to do now, and their lanes. `asked` and
    `fates` count, by the hour of the calls, how many a webhook was asked about and what
    became of them; `tallies` is what they are written into, with what else there is.
    """

    tenant_id: UUID
    now: dt.datetime
    owed: list[OwedRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    wake: dict[UUID, str] = field(default_factory=dict)
    asked: dict[tuple[int, Route], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    fates: dict[tuple[int, Route, Fate], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    tallies: Tallies = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = Tallies(self.tenant_id)


def owe(owing: Owing, routes: Sequence[Route], call: Call) -> int:
    """Notes what the webhooks that want this record are owed; of how many that is true."""
    before = len(owing.owed)
    hour, is_revision = hour_of(call.id), call.revision > 0
    for route in routes:
        fate = fate_of(call.cdr, route, is_revision=is_revision)
        owing.asked[hour, route] += 1
        owing.fates[hour, route, fate] += 1
        if fate is not MATCHED:
            continue
        _owe_one(owing, route, call)
        # A feed goes by the clock: a call gives it nothing to do yet.
        if route.sends_now and route.bundles != "clock":
            owing.wake[route.webhook_id] = route.lane
    return len(owing.owed) - before


def _owe_one(owing: Owing, route: Route, call: Call) -> None:
    """One webhook's, with its delivery, or waiting to be bundled."""
    webhook_id = route.webhook_id
    if route.bundles:
        owed = OwedRow(
            webhook_id, call.id, call.revision, None, owing.now, call.call_end
        )
    else:
        delivery = DeliveryRow(uuid7(), webhook_id, call.call_end)
        owing.deliveries.append(delivery)
        owed = OwedRow(webhook_id, call.id, call.revision, delivery.id, None, None)
    owing.owed.append(owed)


def write_owed(owing: Owing, *, calls_added: bool = False) -> None:
    """Writes it: the one place where rows of owed CDRs come from when calls are routed.

    `calls_added`: by this transaction, all of them.
    """
    insert(
        Delivery,
        DeliveryRow._fields,
        owing.deliveries,
        tenant_id=owing.tenant_id,
        created_at=owing.now,
        next_attempt_at=owing.now,
    )
    insert(OwedCdr, OwedRow._fields, owing.owed, parents_added=calls_added)
    _count(owing)
    owing.tallies.write()


def _count(owing: Owing) -> None:
    for (hour, route), count in owing.asked.items():
        owing.tallies.add(hour, {"calls": count}, webhook=route.webhook_id)
    dropped: dict[UUID, int] = defaultdict(int)
    for (hour, route, fate), count in owing.fates.items():
        named = _named(route, fate, count)
        owing.tallies.add(hour, named, webhook=route.webhook_id)
        if fate is DROPPED:
            dropped[route.webhook_id] += count
    for webhook_id, count in sorted(dropped.items()):
        Webhook.objects.filter(pk=webhook_id).update(dropped=F("dropped") + count)


def _named(route: Route, fate: Fate, count: int) -> dict[str, Any]:
    """As it stands in a tally; a test by the filter that it was made of."""
    if isinstance(fate, str):
        return {fate: count}
    kept_out_by = route.filters[route.tests.index(fate)]
    text = f"{kept_out_by.field}:{kept_out_by.op}:{kept_out_by.value}"
    return {"filtered": {text: count}}
