"""Leaves word for the operators: a row for each channel that is wanted.

Called in the transaction of the change that is told of. Sends nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from dispatcher.models import Notice

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID


def leave_word(
    kind: str,
    now: dt.datetime,
    details: dict[str, Any],
    *,
    webhook_id: UUID | None = None,
    source_id: UUID | None = None,
) -> None:
    """Of a webhook or of a source; `kind` is one of Notice's."""
    channels = {
        "email": settings.CDRHOOK_OPERATIONS_EMAILS,
        "webhook": settings.CDRHOOK_OPERATIONS_WEBHOOK,
    }
    Notice.objects.bulk_create(
        Notice(
            webhook_id=webhook_id,
            source_id=source_id,
            kind=kind,
            channel=channel,
            happened_at=now,
            details=details,
            next_attempt_at=now,
        )
        for channel, is_wanted in channels.items()
        if is_wanted
    )
