"""Who fetches from a source, how far, and what is in the way: a source's row says it.

One process at a time holds a source, by a lease that it renews. What two would do is
harmless all the same: places are written by whoever holds it, in the transaction of
what was read, and a uid that is known is a duplicate.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db.models import Q

from dispatcher.models import Source

if TYPE_CHECKING:
    from uuid import UUID

log = structlog.get_logger(__name__)

LEASE: Final = dt.timedelta(seconds=30)


class TakenOverError(Exception):
    """Another process holds the source now, or nobody does."""


def hold(source_id: UUID, collector: UUID, now: dt.datetime) -> bool:
    """Takes or renews the lease; False where another process has it.

    One that ends later than any lease that begins now is void: a clock was set back.
    """
    is_free = Q(collector__isnull=True) | Q(collector=collector)
    is_over = Q(collector_until__lt=now) | Q(collector_until__gt=now + 2 * LEASE)
    return bool(
        Source.objects.filter(is_free | is_over, pk=source_id, active=True).update(
            collector=collector, collector_until=now + LEASE
        )
    )


def release(source_id: UUID, collector: UUID) -> None:
    """Ends the lease before its time, so that another process need not wait."""
    Source.objects.filter(pk=source_id, collector=collector).update(
        collector=None, collector_until=None
    )


def write_cursor(source_id: UUID, collector: UUID, cursor: dict[str, Any]) -> None:
    """Notes how far a source was read, in the caller's transaction. TakenOverError."""
    held = Source.objects.filter(pk=source_id, collector=collector)
    if not held.update(cursor=cursor):
        raise TakenOverError


def note_trouble(source_id: UUID, reason: str, now: dt.datetime) -> None:
    """Shows on the source why nothing can be fetched, and since when."""
    of = Source.objects.filter(pk=source_id)
    of.filter(trouble="").update(trouble_at=now)
    of.exclude(trouble=reason).update(trouble=reason)


def clear_trouble(source_id: UUID) -> None:
    """Shows that there is none any more."""
    Source.objects.filter(pk=source_id).exclude(trouble="").update(
        trouble="", trouble_at=None
    )
