"""Sending deliveries again and cancelling them, one or many, and saying what came of it.

Whether a delivery's state allows it is for pipeline.resend to say, one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.utils import timezone

from dispatcher import tasks
from dispatcher.pipeline import resend

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest

# One action is one request: what is more than this is for `cdrhook replay`.
MAX_AT_ONCE: Final = 1_000
_NOT_RESENT: Final = "pending already, a test call, or its webhook has been deleted"
_NOT_CANCELLED: Final = "not pending any more"


def send_again(request: HttpRequest, deliveries: QuerySet[Any]) -> None:
    """Makes them pending: same id, same body, tries anew; wakes their webhooks up."""
    now = timezone.now()
    woken = [resend.redeliver(key, now) for key in _ids(deliveries)]
    webhooks = [webhook for webhook in woken if webhook is not None]
    tasks.wake_up(set(webhooks))
    _tell(request, "will be sent again", len(webhooks), len(woken), _NOT_RESENT)


def cancel(request: HttpRequest, deliveries: QuerySet[Any]) -> None:
    """Gives up those that are pending."""
    now = timezone.now()
    changed = [resend.cancel(key, now) for key in _ids(deliveries)]
    _tell(request, "cancelled", changed.count(True), len(changed), _NOT_CANCELLED)


def _ids(deliveries: QuerySet[Any]) -> list[UUID]:
    return list(deliveries.values_list("pk", flat=True)[:MAX_AT_ONCE])


def _tell(request: HttpRequest, what: str, done: int, asked: int, why: str) -> None:
    """How many were changed, and how many were not and why."""
    if done:
        messages.success(request, f"{_deliveries(done)} {what}.")
    if done < asked:
        left = _deliveries(asked - done)
        messages.warning(request, f"{left} left as before: {why}.")


def _deliveries(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count:,} deliveries"
