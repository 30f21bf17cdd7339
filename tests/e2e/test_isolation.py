"""No webhook can take the workers of another."""

from __future__ import annotations

import time

import pytest

from tests.e2e.stack import call

pytestmark = pytest.mark.e2e


def test_a_receiver_that_never_answers_does_not_delay_another_webhook(tenant, receiver):
    receiver.script["/hang"] = ["hang"]
    tenant.webhook(receiver.url("/hang"), retries=10)
    tenant.webhook(receiver.url("/ok"))
    answers, waits = [], []
    for number in range(30):
        posted_at = time.time()
        tenant.post(call(f"c-{number}"))
        accepted_at = time.time()
        came = receiver.wait("/ok", number + 1, 5)
        answers.append(accepted_at - posted_at)
        waits.append(came[-1].at - accepted_at)

    assert max(waits) < 1
    assert sum(answers) / len(answers) < 0.5
