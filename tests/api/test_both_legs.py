"""A dialer's call of two legs: two records with one call_id, each sent by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.models import StoredCdr, Webhook
from dispatcher.payloads.flat import KEYS
from dispatcher.pipeline.claim import claim
from tests.api.conftest import record

if TYPE_CHECKING:
    from dispatcher.values import Outgoing

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = {"fast": 100, "slow": 100}
DIALER = {
    "client_id": 12,
    "callrequest_id": "req-7",
    "campaign": {"id": 3, "name": "Spring"},
    "phone_number": "+441632960111",
    "phonebooks": [{"id": 5, "name": "North"}, {"id": 6, "name": "South"}],
    "gateway": "gw-1",
    "amd_status": 1,
    "incremental_duration": 6,
}
CALL = {
    "call_id": "fs-1",
    "hangup_cause": "NORMAL_CLEARING",
    "hangup_cause_code": 16,
    "billed_duration": 60,
    "dialed": {"number": "+441632960002"},
}
KNOWN = {
    "client_id": 12,
    "callerid": "+442031703746",
    "callrequest_id": "req-7",
    "call_id": "fs-1",
    "campaign_id": 3,
    "campaign_name": "Spring",
    "phone_number": "+441632960111",
    "list_phonebook_id": [5, 6],
    "list_phonebook_name": ["North", "South"],
    "gateway": "gw-1",
    "amd_status": 1,
    "hangup_cause_code": 16,
    "hangup_cause": "NORMAL_CLEARING",
    "cost": 0.035,
    "billed_duration": 60,
    "incremental_duration": 6,
    "call_date": "2026-11-20T09:37:35+00:00",
}


def leg(uid: str, leg_type: int, **values: Any) -> dict[str, Any]:
    """One leg of the call, as a PBX hands it over."""
    return record(uid, **{**CALL, "dialer": {**DIALER, "leg_type": leg_type}, **values})


def outgoing(webhook: Webhook) -> list[Outgoing]:
    """What the webhook is about to be sent."""
    claimed = claim(webhook.pk, now=timezone.now(), capacity=ROOM)
    assert claimed is not None
    return [item.outgoing for run in claimed.runs for item in run]


@pytest.fixture
def flat(acme, webhook_of) -> Webhook:
    """A webhook of the flat style."""
    webhook: Webhook = webhook_of(acme, style="flat")
    return webhook


def test_each_leg_is_a_delivery_with_its_own_cdr_id_and_leg_type(flat, send):
    send("POST", "/api/v1/cdrs", {"cdrs": [leg("a", 1), leg("b", 2)]})

    requests = outgoing(flat)

    bodies = sorted(
        (json.loads(one.request.body) for one in requests),
        key=lambda body: body["leg_type"],
    )
    ids = [str(StoredCdr.objects.get(uid=uid).pk) for uid in ("a", "b")]
    assert len({one.delivery_id for one in requests}) == 2
    assert [body.pop("cdr_id") for body in bodies] == ids
    assert [body.pop("leg_type") for body in bodies] == [1, 2]
    assert bodies == [KNOWN, KNOWN]


def test_a_leg_that_comes_later_is_sent_by_itself(flat, send):
    send("POST", "/api/v1/cdrs", leg("a", 1))
    send("POST", "/api/v1/cdrs", leg("b", 2))

    types = {json.loads(one.request.body)["leg_type"] for one in outgoing(flat)}

    assert types == {1, 2}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"rating": {"cost": "12345678901.0350"}, "billed_duration": 0},
        {"call_id": None, "dialer": {}, "rating": None, "hangup_cause_code": None},
        {"time_zone": "America/New_York", "caller": {"number": "Zoë + Söhne"}},
    ],
)
def test_the_cdr_is_found_by_the_id_that_was_sent_byte_for_byte(
    flat, send, api, values
):
    send("POST", "/api/v1/cdrs", leg("a", 1, **values))
    (sent,) = outgoing(flat)

    response = api.get(f"/rest-api/cdr/{json.loads(sent.request.body)['cdr_id']}")

    assert tuple(json.loads(sent.request.body)) == KEYS
    assert response.headers["content-type"] == "application/json"
    assert response.content == sent.request.body


def test_custom_data_is_sent_beside_the_fields_and_is_no_part_of_the_cdr(
    flat, send, api
):
    flat.custom_data.create(key="hook", value="dialer")
    send("POST", "/api/v1/cdrs", leg("a", 1))
    (sent,) = outgoing(flat)
    body = json.loads(sent.request.body)

    found = api.get(f"/rest-api/cdr/{body['cdr_id']}").json()

    assert body == {**found, "hook": "dialer"}


def test_the_key_for_authentication_is_a_header_of_the_webhook(flat, send):
    flat.headers.create(name="x-api-key", value="k-1")
    send("POST", "/api/v1/cdrs", leg("a", 1))

    (sent,) = outgoing(flat)

    assert (sent.request.method, sent.headers) == ("POST", {"x-api-key": "k-1"})
