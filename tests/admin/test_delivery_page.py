"""The page of one delivery: its attempts, its payload, its calls, its two buttons."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from dispatcher.models import Delivery, Partner, Webhook
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def page(client: Client, delivery: Delivery) -> str:
    response = client.get(f"/admin/webhook/webhookcdr/{delivery.pk}/")
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_each_attempt_with_its_phases(
    admin_client: Client, failed: Delivery
) -> None:
    text = page(admin_client, failed)

    for shown in (
        "answered 503; only 200 and 201 confirm receipt",
        "TLS 19 ms",
        "connect 11 ms",
        "203.0.113.7",
        "47 ms",
    ):
        assert shown in text


def test_it_escapes_headers_body_and_payload(
    admin_client: Client, failed: Delivery
) -> None:
    text = page(admin_client, failed)

    assert EVIL not in text
    # The header, the body that is no UTF-8, and the payload, where JSON escapes first.
    assert text.count(ESCAPED) == 2
    assert ESCAPED + "\\xff" in text
    assert "&lt;script&gt;alert(\\&quot;evil" in text


def test_it_shows_the_payload_as_it_would_be_sent_before_the_first_attempt(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    text = page(admin_client, delivery_of(webhook, "call-9"))

    assert "Payload, as it would be sent now" in text
    assert "&quot;cliNum&quot;: &quot;+441632960001&quot;" in text
    assert "&quot;rateCost&quot;: 0.035" in text
    assert Delivery.objects.get().request_body is None


def test_it_says_why_a_payload_cannot_be_made(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery = delivery_of(webhook, "call-9")
    delivery.carried.all().delete()

    assert "it carries no call" in page(admin_client, delivery)


def windowed(delivery: Delivery, **columns: object) -> None:
    start = dt.datetime(2026, 11, 20, 16, 50, tzinfo=dt.UTC)
    Delivery.objects.filter(pk=delivery.pk).update(
        window_start=start,
        window_end=start + dt.timedelta(minutes=5),
        sequence=12,
        **columns,
    )


@pytest.mark.parametrize(
    ("late", "shown"),
    [
        (False, "window 16:50 to 16:55 UTC, no. 12<"),
        (True, "window 16:50 to 16:55 UTC, no. 12, late<"),
    ],
)
def test_it_names_the_window_of_a_feed_as_the_list_does(
    admin_client: Client, failed: Delivery, late: bool, shown: str
) -> None:
    windowed(failed, late=late)

    assert f"2026-11-20, {shown}" in page(admin_client, failed)
    assert shown in admin_client.get("/admin/webhook/webhookcdr/").content.decode()


def test_it_says_that_it_carries_call_summaries(
    admin_client: Client, failed: Delivery
) -> None:
    Delivery.objects.filter(pk=failed.pk).update(kind="call_summary")

    assert "call summaries" in page(admin_client, failed)


def test_it_shows_a_window_without_calls_as_it_would_be_sent(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    north = Partner.objects.create(name="north")
    delivery = delivery_of(webhook, "call-9")
    delivery.carried.all().delete()
    Webhook.objects.update(style="feed", tenant=None, partner=north)
    windowed(delivery)

    assert "&quot;items&quot;: []" in page(admin_client, delivery)


def test_it_reads_form_data_for_people(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery = delivery_of(
        webhook,
        "call-9",
        request_method="GET",
        request_body=b"cdr%5BcliName%5D=Caf%C3%A9+au+lait",
    )

    assert "cdr[cliName] = Café au lait" in page(admin_client, delivery)


def test_it_says_why_a_delivery_is_held(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    webhook.health = "DOWN"
    webhook.save()

    assert "Its webhook is DOWN" in page(admin_client, delivery_of(webhook, "call-9"))


@pytest.mark.parametrize(
    ("state", "resend", "cancel"),
    [("failed", "", " disabled"), ("pending", " disabled", "")],
)
def test_a_button_is_disabled_where_the_state_does_not_allow_it(
    admin_client: Client,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
    state: str,
    resend: str,
    cancel: str,
) -> None:
    text = page(admin_client, delivery_of(webhook, "call-9", state))

    assert f'popovertarget="confirm-resend"{resend}>Send again' in text
    assert f'popovertarget="confirm-cancel"{cancel}>Cancel' in text


def test_send_again_makes_it_pending_and_wakes_its_webhook(
    admin_client: Client, failed: Delivery, woken: list[UUID]
) -> None:
    response = admin_client.post(
        f"/admin/webhook/webhookcdr/{failed.pk}/resend/", follow=True
    )

    failed.refresh_from_db()
    assert failed.state == "pending"
    assert woken == [failed.webhook_id]
    assert "1 delivery will be sent again." in response.content.decode()


def test_cancel_gives_it_up(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery = delivery_of(webhook, "call-9")

    admin_client.post(f"/admin/webhook/webhookcdr/{delivery.pk}/cancel/")

    delivery.refresh_from_db()
    assert delivery.state == "cancelled"


def test_a_get_changes_nothing(admin_client: Client, failed: Delivery) -> None:
    admin_client.get(f"/admin/webhook/webhookcdr/{failed.pk}/resend/")

    failed.refresh_from_db()
    assert failed.state == "failed"


def test_a_post_without_csrf_token_is_refused(
    failed: Delivery, admin_user: object
) -> None:
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)  # type: ignore[arg-type]  # pytest-django's user

    response = strict.post(f"/admin/webhook/webhookcdr/{failed.pk}/resend/")

    assert response.status_code == 403
