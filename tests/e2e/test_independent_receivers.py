"""What receivers that others wrote make of our signatures, over real HTTP."""

from __future__ import annotations

import datetime as dt
import json
import subprocess

import pytest
import requests
from standardwebhooks import Webhook

from cdrhook.supervisor.ports import free_port
from tests import debian
from tests.e2e.stack import call
from tests.programs import running, wait_for

pytestmark = pytest.mark.e2e

SECRET = "any text, as webex.txt has it: ä"
FEED_SECONDS = 30


@pytest.fixture
def webhook_program(tmp_path):
    """Debian's `webhook`: /right checks with SECRET, /wrong with another secret."""
    hooks = [_hook("right", SECRET), _hook("wrong", "another")]
    (tmp_path / "hooks.json").write_text(json.dumps(hooks))
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks"
    command = [
        *(debian.program("webhook", "webhook"), "-hooks", tmp_path / "hooks.json"),
        *("-ip", "127.0.0.1", "-port", str(port)),
    ]
    with running(subprocess.Popen(command, stderr=subprocess.DEVNULL), 15):
        wait_for("the receiver", lambda: _answers(url))
        yield url


def _hook(name, secret):
    signed = {
        "type": "payload-hmac-sha1",
        "secret": secret,
        "parameter": {"source": "header", "name": "X-Spark-Signature"},
    }
    return {
        "id": name,
        "execute-command": "/bin/true",
        "trigger-rule": {"match": signed},
        "trigger-rule-mismatch-http-response-code": 401,
        "success-http-response-code": 201,
    }


def _answers(url):
    try:
        return requests.get(url, timeout=1).status_code > 0
    except requests.RequestException:
        return False


@pytest.fixture
def partner(stack):
    """A partner with one tenant, as `Tenant` talks for one, with the partner's token."""
    return stack.partner()


def ended_now(uid):
    """A call that has just ended."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    started = now - dt.timedelta(seconds=70)
    return call(
        uid,
        started_at=started.isoformat(),
        answered_at=started.isoformat(),
        ended_at=now.isoformat(),
    )


def attempts_of(partner, webhook):
    return [
        attempt
        for delivery in partner.deliveries(webhook=webhook)
        for attempt in delivery["attempts"]
    ]


@pytest.mark.parametrize(("path", "status"), [("right", 201), ("wrong", 500)])
def test_debians_webhook_takes_a_feed_with_the_right_secret_only(
    partner, webhook_program, path, status
):
    webhook = partner.webhook(
        f"{webhook_program}/{path}", style="feed", secret=SECRET, retries=0
    )
    partner.take(ended_now("c-1"))

    wait_for("the feed", lambda: attempts_of(partner, webhook), FEED_SECONDS)

    (attempt,) = attempts_of(partner, webhook)
    assert attempt["status_code"] == status
    partner.change(webhook, active=False)


def test_a_rotated_feed_is_taken_with_the_former_secret_while_they_overlap(
    partner, webhook_program
):
    webhook = partner.webhook(f"{webhook_program}/right", style="feed", secret=SECRET)
    rotated = partner.post({}, f"/api/v1/webhooks/{webhook}/secret/rotate")
    assert rotated.json()["previous_valid_until"]
    partner.take(ended_now("c-1"))

    wait_for("the feed", lambda: attempts_of(partner, webhook), FEED_SECONDS)

    assert attempts_of(partner, webhook)[0]["status_code"] == 201
    partner.change(webhook, active=False)


def test_a_rotated_webhook_is_verified_with_either_secret_by_the_public_library(
    tenant, receiver
):
    webhook = tenant.webhook(receiver.url("/"))
    secrets = [
        tenant.post({}, f"/api/v1/webhooks/{webhook}/secret/rotate").json()["secret"]
        for _ in range(2)
    ]
    tenant.post(call("c-1"))

    (request,) = receiver.wait("/", 1, 10)

    for secret in secrets:
        assert Webhook(secret).verify(request.body, request.headers)
