"""How fast a webhook that answers again gets its backlog, and when that is over.

It starts with one run at a time and one more every five seconds. The rate is bounded,
but not for ever: a webhook that is owed more a second than that would never be done. So
it doubles each minute after the first ten. Reads no clock and no database.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.models import Webhook

ONE_MORE_RUN: Final = dt.timedelta(seconds=5)
STEADY: Final = dt.timedelta(minutes=10)
DOUBLES: Final = dt.timedelta(minutes=1)
MOST_DOUBLINGS: Final = 10
# What has become due within that is no backlog; from SETTLED on this is enough.
RECENT: Final = dt.timedelta(seconds=5)
SETTLED: Final = dt.timedelta(seconds=30)


def per_second(webhook: Webhook, now: dt.datetime) -> int | None:
    """Deliveries a second that it may get; None: any number."""
    if webhook.health != "RECOVERING":
        return webhook.max_per_second
    rate: int = max(1, settings.CDRHOOK_RECOVERY_PER_SECOND)
    if (beyond := _since(webhook, now) - STEADY) > dt.timedelta():
        rate *= 2 ** min(MOST_DOUBLINGS, beyond // DOUBLES)
    return min(rate, webhook.max_per_second or rate)


def runs_at_a_time(webhook: Webhook, now: dt.datetime) -> int:
    """Runs that it may have under way."""
    most = 1 if webhook.ordered else webhook.max_in_flight
    if webhook.health != "RECOVERING":
        return most
    return min(most, 1 + _since(webhook, now) // ONE_MORE_RUN)


def is_over(
    webhook: Webhook,
    due_since: Sequence[dt.datetime],
    now: dt.datetime,
    *,
    is_all: bool,
    is_idle: bool,
) -> bool:
    """Whether no backlog is left of a webhook that is RECOVERING.

    `due_since`: since when deliveries are due that nobody sends, `is_all` of them;
    `is_idle`: nothing is under way. Where calls never cease to come, there is always
    something due: then it is enough that none of it has waited.
    """
    if webhook.health != "RECOVERING" or not is_all:
        return False
    if not due_since and is_idle:
        return True
    if _since(webhook, now) < SETTLED:
        return False
    return all(now - RECENT <= since <= now for since in due_since)


def _since(webhook: Webhook, now: dt.datetime) -> dt.timedelta:
    """How long it has been recovering; long enough where the clock was set back."""
    since = webhook.recovered_at
    if since is None:
        return dt.timedelta()
    return now - since if since <= now else STEADY
