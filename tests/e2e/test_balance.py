"""Real calls in, real receivers that fail some, and the balance adds up."""

from __future__ import annotations

import pytest

from tests.e2e.stack import call
from tests.programs import wait_for

pytestmark = pytest.mark.e2e


def test_it_adds_up_while_calls_go_out_and_when_they_have_gone(tenant, receiver):
    receiver.script = {"/fails": [500]}
    wants_all = tenant.webhook(receiver.url("/works"))
    fails = tenant.webhook(receiver.url("/fails"), retries=0)
    wants_some = tenant.webhook(
        receiver.url("/some"),
        filters=[{"field": "dir", "op": "eq", "value": "outbound"}],
    )

    tenant.post({"cdrs": [call(f"b-{n}") for n in range(10)] + [{"uid": "bad"}]})
    tenant.post(call("b-1"))
    assert tenant.get("/api/v1/balance")["totals"]["balanced"] is True
    wait_for("the ends", lambda: not tenant.deliveries(state="pending"), 30)

    found = tenant.get("/api/v1/balance")["totals"]
    names = ("received", "accepted", "duplicates", "rejected")
    assert [found[name] for name in names] == [12, 10, 1, 1]
    at = {webhook["webhook"]: webhook for webhook in found["webhooks"]}
    assert (at[wants_all]["matched"], at[wants_all]["delivered"]) == (10, 10)
    assert (at[fails]["matched"], at[fails]["failed"]) == (10, 10)
    assert at[wants_some]["filtered"] == [{"filter": "dir:eq:outbound", "count": 10}]
    assert found["balanced"] is True


def test_the_command_agrees_with_the_interface(tenant, receiver):
    tenant.webhook(receiver.url("/"))
    tenant.post(call("b-1"))
    receiver.wait("/", 1, 10)

    told = tenant.stack.command("balance", "--tenant", tenant.external_id, "--check")

    [its] = told["tenants"]
    assert told["balanced"] is True
    assert (
        its["totals"]["received"] == tenant.get("/api/v1/balance")["totals"]["received"]
    )
