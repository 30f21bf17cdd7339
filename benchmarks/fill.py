"""Tenants, webhooks and calls for a row, and verification of what became of them."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from benchmarks.stamping import Stamping
    from benchmarks.values import Measured
    from dispatcher.models import Tenant, Webhook

BATCH: Final = 1000
STARTED: Final = dt.datetime(2026, 11, 20, 9, 37, 35, tzinfo=dt.UTC)


def tenant(name: str = "acme", *, webhooks: int = 100_000) -> Tenant:
    """A new tenant."""
    from dispatcher.models import Tenant

    return Tenant.objects.create(
        external_id=name, name=name.title(), max_webhooks=webhooks
    )


def token(owner: Tenant, *scopes: str) -> str:
    """A bearer token of a tenant."""
    from dispatcher.models import ApiToken

    text = "cdr_" + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        digest=ApiToken.digest_of(text),
        hint=text[-4:],
        tenant=owner,
        **{f"can_{scope}": True for scope in scopes or ("ingest", "read", "manage")},
    )
    return text


def webhook(
    owner: Tenant, url: str, *, only: str | None = None, **settings: Any
) -> Webhook:
    """A webhook of style envelope with a secret; `only`: for calls to that number."""
    from dispatcher.models import Webhook

    made = Webhook.objects.create(
        tenant=owner,
        url=url,
        style="envelope",
        secret="whsec_" + "c2VjcmV0IGZvciBiZW5jaG1hcmtzIG9ubHkhISE=",
        **settings,
    )
    if only is not None:
        made.filters.create(field="ddiNum", op="eq", value=only)
    return made


def number(index: int) -> str:
    """The number that calls for the webhook `index` have dialled."""
    return f"+4420397{index:05}"


def call(uid: str, dialed: str, **more: Any) -> dict[str, Any]:
    """A call as a PBX hands it over; its envelope is about 1 KB."""
    return {
        "uid": uid,
        "call_id": f"{uid}@pbx.example.com",
        "pbx": {"id": "pbx-1", "name": "Head office"},
        "started_at": STARTED.isoformat(),
        "answered_at": (STARTED + dt.timedelta(seconds=5)).isoformat(),
        "ended_at": (STARTED + dt.timedelta(seconds=70)).isoformat(),
        "duration": 70,
        "ring_duration": 5,
        "talk_duration": 65,
        "billed_duration": 65,
        "direction": "inbound",
        "disposition": "answered",
        "caller": {"number": "+442031703746", "name": "Zürich office"},
        "dialed": {"number": dialed, "name": "Support"},
        "hangup_cause": "NORMAL_CLEARING",
        "hangup_cause_code": 16,
        "legs": {
            "first_rang": _leg("301", "Reception"),
            "last_rang": _leg("302", "Support desk"),
            "answered": _leg("302", "Support desk"),
            "last_answered": _leg("302", "Support desk"),
        },
        "tags": {"Support": "Tier 2", "Queue": "North"},
        "rating": {"cost": "0.0350", "band": "Local", "name": "Inbound"},
        **more,
    }


def _leg(number: str, name: str) -> dict[str, Any]:
    line = {"number": number, "name": name}
    return {"device": line, "user": line, "group": "Support"}


def accept(
    owner: Tenant, calls: Iterable[dict[str, Any]], now: dt.datetime | None = None
) -> None:
    """Has calls accepted as the API would, by 1,000; wakes nobody up."""
    from dispatcher.adapters import cdr_json
    from dispatcher.pipeline.accept import accept
    from dispatcher.values import Cdr

    def flush(batch: Sequence[dict[str, Any]]) -> None:
        body = json.dumps({"cdrs": batch}).encode()
        cdrs = cdr_json.parse_many(body, limit=BATCH)
        good = [cdr for cdr in cdrs if isinstance(cdr, Cdr)]
        assert len(good) == len(batch), cdrs[0]
        accept(owner, good, source="api", now=now or dt.datetime.now(dt.UTC))

    batch: list[dict[str, Any]] = []
    for one in calls:
        batch.append(one)
        if len(batch) == BATCH:
            flush(batch)
            batch = []
    if batch:
        flush(batch)


def nothing_pending(stage: Stage) -> bool:
    """True when no delivery waits any more."""
    waiting = (
        "SELECT EXISTS (SELECT 1 FROM dispatcher_delivery WHERE state = 'pending')"
    )
    return not stage.sql(waiting)[0][0]


def _written(key: object) -> str:
    """An id as it is sent; SQLite keeps it without hyphens."""
    return str(key if isinstance(key, UUID) else UUID(str(key)))


def verify_all_arrived(
    stage: Stage,
    nginx: Nginx | Stamping,
    measured: Measured,
    *,
    deliveries: int,
    known: dict[str, int] | None = None,
    requests: Iterable[tuple[float, str, int, str]] | None = None,
) -> Counter[str]:
    """Every delivery reached the receiver, and every attempt is recorded.

    `deliveries`: how many there must be; `requests`: what `nginx.arrived()` gave, where
    that was read already. Gives the paths that were asked for, counted.
    """
    arrived: Counter[str] = Counter()
    paths: Counter[str] = Counter()
    if requests is None:
        requests = nginx.arrived()
    for _, webhook_id, status, path in requests:
        measured.check(status == 200, "every request was answered with 200")
        arrived[webhook_id] += 1
        paths[path] += 1
    stored = {
        _written(row[0]): (row[1], row[2], row[3])
        for row in stage.sql(
            "SELECT d.id, d.state, d.attempt_count, count(a.id)"
            " FROM dispatcher_delivery d"
            " LEFT JOIN dispatcher_attempt a ON a.delivery_id = d.id GROUP BY d.id"
        )
    }
    measured.check(
        len(stored) == deliveries, f"as many deliveries as were owed ({deliveries:,})"
    )
    measured.check(
        all(state == "delivered" for state, _, _ in stored.values()),
        "every delivery is recorded as delivered",
    )
    measured.check(
        all(count == rows for _, count, rows in stored.values()),
        "every attempt is recorded",
    )
    measured.check(
        arrived.keys() == stored.keys(), "the receiver has every delivery, and no other"
    )
    measured.check(
        all(arrived[one] == rows for one, (_, _, rows) in stored.items()),
        "the receiver was asked as often as attempts are recorded",
    )
    carried = stage.sql(
        "SELECT count(DISTINCT cdr_id) FROM dispatcher_owedcdr WHERE delivery_id IS NULL"
    )
    measured.check(carried[0][0] == 0, "every call that is owed is carried")
    return paths
