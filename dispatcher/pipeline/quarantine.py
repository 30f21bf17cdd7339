"""Keeps what could not be decoded, byte for byte; what a PBX repeats is counted.

Joins the transaction of the caller. Decodes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db.models import F

from dispatcher.models import QuarantinedRecord
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import insert_missing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from dispatcher.adapters.base import Undecodable
    from dispatcher.models import Tenant

log = structlog.get_logger(__name__)

# SQLite takes 999 parameters a statement.
CHUNK: Final = 500


def keep(
    bad: Sequence[Undecodable], tenant: Tenant, now: dt.datetime, **came: Any
) -> None:
    """Keeps each of them, or counts it on the row that has the same bytes already.

    `came` are the columns that say how all of them came in; `source` is one of them.
    """
    if not bad:
        return
    first: dict[str, Undecodable] = {}
    seen: dict[str, int] = defaultdict(int)
    for record in bad:
        digest = QuarantinedRecord.digest_of(record.body)
        first.setdefault(digest, record)
        seen[digest] += 1
        log.info("cdr.quarantined", tenant=tenant.external_id, reason=record.reason)
    # Sorted, so that two requests lock in one order.
    insert_missing(
        QuarantinedRecord,
        ("id", "digest", "reason", "body"),
        [
            (uuid7(), key, _storable(one.reason), one.body)
            for key, one in sorted(first.items())
        ],
        tenant_id=tenant.pk,
        times_seen=0,
        first_seen_at=now,
        last_seen_at=now,
        **came,
    )
    digests: dict[int, list[str]] = defaultdict(list)
    for digest, times in sorted(seen.items()):
        digests[times].append(digest)
    ours = QuarantinedRecord.objects.filter(tenant=tenant, source=came["source"])
    for times, some in digests.items():
        for start in range(0, len(some), CHUNK):
            ours.filter(digest__in=some[start : start + CHUNK]).update(
                times_seen=F("times_seen") + times, last_seen_at=now
            )


def _storable(reason: str) -> str:
    """The reason without what no database keeps: it may quote what a PBX sent."""
    return reason.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
