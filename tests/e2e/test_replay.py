"""What failed by the hundred is sent again at a rate, each once, by real processes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.e2e.stack import call
from tests.programs import wait_for

pytestmark = pytest.mark.e2e

COUNT, PER_SECOND = 1_200, 150
SINCE = {"since": "2026-01-01T00:00:00Z"}


def states(tenant, webhook) -> set[str]:
    return {item["state"] for item in tenant.deliveries(webhook=webhook)}


def test_1200_failed_deliveries_are_replayed_at_a_rate_each_once(tenant, receiver):
    receiver.script["/"] = [500]
    webhook = tenant.webhook(
        receiver.url("/"), retries=0, when_down="try", max_in_flight=20
    )
    tenant.post({"cdrs": [call(f"c-{n}") for n in range(1_000)]})
    tenant.post({"cdrs": [call(f"c-{n}") for n in range(1_000, COUNT)]})
    failed = {request.webhook_id for request in receiver.wait("/", COUNT, 60)}
    path = f"/api/v1/webhooks/{webhook}/replay"
    wait_for(
        "the failures to be recorded",
        lambda: (
            tenant.post({**SINCE, "preview": True}, path).json()
            == {"deliveries": COUNT}
        ),
        30,
    )

    receiver.script["/"] = [200]
    started = tenant.post({**SINCE, "per_second": PER_SECOND}, path)
    requests = receiver.wait("/", 2 * COUNT, 60)[COUNT:]

    assert (started.status_code, started.json()) == (202, {"deliveries": COUNT})
    seen = Counter(request.webhook_id for request in requests)
    assert set(seen) == failed
    assert set(seen.values()) == {1}
    assert len({json.loads(one.body)["cdr"]["id"] for one in requests}) == COUNT
    # A second's worth at once, and what a late step makes up: never much faster.
    took = requests[-1].at - requests[0].at
    assert took > COUNT / PER_SECOND - 4
    wait_for("it to be recorded", lambda: states(tenant, webhook) == {"delivered"}, 30)
    shown = tenant.get(started.headers["Location"])
    assert (shown["state"], shown["done"]) == ("done", COUNT)


def test_a_new_webhook_is_given_the_calls_of_the_last_hour(tenant, receiver):
    tenant.post({"cdrs": [call(f"c-{n}") for n in range(5)]})
    webhook = tenant.webhook(receiver.url("/"))
    tenant.post(call("new"))

    answer = tenant.post({"hours": 1}, f"/api/v1/webhooks/{webhook}/backfill")

    # Calls on their way in when it was made are waited for, 15 s.
    requests = receiver.wait("/", 6, 40)
    uids = Counter(json.loads(request.body)["cdr"]["id"] for request in requests)
    assert (answer.status_code, answer.json()) == (202, {"calls": 6})
    assert uids == Counter([*(f"c-{n}" for n in range(5)), "new"])
