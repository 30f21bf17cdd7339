"""A webhook's page: made, changed, tested, given a new secret, and deleted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.pipeline import test_call as sample
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.test import Client

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SETTINGS = {
    "url": "https://receiver.example/calls",
    "style": "envelope",
    "method": "POST",
    "format": "json",
    "active": "on",
    "retries": "1",
    "when_down": "hold",
    "when_disabled": "drop",
    "max_in_flight": "4",
    "batch_size": "100",
    "batch_seconds": "60",
    "resource": "analytics",
    "late_records": "send",
}
Rows = list[dict[str, Any]]


def form(
    filters: Rows | None = None,
    custom_data: Rows | None = None,
    headers: Rows | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """What the browser posts; a row with an id is one that is stored."""
    data: dict[str, Any] = {**SETTINGS, **settings}
    parts = {"filters": filters, "custom_data": custom_data, "headers": headers}
    for name, rows in parts.items():
        rows = rows or []
        data[f"{name}-TOTAL_FORMS"] = len(rows)
        data[f"{name}-INITIAL_FORMS"] = sum("id" in row for row in rows)
        for index, row in enumerate(rows):
            data |= {f"{name}-{index}-{key}": value for key, value in row.items()}
    return data


def add(client: Client, **settings: Any) -> str:
    response = client.post("/admin/webhooks/add/", form(**settings), follow=True)
    assert response.status_code == 200
    return response.content.decode()


def change(client: Client, webhook: Webhook, **settings: Any) -> str:
    address = f"/admin/webhooks/{webhook.pk}/"
    response = client.post(address, form(**settings), follow=True)
    assert response.status_code == 200
    return response.content.decode()


def page(client: Client, webhook: Webhook, query: str = "") -> str:
    response = client.get(f"/admin/webhooks/{webhook.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_a_new_webhook_gets_a_secret_that_is_shown_once(
    admin_client: Client, acme: Tenant
) -> None:
    text = add(
        admin_client,
        tenant=acme.pk,
        filters=[{"field": "dur", "op": "gt", "value": "3"}],
        custom_data=[{"key": "hook", "value": "crm"}],
        headers=[{"name": "x-api-key", "value": "k-1"}],
    )

    webhook = Webhook.objects.get()
    assert webhook.secret.startswith("whsec_")
    assert webhook.secret in text
    assert webhook.secret not in page(admin_client, webhook)
    assert str(webhook.filters.get()) == "dur:gt:3"
    assert webhook.custom_data.get().value == "crm"
    assert webhook.headers.get().value == "k-1"


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"style": "flat", "method": "GET"}, "style flat takes POST"),
        ({"url": "ftp://receiver.example/"}, "http"),
        ({"also_accept": "many"}, "takes statuses from 200 to 599"),
        ({"retries": "11"}, "less than or equal to 10"),
        (
            {"filters": [{"field": "durr", "op": "eq", "value": "1"}]},
            "no field &quot;durr&quot;",
        ),
        (
            {"style": "flat", "custom_data": [{"key": "cost", "value": "1"}]},
            "&quot;cost&quot; would replace a field of style flat",
        ),
        (
            {"headers": [{"name": "x-a", "value": "1"}, {"name": "X-A", "value": "2"}]},
            "&quot;x-a&quot; is there 2 times",
        ),
        ({"headers": [{"name": "webhook-id", "value": "1"}]}, "webhook-id"),
    ],
)
def test_what_the_api_refuses_is_refused_here_at_its_field(
    admin_client: Client, acme: Tenant, wish: dict[str, Any], refusal: str
) -> None:
    text = add(admin_client, tenant=acme.pk, **wish)

    assert refusal in text
    assert not Webhook.objects.exists()


def test_a_filters_error_stands_at_its_own_row(
    admin_client: Client, acme: Tenant
) -> None:
    rows = [
        {"field": "type", "op": "eq", "value": "external"},
        {"field": "dur", "op": "gt", "value": "long"},
    ]

    response = admin_client.post(
        "/admin/webhooks/add/", form(tenant=acme.pk, filters=rows)
    )

    formset = response.context["inline_admin_formsets"][0].formset
    assert [sorted(errors) for errors in formset.errors] == [[], ["value"]]


def test_a_webhook_without_an_owner_is_refused(admin_client: Client) -> None:
    assert "a webhook belongs to one tenant or to one partner" in add(admin_client)


def test_a_header_keeps_its_value_where_it_was_left_alone(
    admin_client: Client, webhook: Webhook
) -> None:
    kept = webhook.headers.create(name="x-api-key", value="k-former")
    changed = webhook.headers.create(name="x-other", value="second")
    rows = [
        {"id": kept.pk, "webhook": webhook.pk, "name": "x-api-key", "value": "***"},
        {"id": changed.pk, "webhook": webhook.pk, "name": "x-other", "value": "new"},
    ]

    text = page(admin_client, webhook)
    change(admin_client, webhook, headers=rows)

    assert "k-former" not in text
    assert 'value="***"' in text
    values = dict(webhook.headers.values_list("name", "value"))
    assert values == {"x-api-key": "k-former", "x-other": "new"}


def test_rows_are_deleted_and_replaced_in_one_go(
    admin_client: Client, webhook: Webhook
) -> None:
    old = webhook.headers.create(name="x-api-key", value="old")
    rows = [
        {"id": old.pk, "webhook": webhook.pk, "name": "x-api-key", "value": "***"}
        | {"DELETE": "on"},
    ]

    change(admin_client, webhook, headers=[*rows, {"name": "X-API-KEY", "value": "n"}])

    assert webhook.headers.get().value == "n"


def test_a_change_leaves_secret_and_owner_alone_and_wakes_it_up(
    admin_client: Client,
    webhook: Webhook,
    globex: Tenant,
    woken: list[UUID],
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        change(admin_client, webhook, retries="7", tenant=globex.pk, secret="mine")

    webhook.refresh_from_db()
    assert (webhook.retries, webhook.secret) == (7, "whsec_former")
    assert webhook.tenant is not None
    assert webhook.tenant.external_id == "acme"
    assert woken == [webhook.pk]


def test_the_stored_secret_is_on_no_page(
    admin_client: Client, webhook: Webhook
) -> None:
    assert "whsec_former" not in page(admin_client, webhook)
    assert "whsec_former" not in admin_client.get("/admin/webhooks/").content.decode()


def test_a_rotated_secret_is_shown_once(admin_client: Client, webhook: Webhook) -> None:
    response = admin_client.post(
        f"/admin/webhooks/{webhook.pk}/secret/rotate/", follow=True
    )

    shown = re.search(r"whsec_[A-Za-z0-9+/=]+", response.content.decode())
    webhook.refresh_from_db()
    assert shown is not None
    assert shown[0] == webhook.secret
    former = webhook.former_secrets(timezone.now())
    assert [text for text, _ in former] == ["whsec_former"]
    assert "whsec_" not in page(admin_client, webhook).replace("whsec_ secret", "")


def test_a_test_call_shows_its_outcome_on_the_page(
    admin_client: Client, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test_call(hook: Webhook, *, now: Any) -> tuple[Delivery, Attempt]:
        delivery = Delivery.objects.create(
            webhook=hook, state="failed", created_at=now, ended_at=now, call_end=now,
            test_uid="test-1", attempt_count=1,
        )  # fmt: skip
        attempt = Attempt.objects.create(
            delivery=delivery, number=1, started_at=now, ended_at=now, duration_ms=31,
            status_code=204, error_class="status", error="answered 204; only 200",
            url=hook.url, response_body=EVIL.encode(),
        )  # fmt: skip
        return delivery, attempt

    monkeypatch.setattr(sample, "test_call", test_call)

    response = admin_client.post(f"/admin/webhooks/{webhook.pk}/test/", follow=True)

    text = response.content.decode()
    for shown in (">failed</span>", "204", "answered 204; only 200", "31 ms", ESCAPED):
        assert shown in text
    assert EVIL not in text


def test_an_ordinary_delivery_is_not_shown_as_a_test(
    admin_client: Client, failed: Delivery
) -> None:
    assert "Test call" not in page(admin_client, failed.webhook, f"?tested={failed.pk}")
    assert "Test call" not in page(admin_client, failed.webhook, "?tested=junk")


def test_the_list_says_how_a_webhook_is(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery_of(webhook, "call-1")
    Webhook.objects.update(health="DOWN", lane="slow", last_success_at=timezone.now())

    text = admin_client.get("/admin/webhooks/").content.decode()

    for shown in ("receiver.example", ">DOWN</span>", ">slow lane</span>", ">1</a>"):
        assert shown in text


def test_the_list_takes_no_query_a_row(
    admin_client: Client, acme: Tenant, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        Webhook.objects.create(tenant=acme, url=f"https://r{number}.example/")

    with django_assert_max_num_queries(10):
        assert admin_client.get("/admin/webhooks/").status_code == 200


def test_deleting_cancels_what_is_pending_and_hides_the_webhook(
    admin_client: Client, webhook: Webhook, delivery_of: Callable[..., Delivery]
) -> None:
    delivery = delivery_of(webhook, "call-1")
    address = f"/admin/webhooks/{webhook.pk}/delete/"

    asked = admin_client.get(address).content.decode()
    admin_client.post(address, {"post": "yes"})

    webhook.refresh_from_db()
    delivery.refresh_from_db()
    assert "What it has sent stays visible" in asked
    assert webhook.deleted_at is not None
    assert delivery.state == "cancelled"
    assert (
        "receiver.example" not in admin_client.get("/admin/webhooks/").content.decode()
    )
    assert admin_client.get(f"/admin/webhooks/{webhook.pk}/").status_code == 302


def test_what_the_receiver_is_shown_is_set_on_the_page(
    admin_client: Client, webhook: Webhook
) -> None:
    names = "cliNum, tags.My Tag\ndur, dur"

    change(admin_client, webhook, mask="hash", allowed_fields=names)

    webhook.refresh_from_db()
    assert (webhook.mask, webhook.mask_digits) == ("hash", 4)
    assert webhook.allowed_fields == ["cliNum", "tags.My Tag", "dur"]
    text = page(admin_client, webhook)
    assert "cliNum, tags.My Tag, dur" in text
    assert webhook.mask_key not in text


def test_a_property_that_there_is_not_is_refused_on_the_page(
    admin_client: Client, webhook: Webhook
) -> None:
    text = change(admin_client, webhook, allowed_fields="clinum")

    assert "no property &quot;clinum&quot;" in text
    webhook.refresh_from_db()
    assert webhook.allowed_fields == []


def test_a_webhook_that_is_down_says_when_it_is_probed_and_can_be_probed_now(
    admin_client: Client,
    webhook: Webhook,
    delivery_of: Callable[..., Delivery],
    woken: list[Any],
) -> None:
    delivery_of(webhook, "call-1")
    now = timezone.now()
    Webhook.objects.update(health="DOWN", down_since=now, probed_at=now)
    text = page(admin_client, webhook)
    assert "<th>Next probe</th>" in text
    assert "Probe now" in text

    address = f"/admin/webhooks/{webhook.pk}/probe/"
    answered = admin_client.post(address, follow=True).content.decode()

    webhook.refresh_from_db()
    assert "is tried now" in answered
    assert webhook.probed_at is None
    assert woken == [webhook.pk]


def test_a_test_call_with_a_secret_that_no_key_fits_says_what_to_do(
    admin_client: Client, webhook: Webhook, settings: Any
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    address = f"/admin/webhooks/{webhook.pk}/test/"
    answered = admin_client.post(address, follow=True).content.decode()

    assert "A secret of it cannot be decrypted: set it anew." in answered


def test_a_webhook_that_is_ok_has_nothing_to_probe(
    admin_client: Client, webhook: Webhook, woken: list[Any]
) -> None:
    assert "Probe now" not in page(admin_client, webhook)

    address = f"/admin/webhooks/{webhook.pk}/probe/"
    answered = admin_client.post(address, follow=True).content.decode()

    assert "nothing to probe" in answered
    assert woken == []
