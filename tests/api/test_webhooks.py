"""Webhooks are made, shown, changed and deleted."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
from django.utils import timezone

from dispatcher.models import Delivery, Webhook, WebhookHeader
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/webhooks"
URL = "https://receiver.example/cdr"
KEYS = [
    "id",
    "tenant",
    "partner",
    "url",
    "method",
    "format",
    "style",
    "filters",
    "custom_data",
    "headers",
    "retries",
    "max_in_flight",
    "max_per_second",
    "ordered",
    "when_down",
    "when_disabled",
    "active",
    "health",
    "batch_size",
    "batch_seconds",
    "resource",
    "secret_set",
]


@pytest.fixture
def made(send):
    """A webhook of acme with a bit of everything, as POST answered it."""
    _, webhook = send(
        "POST",
        PATH,
        {
            "url": URL,
            "style": "envelope",
            "filters": [{"field": "dir", "op": "eq", "value": "inbound"}],
            "custom_data": {"hook": "post call"},
            "headers": {"x-api-key": "abc"},
            "retries": 3,
        },
    )
    return webhook


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(send):
    status, made = send("POST", PATH, {"url": URL})
    _, shown = send("GET", f"{PATH}/{made['id']}")

    assert status == 201
    assert made["secret"].startswith("whsec_")
    assert list(shown) == KEYS
    assert shown | {"secret": made["secret"]} == made


def test_it_shows_what_was_set_with_header_values_masked(made, send):
    _, shown = send("GET", f"{PATH}/{made['id']}")

    assert (shown["tenant"], shown["partner"]) == ("acme", None)
    assert shown["filters"] == [{"field": "dir", "op": "eq", "value": "inbound"}]
    assert shown["custom_data"] == {"hook": "post call"}
    assert shown["headers"] == {"x-api-key": "***"}
    assert (shown["retries"], shown["health"], shown["secret_set"]) == (3, "OK", True)


@pytest.mark.parametrize(
    ("given", "shown", "stored"),
    [("none", None, ""), ("any text", "any text", "any text")],
)
def test_a_secret_may_be_given_or_declined(send, given, shown, stored):
    _, made = send("POST", PATH, {"url": URL, "secret": given})

    assert (made["secret"], made["secret_set"]) == (shown, bool(stored))
    assert Webhook.objects.get().secret == stored


def test_our_own_options_are_shown_where_they_are_in_use(send):
    options = {
        "on_update": True,
        "honour_retry_after": True,
        "disable_on_410": True,
        "also_accept": [202, 204],
    }

    _, made = send("POST", PATH, {"url": URL, **options})

    assert {name: made[name] for name in options} == options
    assert Webhook.objects.get().accepted_statuses == {202, 204}


def test_a_patch_changes_only_what_it_names(made, send, woken):
    status, changed = send("PATCH", f"{PATH}/{made['id']}", {"retries": 0})

    made.pop("secret")
    assert status == 200
    assert changed == made | {"retries": 0}
    assert [str(webhook_id) for webhook_id in woken] == [made["id"]]


def test_what_was_read_can_be_written_back(made, send):
    path = f"{PATH}/{made['id']}"
    _, shown = send("GET", path)

    status, changed = send("PATCH", path, shown | {"active": False})

    assert (status, changed) == (200, shown | {"active": False})
    assert WebhookHeader.objects.get().value == "abc"


def test_a_masked_header_keeps_its_value_beside_new_ones(made, send):
    headers = {"X-Api-Key": "***", "x-other": "new"}

    _, changed = send("PATCH", f"{PATH}/{made['id']}", {"headers": headers})

    values = dict(WebhookHeader.objects.values_list("name", "value"))
    assert values == {"X-Api-Key": "abc", "x-other": "new"}
    assert set(changed["headers"].values()) == {"***"}


def test_a_patch_may_replace_filters_and_custom_data(made, send):
    changes = {
        "filters": [{"field": "dur", "op": "gt", "value": 30}],
        "custom_data": {},
    }

    _, changed = send("PATCH", f"{PATH}/{made['id']}", changes)

    assert changed["filters"] == [{"field": "dur", "op": "gt", "value": "30"}]
    assert changed["custom_data"] == {}


def test_a_new_secret_leaves_the_former_one_valid_for_a_day(made, send):
    send("PATCH", f"{PATH}/{made['id']}", {"secret": "mine"})

    now = timezone.now()
    webhook = Webhook.objects.get()
    assert webhook.signing_secrets(now) == ("mine", made["secret"])
    assert webhook.signing_secrets(now + dt.timedelta(hours=24)) == ("mine",)


def test_a_change_works_for_the_very_next_call(made, send):
    send("PATCH", f"{PATH}/{made['id']}", {"filters": []})

    send("POST", "/api/v1/cdrs", record("a", direction="outbound"))

    assert Delivery.objects.count() == 1


def test_another_url_is_not_known_to_be_quick(acme, webhook_of, send):
    webhook = webhook_of(acme, quick_answers=50, answer_ms=20, lane="slow")

    send("PATCH", f"{PATH}/{webhook.pk}", {"url": "https://other.example/"})

    webhook.refresh_from_db()
    assert (webhook.lane, webhook.quick_answers, webhook.answer_ms) == ("fast", 0, 0)


def test_webhooks_are_listed_newest_first(made, send):
    _, second = send("POST", PATH, {"url": URL})

    _, listed = send("GET", PATH)

    assert [one["id"] for one in listed] == [second["id"], made["id"]]


def test_a_deleted_webhook_is_gone_and_its_backlog_cancelled(made, send):
    send("POST", "/api/v1/cdrs", record("a"))

    status, _ = send("DELETE", f"{PATH}/{made['id']}")

    _, page = send("GET", "/api/v1/deliveries")
    assert status == 204
    assert send("GET", f"{PATH}/{made['id']}")[0] == 404
    assert send("GET", PATH)[1] == []
    assert [item["state"] for item in page["items"]] == ["cancelled"]
    assert "deleted" in Delivery.objects.get().last_error


@pytest.mark.usefixtures("feed_style")
def test_a_partner_manages_its_own_webhooks_and_by_name_its_tenants(
    initech, partner, client_for, send
):
    client = client_for(partner)

    _, own = send("POST", PATH, {"url": URL, "style": "feed"}, client)
    _, theirs = send("POST", f"{PATH}?tenant=initech", {"url": URL}, client)

    assert (own["tenant"], own["partner"]) == (None, str(partner.pk))
    assert (own["secret"], own["secret_set"]) == (None, False)
    assert (theirs["tenant"], theirs["partner"]) == ("initech", None)
    assert [one["id"] for one in send("GET", PATH, None, client)[1]] == [own["id"]]
    assert send("GET", f"{PATH}/{theirs['id']}", None, client)[0] == 404
    assert send("GET", f"{PATH}/{theirs['id']}?tenant=initech", None, client)[0] == 200


def test_a_webhook_may_come_in_chunks(api):
    sent = json.dumps({"url": "https://receiver.example/", "style": "envelope"})

    response = api.post(
        "/api/v1/webhooks",
        content_type="application/json",
        headers={"transfer-encoding": "chunked"},
        **{"wsgi.input": io.BytesIO(sent.encode()), "CONTENT_LENGTH": ""},
    )

    assert response.status_code == 201
