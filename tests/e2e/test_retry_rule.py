"""The documented retry rule, seen from the receiver's side."""

from __future__ import annotations

import json

import pytest

from tests.e2e.stack import call
from tests.programs import wait_for

pytestmark = pytest.mark.e2e


def ended(tenant):
    return lambda: all(
        delivery["state"] not in ("pending", "held") for delivery in tenant.deliveries()
    )


def test_it_retries_2_and_4_seconds_after_the_failures_with_the_same_id_and_bytes(
    tenant, receiver
):
    receiver.script["/"] = [500, 500, 201]
    tenant.webhook(receiver.url("/"), retries=2, custom_data={"hook": "post call"})

    assert tenant.post(call("c-1")).status_code == 202
    first, second, third = receiver.wait("/", 3, 12)

    assert 1.9 <= second.at - first.at <= 3
    assert 3.9 <= third.at - second.at <= 5
    assert len({request.webhook_id for request in (first, second, third)}) == 1
    assert first.body == second.body == third.body
    body = json.loads(first.body)
    assert body["customData"] == {"hook": "post call"}
    assert body["cdr"]["cliName"] == 'Zoë "Z" Ångström & Söhne'


def test_only_200_and_201_within_10_seconds_confirm_receipt(tenant, receiver):
    answers = {
        "/500": 500,
        "/204": 204,
        "/302": 302,
        "/drip": "drip",
        "/hang": "hang",
        "/endless": "endless",
    }
    webhooks = {}
    for path, todo in answers.items():
        receiver.script[path] = [todo]
        webhooks[tenant.webhook(receiver.url(path), retries=0)] = path

    tenant.post(call("c-1"))
    wait_for("the end of all deliveries", ended(tenant), 15)

    outcome = {webhooks[item["webhook"]]: item for item in tenant.deliveries()}
    states = {path: item["state"] for path, item in outcome.items()}
    assert states.pop("/endless") == "delivered"
    assert set(states.values()) == {"failed"}
    attempts = {path: item["attempts"] for path, item in outcome.items()}
    assert {len(made) for made in attempts.values()} == {1}
    for path in ("/drip", "/hang"):
        assert 9_000 <= attempts[path][0]["duration_ms"] <= 11_000
        assert attempts[path][0]["error_class"] == "timeout"
    assert "only 200 and 201 confirm receipt" in attempts["/204"][0]["error"]
    assert [len(receiver.at(path)) for path in answers] == [1] * len(answers)
    assert receiver.at("/elsewhere") == []
