"""An envelope names the webhook that fires and the tenant whose call it is."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from dispatcher.models import Partner, Tenant, Webhook
from tests.pipeline.conftest import call, claim_all

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_the_trigger_id_is_the_end_of_the_webhooks_address(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))

    (item,) = claim_all(webhook, now)

    address = reverse("admin:dispatcher_webhook_change", args=[webhook.pk])
    trigger_id = json.loads(item.outgoing.request.body)["triggerId"]
    assert address.rstrip("/").rpartition("/")[2] == trigger_id


def test_a_partners_webhook_names_the_tenant_of_each_call(take, now):
    partner = Partner.objects.create(name="Operator")
    webhook = Webhook.objects.create(partner=partner, url="https://receiver.example/")
    for name in ("initech", "umbrella"):
        tenant = Tenant.objects.create(external_id=name, name=name, partner=partner)
        take(tenant, call(f"of-{name}"))

    bodies = [json.loads(i.outgoing.request.body) for i in claim_all(webhook, now)]

    named = {(body["cdr"]["id"], body["id"], body["tenantId"]) for body in bodies}
    assert named == {
        ("of-initech", "initech", "initech"),
        ("of-umbrella", "umbrella", "umbrella"),
    }
