"""What a careful Django developer would write: one Celery task per delivery.

    RIVAL_TUNED=1 python -m celery --app benchmarks.rivals.task_per_delivery worker

A task loads its delivery, whose request has been rendered before, signs and POSTs it on
a connection that is kept, and records the attempt and the delivery's next state in one
transaction, by compare-and-set. It uses cdrhook's tables, and does less than cdrhook:
no lease, no lanes, no check of addresses, no deadline of 10 s in all, no phases.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import requests
from celery import Celery
from django.db import transaction

if TYPE_CHECKING:
    from dispatcher.models import Attempt, Delivery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.rivals.task_settings")

QUEUE: Final = "deliver"
TIMEOUT_SECONDS: Final = 10
KEPT_BYTES: Final = 4096

app = Celery("task_per_delivery", broker=os.environ["REDIS_URL"])
app.conf.task_default_queue = QUEUE
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False
if os.environ.get("RIVAL_TUNED") == "1":
    app.conf.worker_prefetch_multiplier = 64
    # Without it, Celery closes the connection to the database around each task.
    app.conf["CELERY_DB_REUSE_MAX"] = 10**9


@app.task(name="deliver")
def deliver(delivery_id: str) -> None:
    """Makes one attempt for a delivery that is pending, and records it."""
    from dispatcher.models import Attempt, Delivery

    delivery = Delivery.objects.select_related("webhook").get(pk=delivery_id)
    if delivery.state != Delivery.PENDING:
        return
    attempt = Attempt(
        delivery=delivery,
        number=delivery.attempt_count + 1,
        url=delivery.webhook.url,
        started_at=dt.datetime.now(dt.UTC),
    )
    _post(delivery, attempt)
    attempt.ended_at = dt.datetime.now(dt.UTC)
    took = attempt.ended_at - attempt.started_at
    attempt.duration_ms = round(took.total_seconds() * 1000)
    retry_at = _record(delivery, attempt)
    if retry_at is not None:
        deliver.apply_async((delivery_id,), eta=retry_at)


def _post(delivery: Delivery, attempt: Attempt) -> None:
    """Sends the request, and notes in the attempt how it was answered."""
    body = bytes(delivery.request_body or b"")
    try:
        answer = _session().post(
            delivery.webhook.url,
            data=body,
            headers={
                "User-Agent": "cdrhook",
                "Content-Type": delivery.request_content_type,
                **delivery.request_headers,
                **_signature(str(delivery.pk), body, delivery.webhook.secret),
            },
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        attempt.error_class, attempt.error = "connect", str(error)
        return
    attempt.status_code = answer.status_code
    attempt.response_headers = list(answer.headers.items())
    attempt.response_body = answer.content[:KEPT_BYTES]
    if answer.status_code not in (200, 201):
        attempt.error_class, attempt.error = "status", f"answered {answer.status_code}"


@lru_cache(maxsize=1)
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _signature(message_id: str, body: bytes, secret: str) -> dict[str, str]:
    now = str(int(dt.datetime.now(dt.UTC).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((message_id.encode(), now.encode(), body))
    digest = hmac.digest(key, signed, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def _record(delivery: Delivery, attempt: Attempt) -> dt.datetime | None:
    """Stores the attempt and moves the delivery on; gives when to try again, if ever.

    Nothing is stored where another task got there first.
    """
    delivered, number = not attempt.error_class, attempt.number
    retry_at = None
    if not delivered and delivery.tries < delivery.webhook.retries:
        retry_at = attempt.ended_at + dt.timedelta(seconds=2 * (delivery.tries + 1))
    state = "delivered" if delivered else "pending" if retry_at else "failed"
    with transaction.atomic():
        moved = (
            type(delivery)
            .objects.filter(
                pk=delivery.pk, state="pending", attempt_count=delivery.attempt_count
            )
            .update(
                state=state,
                tries=delivery.tries + 1,
                attempt_count=number,
                next_attempt_at=retry_at,
                ended_at=None if retry_at else attempt.ended_at,
                last_status_code=attempt.status_code,
                last_error_class=attempt.error_class,
                last_error=attempt.error,
            )
        )
        if not moved:
            return None
        attempt.save(force_insert=True)
    return retry_at
