"""Calls that wait for their batch or window: counted, and with what holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dispatcher.admin import overview, unbundled
from dispatcher.models import Membership, OwedCdr, Partner, StoredCdr, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from dispatcher.models import Tenant

    Owing = Callable[..., Webhook]

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def owing(stored: Callable[..., StoredCdr]) -> Owing:
    """owing(tenant, *uids, **settings) -> a batch webhook that is owed these calls.

    The tenant's, unless the settings name a partner.
    """

    def make(tenant: Tenant, *uids: str, **settings: Any) -> Webhook:
        now = timezone.now()
        owner = {} if "partner" in settings else {"tenant": tenant}
        settings = {"style": "batch", **owner, **settings}
        webhook = Webhook.objects.create(url="https://batch.example/", **settings)
        for uid in uids:
            cdr = StoredCdr.objects.filter(uid=uid).first() or stored(tenant, uid)
            OwedCdr.objects.create(webhook=webhook, cdr=cdr, owed_at=now, call_end=now)
        return webhook

    return make


def counts(client: Client) -> list[str]:
    """The overview's calls waiting, and calls held."""
    figures = client.get("/admin/").context["overview"]["figures"]
    found = {figure.title: figure.count for figure in figures}
    return [found["Calls waiting"], found["Calls held"]]


def page(client: Client, webhook: Webhook) -> str:
    response = client.get(f"/admin/webhooks/{webhook.pk}/")
    assert response.status_code == 200
    return response.content.decode()


# The overview -----------------------------------------------------------------------


def test_the_overview_counts_calls_that_wait_for_their_batch(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    owing(acme, "a", "b", "c")
    owing(acme, "a", "b")

    assert counts(admin_client) == ["5", "0"]


def test_the_overview_counts_them_as_held_while_the_webhook_is_off(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    owing(acme, "a", "b", active=False)
    owing(acme, "a")

    assert counts(admin_client) == ["1", "2"]


def test_a_webhook_that_is_down_goes_on_with_its_batches(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    owing(acme, "a", "b", health="DOWN")

    assert counts(admin_client) == ["2", "0"]


def test_the_overview_counts_a_feeds_calls_and_call_summaries(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    north = Partner.objects.create(name="north")
    owing(acme, "a", style="feed", partner=north)
    OwedCdr.objects.create(
        webhook=owing(acme), cdr=StoredCdr.objects.get(), kind="call_summary"
    )

    assert counts(admin_client) == ["2", "0"]


def test_the_overview_leaves_out_what_will_never_be_sent(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    owing(acme, "a")
    OwedCdr.objects.update(left_out=OwedCdr.LATE)
    owing(acme, "a", deleted_at=timezone.now())

    assert counts(admin_client) == ["0", "0"]


def test_members_see_the_counts_of_their_own(
    client: Client, acme: Tenant, globex: Tenant, owing: Owing
) -> None:
    user = User.objects.create(username="member", is_staff=True)
    Membership.objects.create(user=user, tenant=acme, role=Membership.VIEWER)
    owing(acme, "a")
    owing(globex, "b", "c")
    owing(globex, "b", health="DOWN")
    client.force_login(user)

    assert counts(client) == ["1", "0"]


def test_counting_stops_at_a_limit(
    admin_client: Client, acme: Tenant, owing: Owing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "COUNTED", 2)
    monkeypatch.setattr(unbundled, "COUNTED", 2)
    webhook = owing(acme, "a", "b", "c")

    assert counts(admin_client) == ["2+", "0"]
    assert "<td>2+ " in page(admin_client, webhook)


def test_it_takes_no_query_a_webhook(
    admin_client: Client,
    acme: Tenant,
    owing: Owing,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(10):
        owing(acme, "a", "b", active=number % 2 == 0)

    with django_assert_max_num_queries(14):
        assert counts(admin_client) == ["10", "10"]
    with django_assert_max_num_queries(10):
        admin_client.get("/admin/webhooks/")


def test_its_figures_lead_to_the_webhooks_that_bundle(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    owing(acme, "a", "b", "c", active=False)
    Webhook.objects.create(tenant=acme, url="https://single.example/")
    figures = admin_client.get("/admin/").context["overview"]["figures"]
    link = next(figure.link for figure in figures if figure.title == "Calls held")

    text = admin_client.get(link).content.decode()

    assert "3 not bundled" in text
    assert "batch.example" in text
    assert "single.example" not in text


# A webhook's page -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, "A batch goes out with 100 calls, or 60 s after its first."),
        (
            {"health": "DOWN"},
            "A batch goes out with 100 calls, or 60 s after its first.",
        ),
        ({"active": False}, "they go on when it is active again."),
    ],
)
def test_a_webhooks_page_says_how_many_wait_and_why(
    admin_client: Client,
    acme: Tenant,
    owing: Owing,
    change: dict[str, Any],
    shown: str,
) -> None:
    webhook = owing(acme, "a", "b", **change)

    text = page(admin_client, webhook)

    assert "<th>Waiting for a batch</th><td>2 " in text
    assert shown in text
    assert (">held</span>" in text) is ("active" in change)


def test_a_feeds_page_says_that_a_window_is_waited_for(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    north = Partner.objects.create(name="north")
    webhook = owing(acme, "a", style="feed", partner=north)

    text = page(admin_client, webhook)

    assert "<th>Waiting for a window</th><td>1 " in text
    assert "A window goes out when the clock has passed it." in text


def test_where_nothing_waits_nothing_is_held(
    admin_client: Client, acme: Tenant, owing: Owing
) -> None:
    text = page(admin_client, owing(acme, active=False))

    assert "<th>Waiting for a batch</th><td>0 " in text
    assert ">held</span>" not in text


def test_a_webhook_that_sends_each_call_by_itself_has_nothing_to_bundle(
    admin_client: Client, webhook: Webhook
) -> None:
    assert "Waiting for a" not in page(admin_client, webhook)
