"""Uids whose records are gone: should one come again, it is a duplicate, not a call.

Kept for 90 days, as a digest. Whoever deletes a record remembers its uid in the same
transaction; whoever takes calls in inserts their rows first and asks afterwards. So
nothing slips through between them: a row that could be inserted beside a deletion was
inserted after that had committed, and then the answer is seen. For the same reason the
answer is cached nowhere: a cache that is a second old would send a call twice.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.db import connection

from dispatcher.models import KnownUid
from dispatcher.models.insert import fetch, insert_missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

KEPT: Final = dt.timedelta(days=90)
# SQLite takes 999 parameters a statement.
CHUNK: Final = 500
FEW: Final = 32


def remember(tenant_id: UUID, uids: Sequence[str], now: dt.datetime) -> None:
    """Notes that these are gone; the caller deletes them in the same transaction."""
    rows = [(digest,) for digest in KnownUid.digests_of(tenant_id, uids)]
    insert_missing(
        KnownUid, ("digest",), rows, tenant_id=tenant_id, forget_at=now + KEPT
    )


def known_among(tenant_id: UUID, uids: Sequence[str]) -> set[str]:
    """Those whose records are gone; asked after the rows of these uids were inserted."""
    # Of many, one question is cheaper than they all; of few it would be one more.
    if len(uids) > FEW and not _has_any(tenant_id):
        return set()
    by_digest = dict(zip(KnownUid.digests_of(tenant_id, uids), uids, strict=True))
    digests = list(by_digest)
    return {
        by_digest[bytes(found)]
        for start in range(0, len(digests), CHUNK)
        for found in _found(tenant_id, digests[start : start + CHUNK])
    }


def forget_old(now: dt.datetime) -> int:
    """Forgets some of those whose time is over; 0: there are none left."""
    old = KnownUid.objects.filter(forget_at__lt=now).order_by("forget_at")
    keys = list(old.values_list("pk", flat=True)[:CHUNK])
    KnownUid.objects.filter(pk__in=keys).delete()
    return len(keys)


def _has_any(tenant_id: UUID) -> bool:
    """In the order of known_uid_once, so that no statistics lead past that index."""
    known = KnownUid.objects.filter(tenant_id=tenant_id).order_by("digest")
    return known.values_list("digest").first() is not None


def _found(tenant_id: UUID, digests: list[bytes]) -> list[bytes]:
    """In SQL: it is asked with every request that brings calls, and Django takes longer
    to write it than a database to answer."""
    if connection.vendor == "postgresql":
        return [digest for (digest,) in fetch(_OF_ARRAY, [tenant_id, digests])]
    marks = ", ".join(["%s"] * len(digests))
    tenant = KnownUid._meta.get_field("tenant").get_db_prep_value(tenant_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"{_OF_TENANT} IN ({marks})", [tenant, *digests])
        return [digest for (digest,) in cursor.fetchall()]


_OF_TENANT: Final = (
    "SELECT digest FROM dispatcher_knownuid WHERE tenant_id = %s AND digest"
)
_OF_ARRAY: Final = f"{_OF_TENANT} = ANY(%b::bytea[])"
