"""What stands in the operator's own network is shown to the operator alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dispatcher.models import Membership
from tests.admin.test_delivery_page import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.models import Delivery, Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def member(acme: Tenant) -> Client:
    user = User.objects.create(username="member", is_staff=True)
    Membership.objects.create(user=user, tenant=acme, role=Membership.ADMINISTRATOR)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def tried(failed: Delivery) -> Callable[[str], Delivery]:
    def at(address: str) -> Delivery:
        failed.attempts.update(address=address)
        return failed

    return at


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "fd00::7", "fe80::7%2"])
def test_a_member_sees_no_inner_address_and_no_phases(member, tried, address):
    text = page(member, tried(address))

    assert "answered 503" in text
    assert f"at {address}" not in text
    assert "connect 11 ms" not in text


def test_an_operator_sees_both(admin_client, tried):
    text = page(admin_client, tried("10.0.0.7"))

    assert "at 10.0.0.7" in text
    assert "connect 11 ms" in text


def test_a_member_sees_where_a_public_receiver_is(member, tried):
    text = page(member, tried("93.184.215.14"))

    assert "at 93.184.215.14" in text
    assert "connect 11 ms" in text


def test_a_test_calls_outcome_is_shown_in_the_same_way(member, tried, webhook):
    delivery = tried("10.0.0.7")
    delivery.test_uid = "test-1"
    delivery.save()

    response = member.get(f"/admin/webhooks/{webhook.pk}/?tested={delivery.pk}")

    assert "answered 503" in response.content.decode()
    assert "10.0.0.7" not in response.content.decode()
