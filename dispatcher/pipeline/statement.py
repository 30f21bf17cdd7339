"""The balance as API and command tell it, and the hours that may be asked for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from dispatcher.pipeline.tally import hour_at, moment_of
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatcher.models import Tenant
    from dispatcher.pipeline.balance import AtWebhook, Balance, Difference, Hour

MAX_HOURS: Final = 31 * 24
DEFAULT_HOURS: Final = 24


class RangeRefusedError(Exception):
    """These hours cannot be asked for; `error` says which end is at fault."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.message)
        self.error = error


def hours_asked(
    since: dt.datetime | None, until: dt.datetime | None, now: dt.datetime
) -> tuple[int, int]:
    """The hours [since, until), counted from 1970, that these moments touch.

    By default the last 24 of them, with the one that is under way. Raises
    RangeRefusedError.
    """
    end = hour_at((until or now) - dt.timedelta(microseconds=1)) + 1
    start = end - DEFAULT_HOURS if since is None else hour_at(since)
    if start >= end:
        raise RangeRefusedError(FieldError("since", "must be before until"))
    if end - start > MAX_HOURS:
        days = MAX_HOURS // 24
        raise RangeRefusedError(
            FieldError("until", f"must be at most {days} days later than since")
        )
    return start, end


def statement(tenant: Tenant, told: Balance, since: int, until: int) -> dict[str, Any]:
    """The whole of it, as JSON has it; hours in which nothing came are left out."""
    return {
        "tenant": tenant.external_id,
        "since": _iso(moment_of(since)),
        "until": _iso(moment_of(until)),
        "hours": [
            {"hour": _iso(hour.hour), **_hour(hour)}
            for hour in told.hours
            if hour.hour is not None
        ],
        "totals": _hour(told.totals),
        "legs_waiting": told.legs_waiting,
    }


def _hour(hour: Hour) -> dict[str, Any]:
    return {
        **hour.records,
        "gone": {name: hour.gone.get(name, 0) for name in ("calls", "revisions")},
        "webhooks": [_webhook(webhook) for webhook in hour.webhooks],
        "balanced": hour.balanced,
        "difference": [_difference(difference) for difference in hour.differences],
    }


def _webhook(its: AtWebhook) -> dict[str, Any]:
    return {
        "webhook": str(its.webhook),
        "url": its.url,
        "deleted": its.is_deleted,
        "considered": its.considered,
        "not_considered": its.not_considered,
        **its.fates,
        "filtered": _filtered(its.filtered),
        **its.states,
        "gone": dict(its.gone),
    }


def _filtered(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"filter": text, "count": count} for text, count in sorted(counts.items())]


def _difference(difference: Difference) -> dict[str, Any]:
    webhook = difference.webhook
    return {
        "what": difference.what,
        "webhook": str(webhook) if webhook is not None else None,
        "counted": difference.counted,
        "found": difference.found,
    }


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
