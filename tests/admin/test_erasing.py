"""A number is erased on a page of its tenant: first counted, then confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dispatcher.admin import erasing
from dispatcher.models import Membership, StoredCdr, Tenant
from dispatcher.pipeline import erase
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NUMBER = "+442031703746"


@pytest.fixture
def called(acme: Tenant, stored: Callable[..., StoredCdr]) -> None:
    """Two calls of acme, one of them from the number."""
    stored(acme, "c-1", caller={"number": NUMBER})
    stored(acme, "c-2", caller={"number": "+441632960001"})


def page_of(tenant: Tenant) -> str:
    return f"/admin/dispatcher/tenant/{tenant.pk}/erase/"


def post(client: Client, tenant: Tenant, **data: Any) -> str:
    response = client.post(page_of(tenant), {"number": NUMBER, **data})
    assert response.status_code == 200
    return response.content.decode()


def member(tenant: Tenant, role: str) -> Client:
    user = User.objects.create(username=role, is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=role)
    client = Client()
    client.force_login(user)
    return client


def test_it_counts_first_and_erases_when_that_is_confirmed(
    admin_client: Client, acme: Tenant, called: None
) -> None:
    counted = post(admin_client, acme, step="count")
    assert StoredCdr.objects.count() == 2
    erased = post(admin_client, acme, step="erase")

    assert "Would be erased" in counted
    assert "Yes, erase it" in counted
    assert "<h2>Erased</h2>" in erased
    assert StoredCdr.objects.get().uid == "c-2"


def test_what_takes_long_is_gone_on_with_by_a_button(
    admin_client: Client, acme: Tenant, called: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(erase, "STEP", 1)

    assert "Go on" in post(admin_client, acme, step="erase")


def test_what_is_no_number_is_refused_and_shown_as_text(
    admin_client: Client, acme: Tenant, called: None
) -> None:
    text = post(admin_client, acme, number=EVIL, step="erase")

    assert "must be a number of 7 to 15 digits" in text
    assert ESCAPED in text
    assert EVIL not in text
    assert StoredCdr.objects.count() == 2


def test_a_tenants_administrator_erases_and_a_viewer_does_not(
    acme: Tenant, called: None
) -> None:
    viewer, administrator = member(acme, "viewer"), member(acme, "administrator")

    assert viewer.post(page_of(acme), {"number": NUMBER}).status_code == 403
    assert "erase a number" not in _tenants(viewer)
    assert page_of(acme) in _tenants(administrator)
    post(administrator, acme, step="erase")
    assert StoredCdr.objects.get().uid == "c-2"


def _tenants(client: Client) -> str:
    return client.get("/admin/dispatcher/tenant/").content.decode()


def test_of_another_tenant_nothing_is_erased(
    acme: Tenant, globex: Tenant, called: None
) -> None:
    response = member(globex, "administrator").post(
        page_of(acme), {"number": NUMBER, "step": "erase"}
    )

    assert response.status_code == 302
    assert StoredCdr.objects.count() == 2
