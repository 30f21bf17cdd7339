"""Deliveries that have ended, made at a time of the test's choosing, ids included."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dispatcher.models import Delivery
from dispatcher.models.ids import first_id_at

if TYPE_CHECKING:
    import datetime as dt

    from dispatcher.models import Webhook

_number = count(1)


def id_at(moment: dt.datetime) -> UUID:
    """An id of version 7 that was made then; later ones of the same moment sort higher."""
    return UUID(int=first_id_at(moment).int + next(_number))


def ended(
    webhook: Webhook,
    made: dt.datetime,
    state: str = "failed",
    *,
    many: int = 1,
    **columns: Any,
) -> list[Delivery]:
    """So many deliveries of a webhook that were made, and have ended, at that time."""
    columns = {
        "tenant": webhook.tenant,
        "created_at": made,
        "call_end": made,
        "ended_at": None if state == "pending" else made,
        "next_attempt_at": made if state == "pending" else None,
        "tries": 2,
        "attempt_count": 2,
        **columns,
    }
    return Delivery.objects.bulk_create(
        Delivery(
            id=id_at(made),
            webhook=webhook,
            state=state,
            **columns,
        )
        for _ in range(many)
    )
