"""A tenant's limit on webhooks is set here, and holds here ("license depending")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dispatcher.models import Tenant, Webhook
from tests.admin.test_webhooks import add, change

if TYPE_CHECKING:
    from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def full(webhook: Webhook) -> Tenant:
    """acme, with the one webhook that it may have."""
    Tenant.objects.update(max_webhooks=1)
    return Tenant.objects.get()


def test_a_webhook_beyond_the_limit_is_refused_with_the_reason(
    admin_client: Client, full: Tenant
) -> None:
    text = add(admin_client, tenant=full.pk)

    assert "acme may have 1 webhooks and has 1" in text
    assert Webhook.objects.count() == 1


def test_the_webhooks_that_there_are_can_still_be_changed(
    admin_client: Client, full: Tenant, webhook: Webhook
) -> None:
    change(admin_client, webhook, retries="7")

    webhook.refresh_from_db()
    assert webhook.retries == 7


def test_there_is_room_again_when_one_is_deleted_or_the_limit_is_raised(
    admin_client: Client, full: Tenant, webhook: Webhook
) -> None:
    admin_client.post(f"/admin/webhooks/{webhook.pk}/delete/", {"post": "yes"})
    add(admin_client, tenant=full.pk)
    Tenant.objects.update(max_webhooks=2)
    add(admin_client, tenant=full.pk)

    assert Webhook.objects.filter(deleted_at__isnull=True).count() == 2


def test_the_limit_is_set_on_the_tenants_page(
    admin_client: Client, acme: Tenant
) -> None:
    address = f"/admin/dispatcher/tenant/{acme.pk}/change/"
    form = {"name": "Acme", "external_id": "acme", "time_zone": "UTC"}

    response = admin_client.post(address, {**form, "max_webhooks": "3"})

    acme.refresh_from_db()
    assert (response.status_code, acme.max_webhooks) == (302, 3)
