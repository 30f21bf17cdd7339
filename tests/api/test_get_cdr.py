"""GET /api/v1/cdrs/{uid} and GET /rest-api/cdr/{id}."""

from __future__ import annotations

import pytest

from dispatcher.models import StoredCdr, WebhookFilter
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_record_is_shown_as_it_was_taken(send):
    send("POST", "/api/v1/cdrs", record("a:1"))

    status, shown = send("GET", "/api/v1/cdrs/a:1")

    assert status == 200
    assert shown["uid"] == "a:1"
    assert shown["rating"] == {"cost": "0.0350"}
    assert shown["accepted_at"].endswith("Z")
    assert (shown["revisions"], shown["webhooks"]) == ([], [])


def test_other_content_of_the_same_uid_is_shown_as_a_revision(send):
    send("POST", "/api/v1/cdrs", record("a"))
    send("POST", "/api/v1/cdrs", record("a", disposition="busy"))

    _, shown = send("GET", "/api/v1/cdrs/a")

    assert shown["disposition"] == "answered"
    assert [item["number"] for item in shown["revisions"]] == [1]
    assert shown["revisions"][0]["record"]["disposition"] == "busy"


def test_it_tells_what_became_of_the_call_at_each_webhook(acme, webhook_of, send):
    wants, refuses = webhook_of(acme), webhook_of(acme)
    WebhookFilter.objects.create(
        webhook=refuses, field="dir", op="eq", value="outbound"
    )
    send("POST", "/api/v1/cdrs", record("a"))

    _, shown = send("GET", "/api/v1/cdrs/a")

    fates = {fate["webhook"]: fate for fate in shown["webhooks"]}
    assert [one["cdrs"] for one in fates[str(wants.pk)]["deliveries"]] == [["a"]]
    assert fates[str(wants.pk)]["kept_out_by"] is None
    assert fates[str(refuses.pk)]["deliveries"] == []
    assert fates[str(refuses.pk)]["kept_out_by"] == {
        "field": "dir",
        "op": "eq",
        "value": "outbound",
    }


def test_it_says_why_where_no_filter_is_to_blame(acme, webhook_of, send):
    webhook_of(acme, active=False)
    send("POST", "/api/v1/cdrs", record("a"))
    webhook_of(acme)

    _, shown = send("GET", "/api/v1/cdrs/a")

    reasons = [fate["reason"] for fate in shown["webhooks"]]
    assert reasons == [
        "the webhook is not active",
        "the webhook was made after the call was accepted",
    ]


def test_a_tenant_does_not_see_its_partners_webhooks(
    initech, partner, webhook_of, client_for, send
):
    webhook = webhook_of(partner)
    send("POST", "/api/v1/cdrs", record("a"), client_for(initech))

    _, for_tenant = send("GET", "/api/v1/cdrs/a", None, client_for(initech))
    _, for_partner = send(
        "GET", "/api/v1/cdrs/a?tenant=initech", None, client_for(partner)
    )

    assert for_tenant["webhooks"] == []
    assert [one["webhook"] for one in for_partner["webhooks"]] == [str(webhook.pk)]


def test_the_flat_view_is_found_by_our_id_and_keeps_the_cost_exact(send, api):
    send("POST", "/api/v1/cdrs", record("a"))
    cdr = StoredCdr.objects.get()

    response = api.get(f"/rest-api/cdr/{cdr.pk}")

    assert response.status_code == 200
    assert response.json()["cdr_id"] == str(cdr.pk)
    assert len(response.json()) == 19
    assert b'"cost":0.035,' in response.content
