"""What the page of one delivery shows. Plain text throughout; the template escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dispatcher.admin.attempts import attempt_row
from dispatcher.admin.labels import (
    HELD,
    contents_of,
    label,
    owner_name,
    shown_state,
    why_held,
)
from dispatcher.admin.moments import absolute, both
from dispatcher.admin.readable import payload_text
from dispatcher.admin.readonly import page_of
from dispatcher.models import Attempt, Delivery, OwedCdr
from dispatcher.payloads.registry import style
from dispatcher.pipeline.freeze import carried_by, keep_request, rendered

if TYPE_CHECKING:
    import datetime as dt

LISTED_CALLS: Final = 100
LISTED_ATTEMPTS: Final = 100


def page_context(
    delivery: Delivery, now: dt.datetime, *, operator: bool
) -> dict[str, Any]:
    """Summary, attempts (oldest first), payload, calls, and what may be done."""
    owed = OwedCdr.objects.filter(delivery=delivery).select_related("cdr__tenant")
    count = owed.count()
    first = list(owed.order_by("call_end", "id")[:LISTED_CALLS])
    pending = delivery.state == Delivery.PENDING
    return {
        "title": f"Delivery {delivery.pk}",
        "delivery": delivery,
        "webhook": delivery.webhook,
        "webhook_page": page_of(delivery.webhook),
        "owner": owner_name(delivery.webhook),
        "state": label(shown_state(delivery)),
        "why_held": _why_held(delivery),
        "contents": _contents(delivery),
        "times": _times(delivery, now),
        "attempts": _attempts(delivery, operator=operator),
        "payload": _payload(delivery, first, count),
        "calls": [_call(item) for item in first],
        "call_count": count,
        "may_cancel": pending,
        "may_resend": may_resend(delivery),
    }


def may_resend(delivery: Delivery) -> bool:
    """What pipeline.resend would allow; it decides again when it is asked."""
    ended = delivery.state != Delivery.PENDING
    is_gone = delivery.test_uid or delivery.last_error_class == Delivery.ERASED
    return ended and not is_gone and delivery.webhook.deleted_at is None


def _contents(delivery: Delivery) -> str:
    """With the day of the window, which is not that of the reader for long."""
    text, start = contents_of(delivery), delivery.window_start
    return f"{absolute(start)[:10]}, {text}" if start is not None else text


def _why_held(delivery: Delivery) -> str:
    return why_held(delivery.webhook) if shown_state(delivery) == HELD else ""


def _times(delivery: Delivery, now: dt.datetime) -> list[tuple[str, str]]:
    times = [
        ("Created", delivery.created_at),
        ("Next try", delivery.next_attempt_at),
        ("Ended", delivery.ended_at),
        # Of a feed it is only a place in the queue: its window is shown.
        ("End of call", delivery.call_end if delivery.sequence is None else None),
    ]
    return [(name, both(moment, now)) for name, moment in times if moment is not None]


def _attempts(delivery: Delivery, *, operator: bool) -> list[dict[str, Any]]:
    """The last ones, the newest at the end."""
    newest = Attempt.objects.filter(delivery=delivery).order_by("-number")
    return [
        attempt_row(attempt, operator=operator)
        for attempt in reversed(newest[:LISTED_ATTEMPTS])
    ]


def _call(owed: OwedCdr) -> dict[str, Any]:
    return {
        "page": page_of(owed.cdr),
        "uid": owed.cdr.uid,
        "revision": owed.revision,
        "caller": owed.cdr.caller_number,
        "dialed": owed.cdr.dialed_number,
        "started": absolute(owed.cdr.started_at),
        "duration": owed.cdr.duration,
        "disposition": owed.cdr.disposition,
    }


# The payload ------------------------------------------------------------------------


def _payload(delivery: Delivery, first: list[OwedCdr], count: int) -> dict[str, Any]:
    """The frozen request; before the first attempt, the request as it would be now."""
    frozen = delivery.request_body is not None
    why_not = "" if frozen else _preview(delivery, first, count)
    body = bytes(delivery.request_body or b"")
    return {
        "frozen": frozen,
        "method": delivery.request_method,
        "content_type": delivery.request_content_type or "in the query string",
        "length": len(body),
        "text": payload_text(delivery.request_content_type, body),
        "why_not": why_not,
    }


def _preview(delivery: Delivery, first: list[OwedCdr], count: int) -> str:
    """Renders into the row in memory; returns why that could not be done, or ''."""
    # A window of a feed may have no calls.
    if not first and delivery.sequence is None:
        return "it carries no call"
    if count > len(first):
        return f"it carries {count:,} calls; it is shown once it has been sent"
    webhook = delivery.webhook
    custom_data = dict(webhook.custom_data.values_list("key", "value"))
    tenant = first[0].cdr.tenant.external_id if first else ""
    try:
        with_links = style(webhook.style).recording_links
        carried = carried_by(first, with_links=with_links)
        keep_request(
            delivery, rendered(webhook, delivery, carried, tenant, custom_data)
        )
    except Exception as error:  # the drain says the same of it, as its reason
        return f"the payload cannot be made: {error!r}"
    return ""
