"""Deletes calls with all that is kept of them, and empties deliveries that carried them.

What is left of a deleted call is a digest of its uid (pipeline.known). The caller has
locked the records, decided that they may go, and opened a transaction. Everybody locks
in one order: records, webhooks, leases, deliveries, each by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from dispatcher.models import (
    Attempt,
    CallLeg,
    CallSummary,
    CdrRevision,
    Delivery,
    OwedCdr,
    RawRecord,
    StoredCdr,
)
from dispatcher.pipeline.balance import note_gone
from dispatcher.pipeline.known import remember

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from dispatcher.models import Tenant

# SQLite takes 999 parameters a statement.
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows are gone."""

    calls: int = 0
    revisions: int = 0
    summaries: int = 0


def forget(
    tenant: Tenant, calls: Sequence[tuple[UUID, str]], now: dt.datetime
) -> Forgotten:
    """Deletes a tenant's records, given as (id, uid), with what was owed of them.

    The caller has locked their deliveries as well: the balance counts them as they are.
    """
    keys = [key for key, _ in calls]
    note_gone(tenant, keys)
    remember(tenant.pk, [*(uid for _, uid in calls), *_legs_of(keys)], now)
    _delete(CallLeg, "cdr_id", keys)
    _delete(OwedCdr, "cdr_id", keys)
    summaries = _delete(CallSummary, "cdr_id", keys)
    revisions = _delete(CdrRevision, "cdr_id", keys)
    _delete(RawRecord, "cdr_id", keys)
    return Forgotten(_delete(StoredCdr, "id", keys), revisions, summaries)


def _legs_of(keys: Sequence[UUID]) -> list[str]:
    """The uids of the legs that these calls were joined of."""
    return [
        uid
        for some in chunks(keys)
        for uid in CallLeg.objects.filter(among("cdr_id", some))
        .order_by()
        .values_list("uid", flat=True)
    ]


def empty_requests(keys: Collection[UUID]) -> int:
    """Takes requests out of deliveries, and answers out of their attempts.

    A delivery that is sent once more is rendered anew, of what it carries then. Returns
    how many attempts there were. An attempt keeps when it was made and how it ended.
    """
    attempts = 0
    for some in chunks(sorted(keys)):
        Delivery.objects.filter(among("id", some)).update(
            request_method="",
            request_content_type="",
            request_body=None,
            request_headers={},
        )
        attempts += Attempt.objects.filter(among("delivery_id", some)).update(
            response_headers=[], response_body=b"", error=""
        )
    return attempts


def carriers_of(calls: Sequence[UUID]) -> list[UUID]:
    """The deliveries that carry these records, alone or with others, by id."""
    carrying = OwedCdr.objects.filter(delivery__isnull=False)
    return sorted(
        {
            key
            for some in chunks(calls)
            for key in carrying.filter(among("cdr_id", some)).values_list(
                "delivery_id", flat=True
            )
        }
    )


def lock_deliveries(keys: Sequence[UUID]) -> dict[UUID, str]:
    """Locks them by id; returns the state of each."""
    return {
        key: state
        for some in chunks(keys)
        for key, state in Delivery.objects.select_for_update(no_key=True)
        .filter(among("id", some))
        .order_by("pk")
        .values_list("pk", "state")
    }


def empty_among(keys: Sequence[UUID]) -> list[UUID]:
    """Those deliveries that carry nothing any more."""
    left = {
        key
        for some in chunks(keys)
        for key in OwedCdr.objects.filter(among("delivery_id", some)).values_list(
            "delivery_id", flat=True
        )
    }
    return [key for key in keys if key not in left]


def delete_empty(keys: Sequence[UUID]) -> int:
    """Deletes those that carry nothing any more, with their attempts; how many."""
    empty = empty_among(keys)
    _delete(Attempt, "delivery_id", empty)
    return _delete(Delivery, "id", empty)


def chunks(keys: Sequence[UUID]) -> list[list[UUID]]:
    """The keys, as many at a time as one statement takes."""
    return [list(keys[at : at + CHUNK]) for at in range(0, len(keys), CHUNK)]


def among(column: str, keys: list[UUID]) -> Any:
    """The condition that a column is one of the keys.

    PostgreSQL gets them as one array: hundreds of parameters took longer to write and
    to read than the rows to delete.
    """
    if connection.vendor == "postgresql":
        return RawSQL(f"{column} = ANY(%s)", (keys,), BooleanField())  # noqa: S611
    return Q(**{f"{column}__in": keys})


def _delete(model: Any, column: str, keys: Sequence[UUID]) -> int:
    # Raw: Django would read every row that it deletes, body and all.
    return sum(
        model.objects.filter(among(column, some))._raw_delete(connection.alias)
        for some in chunks(keys)
    )
