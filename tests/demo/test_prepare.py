"""What the demo makes in a database, whatever is there already."""

from __future__ import annotations

from typing import Any

import pytest

from cdrhook.demo.plays import feed
from cdrhook.demo.prepare import prepare
from dispatcher.models import Partner, Tenant, Webhook

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def wanted(style: str, *tenants: str, of_partners: bool = False) -> dict[str, Any]:
    webhook = {
        "url": "https://receiver.example/cdr",
        "retries": 3,
        "tenants": tenants,
        "options": [],
    }
    return {
        "style": style,
        "of_partners": of_partners,
        "webhooks": {"healthy": webhook},
    }


def test_a_style_of_tenants_gets_a_tenant_with_token_and_webhook() -> None:
    made = prepare(wanted("batch", "demo"))
    webhook = Webhook.objects.get()
    assert webhook.tenant == Tenant.objects.get(external_id="demo")
    assert (str(webhook.pk), webhook.style) == (
        made["webhooks"]["healthy"]["id"],
        "batch",
    )
    assert made["tokens"] == {"demo": made["webhooks"]["healthy"]["token"]}


def test_another_style_uses_the_tenant_that_is_there() -> None:
    prepare(wanted("envelope", "demo"))
    prepare(wanted("batch", "demo"))
    assert Tenant.objects.count() == 1
    assert Webhook.objects.count() == 2


def test_what_an_interrupted_start_made_is_switched_off() -> None:
    prepare(wanted("batch", "demo"))
    made = prepare(wanted("batch", "demo"))
    webhook = Webhook.objects.get(active=True)
    assert str(webhook.pk) == made["webhooks"]["healthy"]["id"]


def test_after_an_interrupted_start_a_partner_still_has_one_active_feed() -> None:
    of_feed = wanted("feed", "demo-north", "demo-south", of_partners=True)
    prepare(of_feed)
    made = prepare(of_feed)
    webhook = Webhook.objects.get(active=True)
    assert str(webhook.pk) == made["webhooks"]["healthy"]["id"]
    assert webhook.partner == Partner.objects.get()
    assert set(made["tokens"]) == {"demo-north", "demo-south"}


def test_a_feeds_secret_may_begin_as_an_option_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "-0123456789abcdefghijklmnopqrstu"
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: secret)
    asked = wanted("feed", "demo-north", of_partners=True)
    asked["webhooks"]["healthy"]["options"] = feed.options()
    assert prepare(asked)["webhooks"]["healthy"]["secret"] == secret
