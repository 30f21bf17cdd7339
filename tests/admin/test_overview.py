"""The first page, the sidebar, and the pages of Django's and Celery beat's own models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dispatcher.models import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from dispatcher.models import Delivery, Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_it_shows_how_sending_goes_and_what_needs_attention(
    admin_client: Client, failed: Delivery, delivery_of: Callable[..., Delivery]
) -> None:
    delivery_of(failed.webhook, "call-2")
    delivery_of(failed.webhook, "call-3", "delivered")
    Webhook.objects.update(health="DOWN", down_since=timezone.now())

    response = admin_client.get("/admin/")

    figures = response.context["overview"]["figures"]
    assert {figure.title: figure.count for figure in figures} == {
        "Pending": "0",
        "Held": "1",
        "Calls waiting": "0",
        "Calls held": "0",
        "Failed": "1",
        "Delivered": "1",
        "Quarantine": "0",
    }
    text = response.content.decode()
    assert "receiver.example" in text
    assert "answered 503; only 200 and 201 confirm receipt" in text


def test_a_figure_leads_to_the_deliveries_that_it_counts(
    admin_client: Client, failed: Delivery
) -> None:
    figures = admin_client.get("/admin/").context["overview"]["figures"]

    link = next(figure.link for figure in figures if figure.title == "Failed")
    assert str(failed.pk) in admin_client.get(link).content.decode()


def test_it_is_cheap(
    admin_client: Client, failed: Delivery, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12):
        admin_client.get("/admin/")


def test_whoever_is_a_member_of_nothing_sees_no_overview(client: Client) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True))

    response = client.get("/admin/")

    assert response.status_code == 200
    assert response.context["overview"] is None


@pytest.mark.parametrize(
    "title",
    [
        "Deliveries",
        "CDRs",
        "Webhooks",
        "Quarantine",
        "Tenants",
        "Partners",
        "API tokens",
        "Schedules",
        "Users",
    ],
)
def test_each_entry_of_the_sidebar_leads_to_a_page(
    admin_client: Client, title: str
) -> None:
    groups = admin_client.get("/admin/").context["sidebar_navigation"]
    links = {item["title"]: item["link"] for group in groups for item in group["items"]}

    assert admin_client.get(links[title]).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "django_celery_beat/periodictask/add/",
        "django_celery_beat/crontabschedule/add/",
        "django_celery_beat/intervalschedule/",
        "auth/user/add/",
        "webhooks/add/",
        "dispatcher/apitoken/add/",
        "dispatcher/tenant/add/",
    ],
)
def test_each_form_opens(admin_client: Client, address: str) -> None:
    assert admin_client.get(f"/admin/{address}").status_code == 200


@pytest.mark.parametrize("address", ["", "webhook/webhookcdr/", "webhooks/"])
def test_no_page_loads_anything_from_outside(
    admin_client: Client, failed: Delivery, address: str
) -> None:
    text = admin_client.get(f"/admin/{address}").content.decode()

    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', text)
    assert loaded
    assert all(link.startswith("/") and not link.startswith("//") for link in loaded)


def test_our_stylesheet_is_loaded(admin_client: Client) -> None:
    assert (
        "/static/dispatcher/admin.css" in admin_client.get("/admin/").content.decode()
    )


def test_a_webhook_that_fails_time_and_again_needs_attention(
    admin_client: Client, acme: Tenant
) -> None:
    Webhook.objects.create(
        tenant=acme, url="https://failing.example/", failures_in_a_row=7
    )
    Webhook.objects.create(
        tenant=acme, url="https://healthy.example/", failures_in_a_row=1
    )

    page = admin_client.get("/admin/").content.decode()

    assert "failing.example" in page
    assert "healthy.example" not in page
