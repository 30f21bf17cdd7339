"""Tenants, partners and API tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dispatcher.models import ApiToken, Partner, Source, Tenant, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_new_token_is_shown_once_and_stored_as_its_digest(
    admin_client: Client, acme: Tenant
) -> None:
    wish = {"tenant": acme.pk, "scopes": ["read", "manage"], "name": "CRM"}

    response = admin_client.post("/admin/dispatcher/apitoken/add/", wish, follow=True)

    shown = re.search(r"cdr_[\w-]{40,}", response.content.decode())
    token = ApiToken.objects.get()
    assert shown is not None
    assert token.digest == ApiToken.digest_of(shown[0])
    assert token.scopes == ["read", "manage"]
    later = admin_client.get("/admin/dispatcher/apitoken/").content.decode()
    assert shown[0] not in later
    assert token.digest not in later


def test_a_token_needs_one_owner_and_a_scope(
    admin_client: Client, acme: Tenant
) -> None:
    add = "/admin/dispatcher/apitoken/add/"

    nobodys = admin_client.post(add, {"scopes": ["read"]}).content.decode()
    useless = admin_client.post(add, {"tenant": acme.pk}).content.decode()

    assert "A token belongs to one tenant or to one partner." in nobodys
    assert "This field is required." in useless
    assert not ApiToken.objects.exists()


def test_a_revoked_token_is_not_valid_any_more(
    admin_client: Client, acme: Tenant, token_of: Callable[..., str]
) -> None:
    token_of(acme, "read")
    token = ApiToken.objects.get()

    response = admin_client.post(
        "/admin/dispatcher/apitoken/",
        {"action": "revoke", "_selected_action": [token.pk]},
        follow=True,
    )

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert ">revoked</span>" in response.content.decode()


def test_a_tokens_own_address_leads_to_the_list(
    admin_client: Client, acme: Tenant, token_of: Callable[..., str]
) -> None:
    token_of(acme, "read")

    token = ApiToken.objects.get()
    response = admin_client.get(f"/admin/dispatcher/apitoken/{token.pk}/change/")

    assert response["Location"] == "/admin/dispatcher/apitoken/"


def test_tenants_and_partners_are_made_and_listed(admin_client: Client) -> None:
    admin_client.post("/admin/dispatcher/partner/add/", {"name": "Northern"})
    partner = Partner.objects.get()
    admin_client.post(
        "/admin/dispatcher/tenant/add/",
        {
            "external_id": "acme",
            "name": "Acme",
            "partner": partner.pk,
            "time_zone": "UTC",
        },
    )

    assert Tenant.objects.get().partner == partner
    for kind, shown in (("tenant", "acme"), ("partner", "Northern")):
        assert shown in admin_client.get(f"/admin/dispatcher/{kind}/").content.decode()


def test_a_tenant_with_webhooks_or_sources_cannot_be_deleted(
    admin_client: Client, acme: Tenant, globex: Tenant, outsider: Tenant
) -> None:
    Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    Source.objects.create(tenant=outsider, name="switch-1", pbx="freeswitch")

    for tenant in (acme, globex, outsider):
        address = f"/admin/dispatcher/tenant/{tenant.pk}/delete/"
        admin_client.post(address, {"post": "yes"})

    left = Tenant.objects.values_list("external_id", flat=True)
    assert list(left) == ["acme", "outsider"]


@pytest.mark.parametrize(("kind", "owner"), [("tenant", "acme"), ("partner", "north")])
def test_the_links_of_an_owner_lead_to_what_it_owns(
    admin_client: Client, kind: str, owner: str
) -> None:
    north = Partner.objects.create(name="north")
    acme = Tenant.objects.create(external_id="acme", name="Acme", partner=north)
    Webhook.objects.create(
        **{kind: acme if kind == "tenant" else north}, url=f"https://{owner}.example/"
    )
    Webhook.objects.create(
        tenant=Tenant.objects.create(external_id="globex", name="Globex"),
        url="https://globex.example/",
    )
    text = admin_client.get(f"/admin/dispatcher/{kind}/").content.decode()

    links = [link for link in re.findall(r'href="([^"]+)"', text) if "__exact=" in link]

    pages = [admin_client.get(link) for link in links]
    assert pages
    assert all(page.status_code == 200 for page in pages)
    assert any(f"{owner}.example" in page.content.decode() for page in pages)
