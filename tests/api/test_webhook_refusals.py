"""What may not be saved, and that the field at fault is named."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.models import Webhook
from dispatcher.pipeline.subscribe import WebhookDraft, create_webhook, refusals

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/webhooks"
URL = "https://receiver.example/cdr"


def fields_of(problem: Any) -> list[str]:
    """The names of the fields at fault."""
    return [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "ftp://receiver.example/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": ""}, "url"),
        ({"style": "nonsense"}, "style"),
        ({"style": "feed"}, "style"),
        ({"style": "flat", "method": "PUT"}, "method"),
        ({"style": "flat", "custom_data": {"cost": "1"}}, "custom_data"),
        ({"method": "DELETE"}, "method"),
        ({"format": "xml"}, "format"),
        ({"retries": 11}, "retries"),
        ({"retries": -1}, "retries"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": 101}, "max_in_flight"),
        ({"max_per_second": 0}, "max_per_second"),
        ({"max_per_second": 10**30}, "max_per_second"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_seconds": 10**6}, "batch_seconds"),
        ({"when_down": "wait"}, "when_down"),
        ({"when_disabled": "keep"}, "when_disabled"),
        ({"resource": "all"}, "resource"),
        ({"also_accept": [302, 600]}, "also_accept"),
        ({"also_accept": [100]}, "also_accept"),
        ({"headers": {"webhook-id": "x"}}, "headers"),
        ({"headers": {"x": "a\nb"}}, "headers"),
        ({"headers": {"x": "1", "X": "2"}}, "headers"),
        ({"headers": {"x": "***"}}, "headers"),
        ({"custom_data": {"a": "x" * 2001}}, "custom_data"),
        ({"custom_data": {"a": "\0"}}, "custom_data"),
        ({"custom_data": {str(n): "" for n in range(101)}}, "custom_data"),
        ({"mask": "stars"}, "mask"),
        ({"mask_digits": 0}, "mask_digits"),
        ({"mask_digits": 21}, "mask_digits"),
        ({"allowed_fields": ["cliNum", "nope"]}, "allowed_fields"),
        ({"allowed_fields": ["tags." + "x" * 100]}, "allowed_fields"),
        ({"allowed_fields": ["dur"] * 201}, "allowed_fields"),
        ({"secret": "x" * 501}, "secret"),
    ],
)
def test_a_setting_that_cannot_be_is_named(send, settings, field):
    status, problem = send("POST", PATH, {"url": URL, **settings})

    assert status == 422
    assert field in fields_of(problem)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"field": "nonsense", "op": "eq", "value": "1"}, "filters.1.field"),
        ({"field": "dur", "op": "near", "value": "1"}, "filters.1.op"),
        ({"field": "dur", "op": "gt", "value": "long"}, "filters.1.value"),
        ({"field": "dur", "op": "gt"}, "filters.1.value"),
    ],
)
def test_a_filter_that_cannot_be_is_named_by_position_and_part(send, condition, field):
    good = {"field": "dur", "op": "gt", "value": "5"}

    status, problem = send("POST", PATH, {"url": URL, "filters": [good, condition]})

    assert (status, fields_of(problem)) == (422, [field])


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "settings",
    [
        {"nonsense": 1},
        {"retries": "3"},
        {"retries": True},
        {"retries": None},
        {"active": 1},
        {"filters": {}},
        {"custom_data": {"a": 1}},
        {"also_accept": ["202"]},
        {"secret": 1},
        {"secret_set": False},
        {"health": "DOWN"},
        {"tenant": "globex"},
    ],
)
def test_unknown_keys_and_wrong_types_are_refused_by_name(
    acme, webhook_of, send, method, settings
):
    path = f"{PATH}/{webhook_of(acme, secret='x').pk}" if method == "PATCH" else PATH

    status, problem = send(method, path, {"url": URL, **settings})

    assert status == 422
    assert fields_of(problem)[0].split(".")[0] == next(iter(settings))


def test_a_patch_is_judged_as_a_whole(acme, webhook_of, send):
    webhook = webhook_of(acme, method="PUT")

    status, problem = send("PATCH", f"{PATH}/{webhook.pk}", {"style": "flat"})

    webhook.refresh_from_db()
    assert (status, fields_of(problem)) == (422, ["method"])
    assert webhook.style == "envelope"


def test_a_tenant_has_no_more_webhooks_than_its_limit(acme, send):
    acme.max_webhooks = 1
    acme.save()
    _, first = send("POST", PATH, {"url": URL})

    status, problem = send("POST", PATH, {"url": URL})
    send("DELETE", f"{PATH}/{first['id']}")

    assert (status, fields_of(problem)) == (422, ["tenant"])
    assert "may have 1" in problem["errors"][0]["message"]
    assert send("POST", PATH, {"url": URL})[0] == 201


@pytest.mark.usefixtures("feed_style")
def test_a_partner_has_one_active_feed(partner, client_for, send):
    client, feed = client_for(partner), {"url": URL, "style": "feed"}
    send("POST", PATH, feed, client)

    status, problem = send("POST", PATH, feed, client)
    inactive, second = send("POST", PATH, feed | {"active": False}, client)
    switched_on, _ = send("PATCH", f"{PATH}/{second['id']}", {"active": True}, client)

    assert (status, fields_of(problem)) == (422, ["style"])
    assert (inactive, switched_on) == (201, 422)


def test_a_webhook_needs_a_url(send):
    status, problem = send("POST", PATH, {})

    assert (status, problem["errors"]) == (
        422,
        [{"field": "url", "message": "required"}],
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b"1"])
def test_a_body_that_is_no_object_is_refused(send, body):
    assert send("POST", PATH, body)[0] in {400, 422}


def test_a_draft_belongs_to_one_owner(acme, partner, now):
    both = WebhookDraft(tenant=acme, partner=partner, url=URL)

    assert [error.field for error in refusals(both)] == ["tenant"]
    assert [error.field for error in refusals(WebhookDraft(url=URL))] == ["tenant"]
    assert create_webhook(WebhookDraft(tenant=acme, url=URL), now=now)[1]
