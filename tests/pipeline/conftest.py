"""Webhooks and calls for the pipeline's tests."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.models import Delivery, Tenant, Webhook
from dispatcher.pipeline.accept import Accepted, accept
from dispatcher.pipeline.claim import Claim, Claimed, claim
from dispatcher.pipeline.record import Ended, record
from dispatcher.values import Cdr, Line, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = {"fast": 100, "slow": 100}


def call(uid: str, **values: Any) -> Cdr:
    """A call of a minute; keyword arguments replace its values."""
    started = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
    return Cdr(
        **{
            "uid": uid,
            "started_at": started,
            "ended_at": started + dt.timedelta(seconds=60),
            "direction": "inbound",
            "dialed": Line(number="+442039702436"),
            **values,
        }
    )


@pytest.fixture
def webhook_of() -> Callable[..., Webhook]:
    """webhook_of(tenant, **settings)."""

    def make(tenant: Tenant, **settings: Any) -> Webhook:
        settings = {"url": "https://receiver.example/cdr", **settings}
        return Webhook.objects.create(tenant=tenant, **settings)

    return make


@pytest.fixture
def take(now: dt.datetime) -> Callable[..., Accepted]:
    """take(tenant, *cdrs) accepts them now."""

    def make(tenant: Tenant, *cdrs: Cdr) -> Accepted:
        return accept(tenant, cdrs, source="test", now=now)

    return make


def claim_now(webhook: Webhook, now: dt.datetime) -> Claim:
    """What a claim gives where there is room in every lane."""
    claimed = claim(webhook.pk, now=now, capacity=ROOM)
    assert claimed is not None
    return claimed


def claim_all(webhook: Webhook, now: dt.datetime) -> list[Claimed]:
    """The same, runs laid end to end."""
    return [item for run in claim_now(webhook, now).runs for item in run]


def claim_on(webhook: Webhook, now: dt.datetime) -> list[Claimed]:
    """What claims give one after another, for as long as they ask to be made again."""
    claimed = claim_now(webhook, now)
    items = [item for run in claimed.runs for item in run]
    return items + claim_on(webhook, now) if claimed.wait_until == now else items


def answer(status: int, at: dt.datetime, *, took_ms: int = 5) -> Outcome:
    """What the sending room would tell of an answer with this status."""
    delivered = status in (200, 201)
    return Outcome(
        verdict="delivered" if delivered else "retry",
        started_at=at,
        ended_at=at + dt.timedelta(milliseconds=took_ms),
        duration_ms=took_ms,
        status_code=status,
        error_class="" if delivered else "status",
        error="" if delivered else f"answered {status}",
    )


def finish(item: Claimed, status: int, at: dt.datetime, *, took_ms: int = 5) -> None:
    """Records that an attempt was answered with this status."""
    record([Ended(item, answer(status, at, took_ms=took_ms))], now=at)


def only_delivery() -> Delivery:
    """The one delivery there is."""
    return Delivery.objects.get()
