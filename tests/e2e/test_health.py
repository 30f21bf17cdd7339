"""A receiver dies and comes back: its calls are held, and go out in order.

The clocks are shortened: DOWN after 2 s without success, a probe every 2 s, a recovery
of 20 calls a second.
"""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.stack import Stack, call
from tests.programs import wait_for

pytestmark = pytest.mark.e2e

HELD = 30


@pytest.fixture
def quick(database_server, receiver):
    """A stack with short clocks, which tells operators at the receiver's /operations."""
    receiver.script["/operations"] = [204]
    running = Stack(
        CDRHOOK_DOWN_AFTER_SECONDS="2",
        CDRHOOK_PROBE_SECONDS="2",
        CDRHOOK_RECOVERY_PER_SECOND="20",
        CDRHOOK_OPERATIONS_WEBHOOK=receiver.url("/operations"),
    )
    yield running
    running.stop()


def health_of(tenant, webhook):
    return tenant.get(f"/api/v1/webhooks/{webhook}")["health"]


def ended_at(second):
    return f"2026-11-20T10:00:{second:02}+00:00"


def break_down(tenant, webhook):
    """Calls fail, one after another, until the webhook is DOWN; none is left over."""
    for number in range(60):
        tenant.post(call(f"lost-{number}"))
        wait_for("the failure", lambda: not is_anything_open(tenant), 10)
        if number >= 9 and health_of(tenant, webhook) == "DOWN":
            return
        time.sleep(0.1)
    raise AssertionError("it did not go DOWN")


def is_anything_open(tenant):
    return any(one["state"] in {"pending", "held"} for one in tenant.deliveries())


def deliveries_by_uid(tenant):
    return {item["cdrs"][0]: item for item in tenant.deliveries()}


def test_a_receiver_that_dies_loses_nothing_and_gets_it_in_order_when_it_is_back(
    quick, receiver
):
    tenant = quick.tenant()
    webhook = tenant.webhook(receiver.url("/cdr"), retries=0, max_in_flight=1)
    receiver.script["/cdr"] = [500]
    break_down(tenant, webhook)
    before = len(receiver.at("/cdr"))
    # Given in the wrong order, and more of them than the probes that follow.
    for number in reversed(range(HELD)):
        tenant.post(call(f"held-{number}", ended_at=ended_at(number)))
    receiver.wait("/cdr", before + 2, 15)

    held = deliveries_by_uid(tenant)
    assert health_of(tenant, webhook) == "DOWN"
    assert {held[f"held-{n}"]["state"] for n in range(HELD)} == {"held"}
    assert all(
        one["probe"] for n in range(HELD) for one in held[f"held-{n}"]["attempts"]
    )
    probed = len(receiver.at("/cdr"))
    assert probed - before < HELD

    receiver.script["/cdr"] = [200]
    wait_for("the recovery", lambda: health_of(tenant, webhook) == "OK", 30)

    back = deliveries_by_uid(tenant)
    assert {back[f"held-{n}"]["state"] for n in range(HELD)} == {"delivered"}
    tries = [one for n in range(HELD) for one in back[f"held-{n}"]["attempts"]]
    assert sum(not one["probe"] for one in tries) == HELD - 1
    taken = receiver.at("/cdr")[-HELD:]
    uids = [json.loads(request.body)["cdr"]["id"] for request in taken]
    assert uids == [f"held-{n}" for n in range(HELD)]
    assert taken[-1].at - taken[1].at > HELD / 20 * 0.8
    assert [kind for kind, _ in notices(receiver)] == ["webhook.down", "webhook.back"]
    assert {data["webhook"] for _, data in notices(receiver)} == {webhook}


def notices(receiver):
    """Kind and data of what operators were told, of which there are two."""
    events = [
        json.loads(request.body) for request in receiver.wait("/operations", 2, 15)
    ]
    return [(event["type"], event["data"]) for event in events]
