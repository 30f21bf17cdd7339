"""Something dies while calls are on their way: none is lost."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from tests.e2e.calls import batches, uids
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture
def own_stack(database_server):
    """A stack that a test may hurt."""
    running = Stack()
    yield running
    running.stop()


def test_a_worker_killed_midway_loses_nothing(own_stack, receiver):
    tenant = own_stack.tenant()
    tenant.webhook(receiver.url("/"))
    receiver.seconds = 0.02
    for batch in batches(2_000):
        tenant.post(batch)
    receiver.wait("/", 500, 30)

    for worker in own_stack.workers():
        worker.kill()

    wanted = {f"c-{n}" for n in range(2_000)}
    everyone_came(receiver, wanted, seconds=60)
    requests = receiver.at("/")
    repeated = [uid for uid, count in uids(requests).items() if count > 1]
    assert len(requests) - len(wanted) <= 50
    for uid in repeated:
        ids = {
            request.webhook_id
            for request in requests
            if json.loads(request.body)["cdr"]["id"] == uid
        }
        assert len(ids) == 1


def test_a_broker_flushed_midway_loses_and_doubles_nothing(own_stack, receiver):
    tenant = own_stack.tenant()
    tenant.webhook(receiver.url("/"))
    for batch in batches(2_000):
        tenant.post(batch)
        Redis.from_url(own_stack.broker_url()).flushall()

    everyone_came(receiver, {f"c-{n}" for n in range(2_000)}, seconds=60)

    assert set(uids(receiver.at("/")).values()) == {1}


def everyone_came(receiver, wanted: set[str], seconds: float) -> None:
    """Waits until each of the calls has come at least once."""
    seen: set[str] = set()
    checked = 0

    def complete() -> bool:
        nonlocal checked
        fresh = receiver.requests[checked:]
        checked += len(fresh)
        seen.update(json.loads(request.body)["cdr"]["id"] for request in fresh)
        return wanted <= seen

    with receiver.came:
        assert receiver.came.wait_for(complete, seconds), len(wanted - seen)
