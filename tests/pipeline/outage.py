"""Outages for the tests of health: webhooks that fail, or have failed for long."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.pipeline.conftest import call, claim_all, finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.models import Tenant, Webhook


def later(now: dt.datetime, seconds: float) -> dt.datetime:
    """So many seconds after now."""
    return now + dt.timedelta(seconds=seconds)


def break_down(
    webhook: Webhook, take: Callable[..., Any], at: dt.datetime, *, count: int = 10
) -> None:
    """So many calls fail, one after another."""
    for _ in range(count):
        take(webhook.tenant, call(f"broken-{uuid4()}"))
        for item in claim_all(webhook, at):
            finish(item, 500, at)


def down_webhook(
    webhook_of: Callable[..., Webhook],
    tenant: Tenant,
    now: dt.datetime,
    **settings: Any,
) -> Webhook:
    """One that has been DOWN for ten minutes, and whose next probe is granted."""
    return webhook_of(
        tenant,
        **{
            "retries": 0,
            "health": "DOWN",
            "lane": "slow",
            "failing_since": later(now, -900),
            "down_since": later(now, -600),
            "probed_at": None,
            **settings,
        },
    )
