"""CDRs and the quarantine: what came in, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.models import (
    CdrRevision,
    OwedCdr,
    QuarantinedRecord,
    StoredCdr,
    Webhook,
)
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from dispatcher.models import Delivery, Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def page(client: Client, address: str) -> str:
    response = client.get(f"/admin/dispatcher/{address}")
    assert response.status_code == 200
    return response.content.decode()


def quarantined(tenant: Tenant, body: bytes) -> QuarantinedRecord:
    now = timezone.now()
    return QuarantinedRecord.objects.create(
        tenant=tenant,
        source="freeswitch",
        reason=f"the body is no XML {EVIL}",
        body=body,
        digest=QuarantinedRecord.digest_of(body),
        times_seen=17,
        first_seen_at=now,
        last_seen_at=now,
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [("", True), ("?q=call-1", True), ("?q=call-2", False), ("?tenant=globex", False)],
)
def test_calls_are_listed_and_searched(
    admin_client: Client,
    acme: Tenant,
    stored: Callable[..., StoredCdr],
    query: str,
    found: bool,
) -> None:
    stored(acme, "call-1")

    assert (">call-1</a>" in page(admin_client, f"storedcdr/{query}")) is found


def test_a_calls_page_shows_record_and_revisions_exactly(
    admin_client: Client, acme: Tenant, stored: Callable[..., StoredCdr]
) -> None:
    cdr = stored(acme, "call-1", caller={"number": "+441632960001", "name": EVIL})
    CdrRevision.objects.create(
        cdr=cdr,
        number=1,
        record='{"uid":"call-1","x":0.0400}',
        content_hash="y",
        received_at=timezone.now(),
    )

    text = page(admin_client, f"storedcdr/{cdr.pk}/change/")

    assert "&quot;cost&quot;: &quot;0.0350&quot;" in text
    assert "&quot;x&quot;: 0.0400" in text
    assert "Revision 1" in text
    assert EVIL not in text


def test_a_calls_page_says_what_each_webhook_got_or_which_filter_kept_it_out(
    admin_client: Client, failed: Delivery, acme: Tenant
) -> None:
    filtered = Webhook.objects.create(tenant=acme, url="https://filtered.example/")
    filtered.filters.create(field="dur", op="gt", value="60")
    Webhook.objects.create(tenant=acme, url="https://late.example/")
    cdr = StoredCdr.objects.get(uid="call-1")

    text = page(admin_client, f"storedcdr/{cdr.pk}/change/")

    assert str(failed.pk) in text
    assert "answered 503" in text
    assert "Kept out by the filter dur:gt:60" in text
    assert "The webhook was made after this call was accepted." in text


@pytest.mark.parametrize(
    ("left_out", "change", "shown"),
    [
        ("", {}, "It waits for its batch or window."),
        ("", {"health": "DOWN"}, "It waits for its batch or window."),
        ("", {"active": False}, "the webhook is switched off."),
        ("late", {}, "It came after its window had been sent, and late records are"),
        ("deleted", {}, "The webhook was deleted before it was sent."),
        ("was_delivered", {}, "It was delivered; the delivery has been purged since."),
    ],
)
def test_a_calls_page_says_why_no_delivery_carries_it(
    admin_client: Client,
    acme: Tenant,
    stored: Callable[..., StoredCdr],
    left_out: str,
    change: dict[str, Any],
    shown: str,
) -> None:
    webhook = Webhook.objects.create(
        tenant=acme, url="https://batch.example/", style="batch", **change
    )
    cdr = stored(acme, "call-1")
    OwedCdr.objects.create(webhook=webhook, cdr=cdr, left_out=left_out)

    text = page(admin_client, f"storedcdr/{cdr.pk}/change/")

    assert shown in text
    assert ("It waits" in text) is (shown.startswith("It waits"))


def test_a_calls_page_tells_the_record_from_its_summary(
    admin_client: Client, failed: Delivery
) -> None:
    cdr = StoredCdr.objects.get(uid="call-1")
    OwedCdr.objects.create(webhook=failed.webhook, cdr=cdr, kind="call_summary")

    text = page(admin_client, f"storedcdr/{cdr.pk}/change/")

    assert str(failed.pk) in text
    assert (
        'It waits for its batch or window. <span class="cdr-fine">call summary' in text
    )


def test_the_quarantine_lists_the_reason_escaped(
    admin_client: Client, acme: Tenant
) -> None:
    quarantined(acme, b"<cdr>")

    text = page(admin_client, "quarantinedrecord/")

    assert f"the body is no XML {ESCAPED}" in text
    assert EVIL not in text
    assert "17" in text


@pytest.mark.parametrize(
    ("body", "shown", "hidden"),
    [
        (EVIL.encode(), ESCAPED, "Body in hex"),
        (b"\x00\xffabc", "00 ff 61 62 63", EVIL),
    ],
)
def test_a_quarantined_record_is_shown_as_text_and_if_need_be_in_hex(
    admin_client: Client, acme: Tenant, body: bytes, shown: str, hidden: str
) -> None:
    record = quarantined(acme, body)

    text = page(admin_client, f"quarantinedrecord/{record.pk}/change/")

    assert shown in text
    assert hidden not in text


def test_the_download_gives_the_bytes_exactly_and_never_as_a_page(
    admin_client: Client, acme: Tenant
) -> None:
    body = bytes(range(256)) + EVIL.encode()
    record = quarantined(acme, body)

    response = admin_client.get(
        f"/admin/dispatcher/quarantinedrecord/{record.pk}/download/"
    )

    assert response.content == body
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_lists_leave_records_and_bodies_in_the_database(
    admin_client: Client,
    acme: Tenant,
    stored: Callable[..., StoredCdr],
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(20):
        stored(acme, f"call-{number}")

    with django_assert_max_num_queries(8) as captured:
        page(admin_client, "storedcdr/")

    assert not any('"record"' in query["sql"] for query in captured)
