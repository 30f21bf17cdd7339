"""A webhook's page takes keys and passwords, and never shows them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from django.contrib.auth.models import User
from django.test import Client

from dispatcher.models import Membership, Webhook
from tests.admin.test_webhooks import add, change, page
from tests.sending.identities import authority_of, chain_of, key_of

if TYPE_CHECKING:
    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CA = trustme.CA()
CLIENT = CA.issue_cert("client.example")
KEY = key_of(CLIENT)
IDENTITY = {
    "ca_certificates": authority_of(CA),
    "client_certificate": chain_of(CLIENT),
    "basic_username": "cdrhook",
}
HIDDEN = {"client_key": KEY, "basic_password": " hunter2"}
KEPT = {"client_key": "***", "basic_password": "***"}


@pytest.fixture
def webhook(admin_client: Client, acme: Tenant) -> Webhook:
    add(admin_client, tenant=acme.pk, **IDENTITY, **HIDDEN)
    return Webhook.objects.get()


def hides(text: str) -> bool:
    text = html.unescape(text)
    return "hunter2" not in text and KEY.splitlines()[1] not in text


def test_they_are_saved_and_never_shown(admin_client, webhook):
    assert (webhook.client_key.strip(), webhook.basic_password) == (
        KEY.strip(),
        " hunter2",
    )
    text = page(admin_client, webhook)
    assert "BEGIN CERTIFICATE" in text
    assert 'name="basic_username" value="cdrhook"' in text
    assert hides(text)


def test_what_is_left_alone_stays(admin_client, webhook):
    change(admin_client, webhook, retries="5", **IDENTITY, **KEPT)

    after = Webhook.objects.get()
    assert (after.retries, after.basic_password) == (5, " hunter2")
    assert after.client_key == webhook.client_key


def test_what_is_emptied_ends(admin_client, webhook):
    nothing: dict[str, Any] = dict.fromkeys({**IDENTITY, **HIDDEN}, "")
    change(admin_client, webhook, **nothing)

    assert Webhook.objects.get().identity() is None


def test_what_does_not_fit_is_said_at_its_field(admin_client, webhook):
    other = key_of(CA.issue_cert("other.example"))
    wish = {**IDENTITY, **KEPT, "client_key": other}

    text = change(admin_client, webhook, **wish)

    assert "does not fit the client certificate" in text
    assert Webhook.objects.get().client_key == webhook.client_key


def test_a_viewer_sees_neither_key_nor_password(webhook, acme):
    user = User.objects.create(username="viewer", is_staff=True)
    Membership.objects.create(user=user, tenant=acme, role=Membership.VIEWER)
    client = Client()
    client.force_login(user)

    text = page(client, webhook)

    assert "BEGIN CERTIFICATE" in text
    assert hides(text)
