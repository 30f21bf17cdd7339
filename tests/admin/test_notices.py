"""The admin's page of what operators were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from dispatcher.models import Membership, Notice, Webhook

if TYPE_CHECKING:
    from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/dispatcher/notice/"


@pytest.fixture
def notice(acme, now) -> Notice:
    return Notice.objects.create(
        webhook=Webhook.objects.create(tenant=acme, url="https://receiver.example/"),
        kind="down",
        channel="email",
        happened_at=now,
        details={"error": "answered <500>", "failures": 10},
        tries=32,
        error="the e-mail was not taken",
    )


def test_the_list_says_what_could_not_be_told(admin_client: Client, notice):
    page = admin_client.get(LIST).content.decode()
    assert "went down" in page
    assert "given up after 32 tries" in page
    assert "the e-mail was not taken" in page


def test_a_notice_shows_what_was_known_of_the_failures(admin_client: Client, notice):
    page = admin_client.get(f"{LIST}{notice.pk}/change/").content.decode()
    assert "answered &lt;500&gt;" in page
    assert "https://receiver.example/" in page


def test_members_of_a_tenant_see_no_notices(client: Client, notice, acme):
    user = User.objects.create(username="acme-admin", is_staff=True)
    Membership.objects.create(user=user, tenant=acme, role="administrator")
    client.force_login(user)
    assert client.get(LIST).status_code == 403
