"""Deletes deliveries that ended long ago, and their attempts.

The constraints, and what follows from them:

1. Sending goes on meanwhile. Therefore it works in steps, each its own short
   transaction, and rests after each much longer than it worked.
2. Nobody may wait for it. Therefore a step locks only deliveries that have ended and
   that nobody else has locked; the drain touches none of those, and whoever sends one
   of them again at this moment waits for one step at most.
3. Every index on deliveries costs the drain. Therefore none is made for this: ids sort
   by when a delivery was made, and a step looks at the next so many ids, whatever
   became of them. A million that are still pending cost no step more than others.
4. What was sent must not be sent again. Therefore what was owed stays, and says what
   became of it: no delivery carries it, and nothing bundles it.

Calls stay as well: by them a uid is known as a duplicate.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from dispatcher.models import Attempt, Delivery, Lease, OwedCdr
from dispatcher.models.ids import first_id_at

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

    from dispatcher.models import Tenant

log = structlog.get_logger(__name__)

# Deliveries that one transaction looks at: about 20 ms of work.
STEP: Final = 500
# It rests so many times as long as it worked: of two cores that are busy sending, it
# takes a twentieth.
REST: Final = 9.0
LONGEST_REST_SECONDS: Final = 5.0
START: Final = UUID(int=0)


class _Looked(NamedTuple):
    """What one step did, and the last id that it looked at; None: it was the last."""

    deliveries: int
    attempts: int
    until: UUID | None


@dataclass(frozen=True, slots=True)
class Purged:
    """How many are gone since the purge began."""

    deliveries: int = 0
    attempts: int = 0

    def plus(self, looked: _Looked) -> Purged:
        """With what one more step deleted."""
        return Purged(
            self.deliveries + looked.deliveries, self.attempts + looked.attempts
        )


def purge_deliveries(
    before: dt.datetime,
    *,
    tenant: Tenant | None = None,
    rest: float = REST,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Purged]:
    """Deletes what was made and has ended before that time; tells so after each step.

    Never anything pending, and nothing that a worker holds. With `tenant`: what
    carries that tenant's calls, but for the bundles of a partner, which carry
    several tenants'. It can be ended after any step, and begun anew. `pause` is given
    the seconds of each rest.
    """
    purged, since = Purged(), START
    while True:
        began = time.monotonic()
        looked = _step(before, tenant, since)
        took = time.monotonic() - began
        purged = purged.plus(looked)
        yield purged
        if looked.until is None:
            break
        since = looked.until
        pause(min(took * rest, LONGEST_REST_SECONDS))
    log.info(
        "deliveries.purged",
        before=before.isoformat(),
        tenant=tenant.external_id if tenant is not None else None,
        deliveries=purged.deliveries,
        attempts=purged.attempts,
    )


def _step(before: dt.datetime, tenant: Tenant | None, since: UUID) -> _Looked:
    """Looks at the next deliveries behind `since`, and deletes those that may go."""
    made = Delivery.objects.filter(pk__gt=since, pk__lt=first_id_at(before))
    if tenant is not None:
        made = made.filter(tenant=tenant)
    until = made.order_by("pk").values_list("pk", flat=True)[STEP - 1 : STEP].first()
    if until is not None:
        made = made.filter(pk__lte=until)
    with transaction.atomic():
        ended = _locked(made, before)
        return _Looked(len(ended), _delete(ended) if ended else 0, until)


def _locked(made: QuerySet[Delivery], before: dt.datetime) -> list[tuple[UUID, str]]:
    """(id, state) of those that have ended, locked; without what others have locked.

    One that was cancelled while a worker holds it stays until that is recorded.
    """
    ended = made.exclude(state=Delivery.PENDING).filter(ended_at__lt=before)
    locked = ended.select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    rows = list(locked.order_by("pk").values_list("pk", "state"))
    leases = Lease.objects.values_list("deliveries", flat=True)
    held = {delivery_id for ids in leases for delivery_id in ids}
    return [row for row in rows if str(row[0]) not in held]


def _delete(ended: Sequence[tuple[UUID, str]]) -> int:
    """Deletes them with their attempts; returns how many attempts there were."""
    keys = [key for key, _ in ended]
    of_state: dict[str, list[UUID]] = defaultdict(list)
    for key, state in ended:
        of_state[state].append(key)
    for state, of_it in of_state.items():
        OwedCdr.objects.filter(_among("delivery_id", of_it)).update(
            delivery=None, left_out=OwedCdr.PURGED[state]
        )
    # Raw: Django would read every row that it deletes, body and all.
    using = connection.alias
    attempts = Attempt.objects.filter(_among("delivery_id", keys))._raw_delete(using)
    Delivery.objects.filter(_among("id", keys))._raw_delete(using)
    return attempts


def _among(column: str, keys: list[UUID]) -> Any:
    """The condition that a column is one of the keys.

    PostgreSQL gets them as one array: hundreds of parameters took longer to write and
    to read than the rows to delete.
    """
    if connection.vendor == "postgresql":
        return RawSQL(f"{column} = ANY(%s)", (keys,), BooleanField())  # noqa: S611
    return Q(**{f"{column}__in": keys})
