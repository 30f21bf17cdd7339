"""The addresses that newfies.txt and dimensions.txt document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

if TYPE_CHECKING:
    from django.test import Client

    from dispatcher.models import Delivery, Webhook

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_deliveries_are_at_the_address_that_newfies_documents(
    admin_client: Client,
) -> None:
    address = reverse("admin:dispatcher_delivery_changelist")

    assert address == "/admin/webhook/webhookcdr/"
    assert admin_client.get(address).status_code == 200


def test_a_deliverys_page_is_beneath_the_documented_address(failed: Delivery) -> None:
    address = reverse("admin:dispatcher_delivery_change", args=[failed.pk])

    assert address == f"/admin/webhook/webhookcdr/{failed.pk}/"


def test_a_webhooks_address_ends_in_its_id(
    admin_client: Client, webhook: Webhook
) -> None:
    address = reverse("admin:dispatcher_webhook_change", args=[webhook.pk])

    assert address == f"/admin/webhooks/{webhook.pk}/"
    assert admin_client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("default", "documented"),
    [
        ("dispatcher/delivery/", "webhook/webhookcdr/"),
        ("dispatcher/delivery/?state=failed", "webhook/webhookcdr/?state=failed"),
        ("dispatcher/delivery/1/change/", "webhook/webhookcdr/1/"),
        ("dispatcher/webhook/", "webhooks/"),
        ("dispatcher/webhook/add/", "webhooks/add/"),
        ("dispatcher/webhook/1/change/", "webhooks/1/"),
    ],
)
def test_djangos_default_address_redirects_to_the_documented_one(
    admin_client: Client, default: str, documented: str
) -> None:
    response = admin_client.get(f"/admin/{default}")

    assert response.status_code == 302
    assert response["Location"] == f"/admin/{documented}"


@pytest.mark.parametrize("junk", ["junk", "00000000-0000-7000-8000-000000000000"])
def test_a_delivery_that_there_is_not_leads_back_with_a_message(
    admin_client: Client, junk: str
) -> None:
    response = admin_client.get(f"/admin/webhook/webhookcdr/{junk}/", follow=True)

    assert response.status_code == 200
    assert "exist" in response.content.decode()


def test_whoever_is_not_logged_in_sees_nothing(client: Client) -> None:
    response = client.get("/admin/webhook/webhookcdr/")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
