"""The deliveries page: what failed and why, narrowed, searched, sent again."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from dispatcher.admin import delivery_filters
from dispatcher.models import Delivery, Membership, OwedCdr, StoredCdr, Webhook
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.test import Client

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/webhook/webhookcdr/"


def page(client: Client, query: str = "") -> str:
    response = client.get(LIST + query)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, name: str, *deliveries: Delivery) -> str:
    data = {"action": name, "_selected_action": [str(one.pk) for one in deliveries]}
    return client.post(LIST, data, follow=True).content.decode()


def test_it_shows_status_and_error_sentence_of_what_failed(
    admin_client: Client, failed: Delivery
) -> None:
    text = page(admin_client)

    assert "answered 503; only 200 and 201 confirm receipt" in text
    assert "<strong>503</strong>" in text
    assert "call-1" in text
    assert "+441632960001" in text


def test_it_escapes_what_a_receiver_wrote(
    admin_client: Client, failed: Delivery
) -> None:
    Delivery.objects.filter(pk=failed.pk).update(last_error=f"redirecting to {EVIL}")

    text = page(admin_client)

    assert EVIL not in text
    assert ESCAPED in text


@pytest.mark.parametrize("change", [{"health": "DOWN"}, {"active": False}])
def test_pending_is_shown_as_held_while_the_webhook_is_down_or_off(
    admin_client: Client,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
    change: dict[str, Any],
) -> None:
    delivery_of(webhook, "call-held")
    Webhook.objects.update(**change)

    assert ">held</span>" in page(admin_client)
    assert "call-held" in page(admin_client, "?state=held")
    assert "call-held" not in page(admin_client, "?state=pending")
    assert "call-held" in page(admin_client, "?state=waiting")


def test_it_says_in_how_many_seconds_the_next_try_is(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery = delivery_of(webhook, "call-2")
    due = delivery.created_at + dt.timedelta(seconds=4)
    Delivery.objects.update(next_attempt_at=due)

    with time_machine.travel(delivery.created_at, tick=False):
        text = page(admin_client)

    assert "in 4 s" in text
    assert due.isoformat() in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=failed", True),
        ("?state=delivered", False),
        ("?error=status", True),
        ("?error=tls", False),
        ("?style=envelope", True),
        ("?style=flat", False),
        ("?tenant=acme", True),
        ("?tenant=globex", False),
        ("?age=24h", True),
        ("?age=today", True),
        ("?webhook=00000000-0000-7000-8000-000000000000", False),
        ("?webhook=junk", False),
        ("?created_at_from=2020-01-01&created_at_to=2020-01-02", False),
        ("?created_at_from=2020-01-01", True),
        ("?created_at_from=junk", True),
        ("?q=call-1", True),
        ("?q=call-", False),
        ("?q=441632960002", True),
        ("?q=%2B441632960001", True),
        ("?q=0", False),
    ],
)
def test_it_is_narrowed_and_searched(
    admin_client: Client, failed: Delivery, query: str, found: bool
) -> None:
    text = page(admin_client, query)

    assert (f"{LIST}{failed.pk}/" in text) is found


def test_it_finds_a_delivery_by_its_id_and_by_its_webhooks(
    admin_client: Client, failed: Delivery
) -> None:
    for term in (failed.pk, failed.webhook_id):
        assert f"{LIST}{failed.pk}/" in page(admin_client, f"?q={term}")


def test_a_batch_shows_its_first_call_and_how_many_more(
    admin_client: Client,
    webhook: Webhook,
    acme: Tenant,
    stored: Callable[..., StoredCdr],
    delivery_of: Callable[..., Delivery],
) -> None:
    delivery = delivery_of(webhook, "first")
    for number in range(4):
        cdr = stored(acme, f"more-{number}")
        delivery.carried.create(webhook=webhook, cdr=cdr)

    text = page(admin_client)

    assert ">first</a>" in text
    assert "more-0" not in text
    assert "and 4 more" in text


def test_a_long_list_takes_no_more_queries_than_a_short_one(
    admin_client: Client,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(60):
        delivery_of(webhook, f"call-{number}")

    with django_assert_max_num_queries(10):
        text = page(admin_client)

    assert "60 deliveries" in text


def test_the_calls_of_a_batch_are_counted_and_not_read(
    admin_client: Client,
    webhook: Webhook,
    acme: Tenant,
    stored: Callable[..., StoredCdr],
    delivery_of: Callable[..., Delivery],
    django_assert_max_num_queries: Any,
) -> None:
    delivery = delivery_of(webhook, "first")
    calls = [stored(acme, f"more-{number}") for number in range(60)]
    OwedCdr.objects.bulk_create(
        OwedCdr(webhook=webhook, cdr=cdr, delivery=delivery) for cdr in calls
    )

    with django_assert_max_num_queries(10) as captured:
        text = page(admin_client)

    reads = [query["sql"] for query in captured if '"uid"' in query["sql"]]
    assert "and 60 more" in text
    assert len(reads) == 1
    assert f'"id" IN ({delivery.carried.order_by("id")[0].pk})' in reads[0]


def test_the_body_and_the_secret_stay_in_the_database(
    admin_client: Client, failed: Delivery, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(10) as captured:
        page(admin_client)

    rows = [query["sql"] for query in captured if "last_error" in query["sql"]]
    assert rows
    assert not any("request_body" in sql or '"secret"' in sql for sql in rows)


def test_failed_deliveries_are_sent_again_and_their_webhook_woken(
    admin_client: Client,
    failed: Delivery,
    delivery_of: Callable[..., Delivery],
    woken: list[UUID],
) -> None:
    pending = delivery_of(failed.webhook, "call-2")

    text = act(admin_client, "send_again", failed, pending)

    failed.refresh_from_db()
    assert (failed.state, failed.tries) == ("pending", 0)
    assert woken == [failed.webhook_id]
    assert "1 delivery will be sent again." in text
    assert "1 delivery left as before" in text


def test_pending_deliveries_are_cancelled_and_others_are_not(
    admin_client: Client, failed: Delivery, delivery_of: Callable[..., Delivery]
) -> None:
    pending = delivery_of(failed.webhook, "call-2")

    text = act(admin_client, "cancel", failed, pending)

    pending.refresh_from_db()
    assert pending.state == "cancelled"
    assert "1 delivery cancelled." in text
    assert "not pending any more" in text


def test_whoever_may_only_look_is_offered_no_action(
    client: Client, failed: Delivery, acme: Tenant
) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    Membership.objects.create(user=user, tenant=acme, role="viewer")
    client.force_login(user)

    assert "send_again" not in page(client)
    assert client.post(f"{LIST}{failed.pk}/resend/").status_code == 403


def test_nothing_is_added_or_edited_here(
    admin_client: Client, failed: Delivery
) -> None:
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{failed.pk}/delete/").status_code == 403


def test_deliveries_of_yesterday_are_not_of_today(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    with time_machine.travel(timezone.now() - dt.timedelta(days=1)):
        old = delivery_of(webhook, "old")

    day = old.created_at.date()
    assert "old" not in page(admin_client, "?age=today").partition("result_list")[2]
    same_day = f"?created_at_from={day}&created_at_to={day}"
    assert f"{LIST}{old.pk}/" in page(admin_client, same_day)


def test_a_filter_for_what_is_not_the_users_finds_nothing(
    admin_client: Client,
    client: Client,
    globex: Tenant,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
) -> None:
    delivery_of(webhook, "call-of-acme")
    member = User.objects.create(username="gina", is_staff=True)
    Membership.objects.create(user=member, tenant=globex, role="administrator")
    client.force_login(member)

    for query in (f"?webhook={webhook.pk}", "?tenant=acme"):
        assert "call-of-acme" in page(admin_client, query)
        assert "call-of-acme" not in page(client, query)


def test_a_style_of_more_webhooks_than_are_named_one_by_one_is_found(
    admin_client: Client,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_filters, "_LISTED", 0)
    delivery_of(webhook, "call-1")

    assert "call-1" in page(admin_client, f"?style={webhook.style}")
