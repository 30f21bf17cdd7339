"""Adds up tallies: of the rows of each tenant's hour, one is made.

A step is one short transaction that holds the lock of the hour's sum, so that two that
do it at once do it once, and nobody who takes records in waits: those only add rows.
A row that somebody is still writing is not seen, and is added up the next time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count

from dispatcher.models import Tally
from dispatcher.pipeline.tally import more

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from uuid import UUID

log = structlog.get_logger(__name__)

# Rows that one step adds up: about 10 ms of work.
STEP: Final = 500
# Hours that one run adds up, those with the most rows first.
HOURS: Final = 200
# It rests as long as it worked, so that on SQLite others can write.
LONGEST_REST_SECONDS: Final = 1.0


def sum_up(*, pause: Callable[[float], None] = time.sleep) -> int:
    """Adds up what there is, in steps; returns how many rows that were."""
    to_sum = Tally.objects.filter(is_sum=False).order_by()
    hours = (
        to_sum.values("tenant_id", "hour")
        .annotate(rows=Count("pk"))
        .order_by("-rows")
        .values_list("tenant_id", "hour")
    )
    added = 0
    for tenant_id, hour in list(hours[:HOURS]):
        try:
            added += _hour(tenant_id, hour, pause)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # one that cannot be added up must not hold up the others
            log.exception("tallies.not_summed_up", tenant=str(tenant_id), hour=hour)
    log.debug("tallies.summed_up", rows=added)
    return added


def _hour(tenant_id: UUID, hour: dt.datetime, pause: Callable[[float], None]) -> int:
    """Adds up a tenant's hour; how many rows that were."""
    added = 0
    while True:
        began = time.monotonic()
        rows = _step(tenant_id, hour)
        added += rows
        pause(min(time.monotonic() - began, LONGEST_REST_SECONDS))
        if rows < STEP:
            return added


def _step(tenant_id: UUID, hour: dt.datetime) -> int:
    """Adds some rows to the hour's sum; how many."""
    of_hour = Tally.objects.filter(tenant_id=tenant_id, hour=hour)
    with transaction.atomic():
        Tally.objects.bulk_create(
            [Tally(tenant_id=tenant_id, hour=hour, is_sum=True)], ignore_conflicts=True
        )
        total = of_hour.select_for_update(no_key=True).get(is_sum=True)
        # Read with the lock: somebody else's step is over, and its rows are gone.
        rows = list(of_hour.filter(is_sum=False).order_by("pk")[:STEP])
        for row in rows:
            more(total.counts, row.counts)
        total.save(update_fields=["counts"])
        Tally.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)
