"""GET /api/v1/cdrs/{uid} and GET /rest-api/cdr/{id}."""

from __future__ import annotations

import pytest

from dispatcher.models import OwedCdr, StoredCdr, Webhook, WebhookFilter
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


@pytest.mark.parametrize(
    ("left_out", "change", "reason"),
    [
        ("", {}, "it waits for its batch or window"),
        ("", {"health": "DOWN"}, "it waits for its batch or window"),
        (
            "",
            {"active": False},
            "it is held before its batch or window: the webhook is switched off",
        ),
        (
            "late",
            {},
            "it came after its window had been sent, and late records are not sent",
        ),
        ("deleted", {}, "the webhook was deleted before it was sent"),
        (
            "was_delivered",
            {"active": False},
            "it was delivered; the delivery has been purged since",
        ),
        ("was_failed", {}, "its delivery failed, and has been purged since"),
        (
            "was_cancelled",
            {},
            "its delivery was cancelled, and has been purged since",
        ),
    ],
)
def test_it_says_why_no_delivery_carries_what_is_owed(
    acme, webhook_of, send, left_out, change, reason
):
    webhook_of(acme, style="batch")
    send("POST", "/api/v1/cdrs", record("a"))
    OwedCdr.objects.update(left_out=left_out)
    Webhook.objects.update(**change)

    _, shown = send("GET", "/api/v1/cdrs/a")

    (fate,) = shown["webhooks"]
    assert (fate["deliveries"], fate["reason"]) == ([], reason)


def test_it_tells_the_fate_of_the_record_and_that_of_its_summary(
    acme, webhook_of, send
):
    webhook = webhook_of(acme, style="batch")
    send("POST", "/api/v1/cdrs", record("a"))
    owed = OwedCdr.objects.get()
    OwedCdr.objects.filter(pk=owed.pk).update(left_out="deleted")
    OwedCdr.objects.create(webhook=webhook, cdr=owed.cdr, kind="call_summary")

    _, shown = send("GET", "/api/v1/cdrs/a")

    assert shown["webhooks"][0]["reason"] == (
        "the webhook was deleted before it was sent; "
        "call summary: it waits for its batch or window"
    )


def test_a_summary_that_waits_is_told_beside_the_records_delivery(
    acme, webhook_of, send
):
    webhook = webhook_of(acme)
    send("POST", "/api/v1/cdrs", record("a"))
    _, before = send("GET", "/api/v1/cdrs/a")
    cdr = StoredCdr.objects.get()
    OwedCdr.objects.create(webhook=webhook, cdr=cdr, kind="call_summary")

    _, after = send("GET", "/api/v1/cdrs/a")

    assert before["webhooks"][0]["reason"] == ""
    assert after["webhooks"][0]["deliveries"] == before["webhooks"][0]["deliveries"]
    assert after["webhooks"][0]["reason"] == (
        "call summary: it waits for its batch or window"
    )


def test_a_call_in_a_large_delivery_takes_as_many_queries(
    acme, webhook_of, send, api, django_assert_num_queries
):
    webhook = webhook_of(acme)
    send("POST", "/api/v1/cdrs", record("a"))
    delivery = OwedCdr.objects.get().delivery
    with django_assert_num_queries(10):
        api.get("/api/v1/cdrs/a")
    send("POST", "/api/v1/cdrs", {"cdrs": [record(f"b{n}") for n in range(50)]})
    OwedCdr.objects.filter(webhook=webhook).update(delivery=delivery)

    with django_assert_num_queries(10):
        shown = api.get("/api/v1/cdrs/a").json()

    assert len(shown["webhooks"][0]["deliveries"][0]["cdrs"]) == 51


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
