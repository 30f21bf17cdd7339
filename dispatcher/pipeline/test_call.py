"""Sends a sample call to a webhook at once, whatever its filters and its state.

A test call is in no feed, batch, count or statistic: its uid begins with `test-`,
nothing is stored as a CDR, and it is never tried again.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import close_old_connections, transaction

from dispatcher.models import Attempt, Delivery, Lease, Tenant, Webhook
from dispatcher.models.delivery import LEASE
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import audit
from dispatcher.pipeline.claim import Claimed, keys_of, outgoing
from dispatcher.pipeline.freeze import keep_request, rendered
from dispatcher.pipeline.outbound import send_out, utc_now
from dispatcher.pipeline.record import Ended, record
from dispatcher.values import Caller, CarriedCdr, Cdr, Leg, Legs, Line, Named, Rating

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each holds a thread of the web server for as long as its receiver takes.
MAX_AT_ONCE: Final = 16
MAX_AT_ONCE_AN_OWNER: Final = 2

_under_way: Counter[UUID | None] = Counter()
_under_way_lock = threading.Lock()


class TooManyTestsError(Exception):
    """So many test calls are under way that no more are begun for the moment."""


def test_call(webhook: Webhook, *, now: dt.datetime) -> tuple[Delivery, Attempt]:
    """Makes one attempt with a sample call; takes as long as the receiver, 10 s at most.

    Returns the delivery, `delivered` or `failed`, and its attempt. TooManyTestsError.
    """
    with _place(webhook.tenant_id or webhook.partner_id):
        claimed = prepare_test_call(webhook, now)
        close_old_connections()
        outcome = send_out(claimed.outgoing)
        record([Ended(claimed, outcome)], now=utc_now())
    delivery = Delivery.objects.get(pk=claimed.delivery_id)
    return delivery, delivery.attempts.get(number=1)


# pytest takes every function named test_... for a test wherever it is imported.
test_call.__test__ = False  # type: ignore[attr-defined]


@contextmanager
def _place(owner: UUID | None) -> Iterator[None]:
    """One of the places of this process; TooManyTestsError where there is none."""
    with _under_way_lock:
        full = _under_way.total() >= MAX_AT_ONCE
        if full or _under_way[owner] >= MAX_AT_ONCE_AN_OWNER:
            raise TooManyTestsError
        _under_way[owner] += 1
    try:
        yield
    finally:
        with _under_way_lock:
            _under_way[owner] -= 1


def sample_cdr(uid: str, now: dt.datetime) -> Cdr:
    """An answered inbound call of 65 seconds that has just ended, from a drama number."""
    started = now.replace(microsecond=0) - dt.timedelta(seconds=70)
    extension = Leg(device=Line(number="302"), user=Line(number="302"))
    return Cdr(
        uid=uid,
        call_id=uid,
        pbx=Named(id="cdrhook", name="cdrhook test call"),
        time_zone="UTC",
        started_at=started,
        answered_at=started + dt.timedelta(seconds=5),
        ended_at=started + dt.timedelta(seconds=70),
        duration=70,
        ring_duration=5,
        talk_duration=65,
        billed_duration=65,
        direction="inbound",
        call_type="external",
        disposition="answered",
        hangup_cause="NORMAL_CLEARING",
        hangup_cause_code=16,
        caller=Caller(number="+441632960001", name="cdrhook test call", country="GB"),
        dialed=Line(number="+441632960002"),
        legs=Legs(first_rang=extension, answered=extension),
        rating=Rating(cost=Decimal("0.035"), name="test"),
    )


def prepare_test_call(webhook: Webhook, now: dt.datetime) -> Claimed:
    """Commits the delivery, leased to us, before anything is sent."""
    uid = f"test-{uuid4()}"
    cdr = sample_cdr(uid, now)
    delivery = Delivery(
        id=uuid7(),
        webhook=webhook,
        tenant=webhook.tenant,
        created_at=now,
        next_attempt_at=now,
        call_end=cdr.ended_at or now,
        test_uid=uid,
    )
    tenant = webhook.tenant or Tenant(external_id="test")
    carried = CarriedCdr(
        id=uuid7(),
        cdr=cdr,
        tenant_external_id=tenant.external_id,
        tenant_zone=tenant.time_zone,
        accepted_at=now,
    )
    request = rendered(
        webhook,
        delivery,
        [carried],
        tenant.external_id,
        dict(webhook.custom_data.values_list("key", "value")),
    )
    keep_request(delivery, request)
    keys = keys_of(webhook, now)
    token, until = uuid4(), now + LEASE
    with transaction.atomic():
        delivery.save(force_insert=True)
        Lease.objects.create(
            token=token,
            webhook=webhook,
            until=until,
            deliveries=[str(delivery.pk)],
            for_test=True,
        )
        audit.note("tested", webhook, now=now)
    return Claimed(
        delivery_id=delivery.pk,
        webhook_id=webhook.pk,
        lane=webhook.lane,
        token=token,
        lease_until=until,
        due_at=now,
        tries=0,
        attempt_count=0,
        outgoing=outgoing(webhook, delivery.pk, request, keys, test=True),
    )
