"""Deliveries and attempts as the API shows them, and where their parts are read.

Dates are ISO 8601 in UTC with Z. Shows no secret and no header's value.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Annotated, Any, Final
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dispatcher.api.problems import not_found
from dispatcher.models import Attempt, Delivery, OwedCdr, Webhook

# Held is derived (DESIGN: The words): no rows are written when a webhook goes down.
HELD: Final = Q(state=Delivery.PENDING) & Webhook.holding("webhook__")
# Within the calendar's ends whatever offset is applied.
_YEARS: Final = range(1970, 9999)


def iso(moment: dt.datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC with Z."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def uuid_in_path(text: str) -> UUID:
    """The id in a path; what is no UUID is as unknown as any other (Problem 404)."""
    try:
        found = UUID(text)
    except ValueError:
        raise not_found() from None
    if str(found) != text.lower():
        raise not_found()
    return found


def _moment(value: object) -> dt.datetime:
    """An ISO 8601 time with offset; a `+` that a query turned into a space counts."""
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(_with_plus(value).upper())
        except ValueError:
            moment = None
        if moment and moment.tzinfo is not None and moment.year in _YEARS:
            return moment
    raise PydanticCustomError(
        "moment", "must be an ISO 8601 time with offset, e.g. 2026-11-23T00:15:23Z"
    )


def _with_plus(text: str) -> str:
    return text.replace(" ", "+") if "T" in text.upper() else text


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
MomentText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class AttemptJson(BaseModel):
    """One HTTP request made for a delivery; `number` is 1-indexed."""

    number: int
    probe: bool
    started_at: MomentText
    duration_ms: int
    status_code: int | None
    error_class: str
    error: str


class DeliveryJson(BaseModel):
    """One payload that a webhook is to get; `cdrs` are the uids that it carries."""

    id: str
    webhook: str
    state: str
    cdrs: list[str]
    created_at: MomentText
    next_attempt_at: MomentText | None
    attempts: list[AttemptJson]


def with_parts(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Has webhook and attempts read, in two queries however many rows."""
    return (
        deliveries.select_related("webhook")
        .defer("request_body", "webhook__secret", "webhook__previous_secret")
        .prefetch_related(
            Prefetch(
                "attempts",
                Attempt.objects.order_by("number").defer(
                    "response_headers", "response_body"
                ),
            ),
        )
    )


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """The keys of DESIGN's table, and no others."""
    return deliveries_json([delivery])[0]


def deliveries_json(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Each as `delivery_json` has it; their uids are read in one query."""
    return _with_uids(deliveries, _uids(deliveries))


def page_json(deliveries: Sequence[Delivery], most_uids: int) -> list[dict[str, Any]]:
    """The first of these, as many as carry at most `most_uids` calls together.

    `deliveries` are in order, newest first. The first is shown however much it carries.
    """
    rows = list(_uids(deliveries)[: most_uids + 1])
    if len(rows) <= most_uids:
        return _with_uids(deliveries, rows)
    cut_short = rows[-1][0]
    whole = list(takewhile(lambda delivery: delivery.pk != cut_short, deliveries))
    return _with_uids(whole, rows) if whole else deliveries_json(deliveries[:1])


def _uids(deliveries: Sequence[Delivery]) -> QuerySet[OwedCdr, tuple[UUID | None, str]]:
    """(delivery, uid) of what they carry: newest delivery first, its calls in order.

    As texts: for 200,000 of them, instances of models took 360 MB.
    """
    keys = [delivery.pk for delivery in deliveries]
    owed = OwedCdr.objects.filter(delivery__in=keys).order_by("-delivery_id", "id")
    return owed.values_list("delivery_id", "cdr__uid")


def _with_uids(
    deliveries: Sequence[Delivery], rows: Iterable[tuple[UUID | None, str]]
) -> list[dict[str, Any]]:
    uids: defaultdict[UUID | None, list[str]] = defaultdict(list)
    for delivery_id, uid in rows:
        uids[delivery_id].append(uid)
    return [_delivery_json(delivery, uids[delivery.pk]) for delivery in deliveries]


def _delivery_json(delivery: Delivery, uids: list[str]) -> dict[str, Any]:
    return {
        "id": str(delivery.pk),
        "webhook": str(delivery.webhook_id),
        "state": state_of(delivery),
        "cdrs": uids or [uid for uid in [delivery.test_uid] if uid],
        "created_at": iso(delivery.created_at),
        "next_attempt_at": iso(delivery.next_attempt_at),
        "attempts": [attempt_json(attempt) for attempt in delivery.attempts.all()],
    }


def state_of(delivery: Delivery) -> str:
    """Its state; a pending one is held while its webhook is off, or DOWN and holds."""
    if delivery.state == Delivery.PENDING and delivery.webhook.holds:
        return "held"
    return delivery.state


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """One attempt; without a status where no response headers were complete."""
    return {
        "number": attempt.number,
        "probe": attempt.probe,
        "started_at": iso(attempt.started_at),
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "error_class": attempt.error_class,
        "error": attempt.error,
    }
