"""Which calls hold a number only in what their PBX sent, and legs that still wait.

For erasures: looks at raw records, at what revisions were read from, and at legs. Deletes
waiting legs alone; what becomes of calls is for the caller to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from django.db import connection, transaction

from dispatcher.adapters import cdr_json
from dispatcher.models import CallLeg, CdrRevision, RawRecord
from dispatcher.models.source import unpacked
from dispatcher.pipeline.forget import among, chunks
from dispatcher.pipeline.known import remember
from dispatcher.privacy import search

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from dispatcher.models import Tenant

# Legs that one step looks at.
STEP: Final = 200


class Waiting(NamedTuple):
    """How many legs are gone, or would be, and the last that was looked at, if any."""

    legs: int
    last: UUID | None


def holding(calls: Sequence[UUID], digits: str) -> list[UUID]:
    """Those of the calls of which something was read from bytes that hold the number."""
    return [
        key
        for some in chunks(calls)
        for key, body in _bodies(some)
        if search.in_bytes(body, digits)
    ]


def _bodies(calls: list[UUID]) -> Iterator[tuple[UUID, bytes]]:
    kept = (
        RawRecord.objects.filter(among("cdr_id", calls)),
        CdrRevision.objects.filter(among("cdr_id", calls), packed__isnull=False),
        CallLeg.objects.filter(among("cdr_id", calls)),
    )
    for rows in kept:
        for key, stored in rows.order_by().values_list("cdr_id", "packed"):
            yield key, unpacked(bytes(stored or b""))
    legs = CallLeg.objects.filter(among("cdr_id", calls)).order_by()
    for key, record in legs.values_list("cdr_id", "record"):
        yield key, record.encode()


def erase_waiting(
    tenant: Tenant, digits: str, since: UUID, now: dt.datetime, *, dry_run: bool
) -> Waiting:
    """Erases legs that wait for others of their call, where one of them holds it.

    Looks at the next ones behind `since`. Their uids stay known, so that a PBX which
    repeats them does not bring them back.
    """
    rows = CallLeg.objects.filter(
        source__tenant=tenant, cdr__isnull=True, pk__gt=since
    ).order_by("pk")
    looked = list(
        rows.values_list("pk", "source", "call_id", "record", "packed")[:STEP]
    )
    last = looked[-1][0] if len(looked) == STEP else None
    found = {
        (source, call_id)
        for _, source, call_id, record, stored in looked
        if _is_in(record, unpacked(bytes(stored)), digits)
    }
    return Waiting(
        sum(_delete(tenant, *of, now, dry_run) for of in sorted(found)), last
    )


def _is_in(record: str, body: bytes, digits: str) -> bool:
    if search.in_bytes(body, digits):
        return True
    return search.may_be_in(record, digits) and search.in_call(
        cdr_json.load(record), digits
    )


def _delete(
    tenant: Tenant, source: UUID, call_id: str, now: dt.datetime, dry_run: bool
) -> int:
    """All of a call's that wait: of the others, no call is to be made, either."""
    legs = CallLeg.objects.filter(source=source, call_id=call_id, cdr__isnull=True)
    if dry_run:
        return legs.count()
    with transaction.atomic():
        waiting = dict(legs.order_by("pk").values_list("pk", "uid"))
        remember(tenant.pk, list(waiting.values()), now)
        gone: int = legs.filter(pk__in=list(waiting))._raw_delete(connection.alias)
    return gone
