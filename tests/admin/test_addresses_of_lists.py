"""What the address of a list may ask for, and what it may not."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.mark.parametrize(
    "address",
    [
        "/admin/dispatcher/storedcdr/?uid__regex=%5E(a%2B)%2Bb%24",
        "/admin/dispatcher/storedcdr/?uid__iregex=a",
        "/admin/dispatcher/storedcdr/?uid__startswith=a",
        "/admin/dispatcher/storedcdr/?record__contains=a",
        "/admin/dispatcher/storedcdr/?tenant__name__regex=a",
        "/admin/webhooks/?secret__regex=%5Eg",
        "/admin/webhooks/?secret=g",
        "/admin/webhooks/?secret__gt=g",
        "/admin/webhooks/?previous_secret__isnull=1",
        "/admin/dispatcher/integration/?openai_key__startswith=g",
        "/admin/webhook/webhookcdr/?request_body=a",
    ],
)
def test_no_list_is_asked_by_patterns_or_for_secrets(admin_client, webhook, address):
    response = admin_client.get(address)

    assert response.status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "/admin/dispatcher/storedcdr/?tenant__id__exact={tenant}",
        "/admin/webhooks/?active__exact=1",
        "/admin/webhook/webhookcdr/?created_at_from=2026-11-01&created_at_to=2026-11-30",
    ],
)
def test_lists_are_asked_by_what_their_pages_offer(admin_client, acme, address):
    response = admin_client.get(address.format(tenant=acme.pk))

    assert response.status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/admin/webhook/webhookcdr/?created_at_to=9999-12-31",
        "/admin/webhook/webhookcdr/?created_at_from=0001-01-01",
        "/admin/dispatcher/callsummary/?created_at_to=9999-12-31",
        "/admin/webhooks/add/?tenant=no-id",
    ],
)
def test_an_address_that_makes_no_sense_is_answered_with_a_page(admin_client, address):
    assert admin_client.get(address).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/admin/balance/?tenant=a%00",
        "/admin/webhook/webhookcdr/?state=a%00",
        "/admin/webhooks/?health__exact=a%00",
        "/admin/dispatcher/auditentry/?action=a%00",
        "/admin/dispatcher/auditentry/?at__gte=9999-12-31T23:59:59-23:59",
        "/admin/dispatcher/replay/?since=9999-12-31T23:59:59-23:59",
    ],
)
def test_what_no_database_can_hold_is_no_fault_of_the_servers(
    admin_client, acme, address
):
    assert admin_client.get(address).status_code in {200, 400}


@pytest.mark.parametrize(
    "page", ["webhooks", "dispatcher/apitoken", "dispatcher/integration"]
)
def test_an_owner_that_is_no_id_is_no_fault_of_the_servers(admin_client, page):
    response = admin_client.post(f"/admin/{page}/add/", {"tenant": "x"})

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dispatcher/replay/", "There is nothing here yet."),
        ("dispatcher/replay/?q=example", "Nothing here is as asked for."),
        ("webhooks/", "Add webhook"),
    ],
)
def test_an_empty_list_says_so_in_words(admin_client, address, said):
    page = admin_client.get(f"/admin/{address}").content.decode()

    assert said in page
    assert ("Add webhook" in page) == ("webhooks" in address)


def test_there_is_no_way_out_to_pages_of_the_site(admin_client):
    assert admin_client.get("/admin/r/1/1/").status_code == 404
