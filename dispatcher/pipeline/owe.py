"""Notes what webhooks are owed of a tenant's calls, and writes it: in one place.

Whoever takes calls in, or hands out calls that were taken in before, collects an `Owing`
and writes it in the transaction of the change that it is about. Decodes nothing, opens
no transaction, publishes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import F

from dispatcher.models import Delivery, OwedCdr, Webhook
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import insert
from dispatcher.pipeline.route import wanted_by

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from uuid import UUID

    from dispatcher.pipeline.route import Route
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

    `dropped` counts calls by webhooks that are switched off; `wake` holds those that
    have something to do now, and their lanes.
    """

    tenant_id: UUID
    now: dt.datetime
    owed: list[OwedRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    dropped: Counter[UUID] = field(default_factory=Counter)
    wake: dict[UUID, str] = field(default_factory=dict)


def owe(owing: Owing, routes: Sequence[Route], call: Call) -> int:
    """Notes what the webhooks that want this record are owed; of how many that is true."""
    before = len(owing.owed)
    for route in wanted_by(call.cdr, routes):
        if call.revision and not route.on_update:
            continue
        if not route.takes_calls:
            owing.dropped[route.webhook_id] += 1
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


def write_owed(owing: Owing) -> None:
    """Writes it: the one place where rows of owed CDRs come from when calls are routed."""
    insert(
        Delivery,
        DeliveryRow._fields,
        owing.deliveries,
        tenant_id=owing.tenant_id,
        created_at=owing.now,
        next_attempt_at=owing.now,
    )
    insert(OwedCdr, OwedRow._fields, owing.owed)
    for webhook_id, count in sorted(owing.dropped.items()):
        Webhook.objects.filter(pk=webhook_id).update(dropped=F("dropped") + count)
