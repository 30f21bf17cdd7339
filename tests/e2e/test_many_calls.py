"""Thousands of calls: each arrives, once."""

from __future__ import annotations

import pytest

from tests.e2e.calls import batches, uids
from tests.e2e.stack import call

pytestmark = pytest.mark.e2e


def test_10000_calls_arrive_exactly_once_and_posting_them_again_sends_nothing(
    tenant, receiver
):
    tenant.webhook(receiver.url("/"))
    for batch in batches(10_000):
        assert tenant.post(batch).json()["accepted"] == 1000
    arrived = uids(receiver.wait("/", 10_000, 60))

    for batch in batches(10_000):
        assert tenant.post(batch).json()["duplicates"] == 1000
    # Had the second posting made a delivery, it would go out before this one.
    tenant.post(call("afterwards"))
    requests = receiver.wait("/", 10_001, 30)

    assert len(arrived) == 10_000
    assert set(uids(requests).values()) == {1}
