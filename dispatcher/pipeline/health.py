"""How a webhook is: OK, DOWN or RECOVERING, as its answers say.

Ten deliveries in a row that failed, and no success for five minutes, make it DOWN; the
first success makes it RECOVERING, and OK once nothing due is left (`recovery`). Where
`when_down` is `try`, nothing waits, and a success makes it OK.

Decides, writes what has changed, and leaves word for the operators, all in the
transaction of whoever holds the webhook's row lock. Sends nothing and picks no delivery.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings
from django.db.models import Min

from dispatcher.models import Delivery, Webhook
from dispatcher.models.bulk import update_rows
from dispatcher.pipeline.notices import leave_word

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from dispatcher.values import Outcome

log = structlog.get_logger(__name__)

OK, DOWN, RECOVERING = "OK", "DOWN", "RECOVERING"
# Deliveries that failed in a row.
DOWN_AFTER: Final = 10
# Attempts that failed in a row, while it is RECOVERING.
RELAPSE_AFTER: Final = 3
# Attempts of a delivery, in one outage, that spend no try while it is RECOVERING: one
# that the receiver never takes must end some day.
MOST_TRIALS: Final = 3
# A time further ahead than this was written before the clock was set back.
CLOCK_MARGIN: Final = dt.timedelta(seconds=60)
# Of failures, looked at for the first of them; and of what is pending, counted.
MOST_FAILURES: Final = 10_000
COUNTED: Final = 1_000

_COLUMNS: Final = (
    "health",
    "failures_in_a_row",
    "down_since",
    "failing_since",
    "recovered_at",
    "probed_at",
)


@dataclass(slots=True, kw_only=True)
class Health:
    """How a webhook is, while attempts of one transaction are judged one by one."""

    webhook_id: UUID
    when_down: str
    created_at: dt.datetime
    health: str
    failures_in_a_row: int
    success_at: dt.datetime | None
    failure_at: dt.datetime | None
    down_since: dt.datetime | None
    failing_since: dt.datetime | None
    recovered_at: dt.datetime | None
    probed_at: dt.datetime | None
    was: str = ""
    tested: bool = False
    last_failure: Outcome | None = None

    def __post_init__(self) -> None:
        self.was = self.health

    @property
    def holds(self) -> bool:
        """Whether what is pending waits, and no attempt spends a try."""
        return self.health == DOWN and self.when_down == "hold"

    def succeeded(self, now: dt.datetime) -> None:
        """A delivery arrived, whatever kind of attempt that was."""
        self.failures_in_a_row, self.success_at = 0, now
        if self.health == DOWN:
            self.health = OK if self.when_down == "try" else RECOVERING
            self.recovered_at = now

    def failed(self, outcome: Outcome, now: dt.datetime) -> None:
        """An attempt failed, whatever becomes of its delivery."""
        self.failure_at, self.last_failure = now, outcome
        if self.health == RECOVERING:
            self.failures_in_a_row += 1
            if self.failures_in_a_row >= RELAPSE_AFTER:
                self.health, self.recovered_at, self.probed_at = DOWN, None, now

    def gave_up(self, now: dt.datetime) -> None:
        """A delivery has ended as failed."""
        if self.health == RECOVERING:
            return
        self.failures_in_a_row += 1
        if (
            self.health == OK
            and self.failures_in_a_row >= DOWN_AFTER
            and self._is_quiet(now)
        ):
            self.health, self.recovered_at = DOWN, None
            self.down_since = self.probed_at = now

    def _is_quiet(self, now: dt.datetime) -> bool:
        """Whether the last success, or the beginning, is long ago."""
        since = self.success_at or self.created_at
        if since > now + CLOCK_MARGIN:
            return True
        return now - since >= dt.timedelta(seconds=settings.CDRHOOK_DOWN_AFTER_SECONDS)


def write(healths: Iterable[Health], now: dt.datetime) -> None:
    """Saves the health of those that changed; has operators told of what is new."""
    for one in healths:
        if one.tested and one.health == DOWN:
            _tested(one, now)
        if one.health == one.was:
            continue
        if one.was == OK:
            one.failing_since = _first_failure(one, now)
            leave_word("down", now, _why_down(one), webhook_id=one.webhook_id)
        elif one.health == OK:
            leave_word("back", now, _outage(one), webhook_id=one.webhook_id)
            one.down_since = None
        values = [getattr(one, name) for name in _COLUMNS]
        update_rows(Webhook, _COLUMNS, [(one.webhook_id, *values)])
        say = log.warning if one.health == DOWN else log.info
        say("webhook.health", webhook=str(one.webhook_id), was=one.was, now=one.health)


def _tested(one: Health, now: dt.datetime) -> None:
    """A test call arrived: a delivery is tried at once; without any, that was the probe."""
    if one.when_down != "try" and not _pending(one.webhook_id).exists():
        one.health, one.recovered_at, one.failures_in_a_row = RECOVERING, now, 0
        return
    Webhook.objects.filter(pk=one.webhook_id).update(probed_at=None)


def is_back(webhook: Webhook, now: dt.datetime) -> None:
    """Ends the recovery of a webhook that has nothing due left."""
    details = _outage(webhook)
    webhook.health, webhook.down_since, webhook.failures_in_a_row = OK, None, 0
    webhook.save(update_fields=["health", "down_since", "failures_in_a_row"])
    leave_word("back", now, details, webhook_id=webhook.pk)
    log.info("webhook.health", webhook=str(webhook.pk), was=RECOVERING, now=OK)


# What operators are told ------------------------------------------------------------


def _why_down(one: Health) -> dict[str, Any]:
    last = one.last_failure
    return {
        "error": last.error if last is not None else "",
        "error_class": last.error_class if last is not None else "",
        "status": last.status_code if last is not None else None,
        "failures": one.failures_in_a_row,
        "failing_since": _text(one.failing_since),
        "last_success": _text(one.success_at),
        "when_down": one.when_down,
        "pending": _count_pending(one.webhook_id),
    }


def _outage(one: Health | Webhook) -> dict[str, Any]:
    return {
        "failing_since": _text(one.failing_since),
        "down_since": _text(one.down_since),
        "recovered_at": _text(one.recovered_at),
    }


def _text(moment: dt.datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def _count_pending(webhook_id: UUID) -> int | str:
    count = _pending(webhook_id).values("pk")[: COUNTED + 1].count()
    return count if count <= COUNTED else f"more than {COUNTED:,}"


def _pending(webhook_id: UUID) -> Any:
    return Delivery.objects.filter(
        webhook_id=webhook_id, state=Delivery.PENDING, test_uid=""
    ).order_by()


def _first_failure(one: Health, now: dt.datetime) -> dt.datetime | None:
    """When the first delivery of those that failed in a row ended.

    Found when it is needed: a column that is written at each first failure would make
    one forget the outage before, whose failures can still be sent again.
    """
    failed = Delivery.objects.filter(
        webhook_id=one.webhook_id, state=Delivery.FAILED, test_uid=""
    )
    latest = failed.order_by("-id").values("pk")[
        : min(one.failures_in_a_row, MOST_FAILURES)
    ]
    in_a_row = Delivery.objects.filter(pk__in=latest)
    if one.success_at is not None and one.success_at <= now:
        in_a_row = in_a_row.filter(ended_at__gte=one.success_at)
    first: dt.datetime | None = in_a_row.aggregate(first=Min("ended_at"))["first"]
    return first or one.down_since
