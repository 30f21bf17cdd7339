"""Two legs of a FreeSWITCH go in: one call comes out, or two, as the source says.

The bodies are a real PBX's; what ties the legs together is put into them as
FreeSWITCH does when it bridges.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.programs import wait_for

pytestmark = pytest.mark.e2e

BODY = (
    Path(__file__).parent.parent
    / "samples"
    / "freeswitch"
    / "real_mod_json_cdr_plain_application_json.body"
).read_bytes()


@pytest.fixture
def source(tenant):
    """source(*options) makes one of the tenant's; gives where it pushes to."""

    def make(*options):
        whose = ("--tenant", tenant.external_id, "--name", "pbx")
        tenant.stack.command("createsource", *whose, "--pbx", "freeswitch", *options)
        return f"/ingest/freeswitch/{tenant.external_id}/pbx"

    return make


def two_legs():
    """The bodies of an A leg and of the B leg that it was bridged to."""
    a, b = str(uuid.uuid4()), str(uuid.uuid4())
    a_leg, b_leg = json.loads(BODY), json.loads(BODY)
    a_leg["variables"] |= {"uuid": a, "call_uuid": a, "bridge_uuid": b}
    b_leg["variables"] |= {"uuid": b, "call_uuid": a, "originating_leg_uuid": a}
    b_leg["variables"] |= {"bridge_uuid": a, "direction": "outbound"}
    b_leg["callflow"][0]["caller_profile"]["destination_number"] = "1002"
    return a, b, json.dumps(a_leg).encode(), json.dumps(b_leg).encode()


def cdrs(requests):
    return [json.loads(request.body)["cdr"] for request in requests]


def test_a_source_that_delivers_once_a_call_sends_one_call_of_two_legs(
    tenant, receiver, source
):
    tenant.webhook(receiver.url("/"))
    path = source("--legs", "per_call")
    a, _, a_leg, b_leg = two_legs()

    answers = [tenant.post(body, path).json() for body in (b_leg, a_leg, b_leg)]
    (cdr,) = cdrs(receiver.wait("/", 1, 20))

    assert [one["accepted"] for one in answers] == [1, 1, 0]
    assert (cdr["id"], cdr["ansDevNum"]) == (a, "1002")
    assert [one["cdrs"] for one in tenant.deliveries()] == [[a]]
    totals = tenant.get("/api/v1/balance")["totals"]
    assert (totals["received"], totals["joined"], totals["balanced"]) == (3, 1, True)


def test_a_leg_that_waited_in_vain_is_sent_and_the_other_is_a_revision(
    tenant, receiver, source
):
    tenant.webhook(receiver.url("/"))
    path = source("--legs", "per_call", "--leg-wait-seconds", 1)
    a, _, a_leg, b_leg = two_legs()

    tenant.post(a_leg, path)
    (cdr,) = cdrs(receiver.wait("/", 1, 30))
    tenant.post(b_leg, path)
    wait_for("its end", lambda: not tenant.deliveries(state="pending"), 30)

    assert cdr["id"] == a
    assert [one["cdrs"] for one in tenant.deliveries()] == [[a]]
    totals = tenant.get("/api/v1/balance")["totals"]
    assert (totals["accepted"], totals["revised"]) == (1, 1)


def test_a_source_that_delivers_each_leg_sends_two(tenant, receiver, source):
    tenant.webhook(receiver.url("/"))
    path = source("--legs", "per_leg")
    a, b, a_leg, b_leg = two_legs()

    for body in (b_leg, a_leg):
        tenant.post(body, path)

    assert {cdr["id"] for cdr in cdrs(receiver.wait("/", 2, 20))} == {a, b}
