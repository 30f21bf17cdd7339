"""Deliveries are listed, looked up, sent again and cancelled."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.api import deliveries
from dispatcher.models import Attempt, Delivery, OwedCdr, Webhook
from tests.api.conftest import record

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/deliveries"


@pytest.fixture
def webhook(acme: Any, webhook_of: Callable[..., Webhook]) -> Webhook:
    """A webhook of acme."""
    return webhook_of(acme)


def take(send: Any, *uids: str, client: Any = None) -> None:
    """Hands over calls one by one, so that their order is known."""
    for uid in uids:
        args = () if client is None else (client,)
        assert send("POST", "/api/v1/cdrs", record(uid), *args)[0] == 202


def end(state: str, *uids: str) -> None:
    """Ends the deliveries that carry these calls."""
    Delivery.objects.filter(carried__cdr__uid__in=uids).update(
        state=state, next_attempt_at=None, ended_at=timezone.now()
    )


def uids_of(page: Any) -> list[str]:
    """The calls of a page's deliveries, in order."""
    return [uid for item in page["items"] for uid in item["cdrs"]]


def test_a_delivery_is_shown_with_its_attempts(webhook, send, now):
    take(send, "a")
    delivery = Delivery.objects.get()
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        started_at=now,
        ended_at=now,
        duration_ms=12,
        status_code=500,
        error_class="status",
        error="It answered 500.",
    )

    status, page = send("GET", PATH)

    assert (status, page["next"]) == (200, None)
    item = page["items"][0]
    assert item.pop("created_at").endswith("Z")
    assert item.pop("next_attempt_at").endswith("Z")
    assert item == {
        "id": str(delivery.pk),
        "webhook": str(webhook.pk),
        "state": "pending",
        "cdrs": ["a"],
        "attempts": [
            {
                "number": 1,
                "probe": False,
                "started_at": "2026-11-20T10:00:00Z",
                "duration_ms": 12,
                "status_code": 500,
                "error_class": "status",
                "error": "It answered 500.",
            }
        ],
    }


def test_they_are_listed_newest_first_page_by_page(webhook, send):
    take(send, "a", "b", "c")

    _, first = send("GET", f"{PATH}?limit=2")
    _, second = send("GET", f"{PATH}?limit=2&cursor={first['next']}")

    assert uids_of(first) == ["c", "b"]
    assert (uids_of(second), second["next"]) == (["a"], None)


def test_states_may_repeat_and_held_is_pending_at_a_webhook_at_rest(webhook, send):
    take(send, "a", "b", "c", "d")
    end("failed", "a")
    end("delivered", "b")

    def listed(*states: str) -> list[str]:
        query = "&".join(f"state={state}" for state in states)
        return uids_of(send("GET", f"{PATH}?{query}")[1])

    assert listed("failed", "delivered") == ["b", "a"]
    assert (listed("pending"), listed("held")) == (["d", "c"], [])
    Webhook.objects.update(health="DOWN")
    assert (listed("pending"), listed("held")) == ([], ["d", "c"])
    assert listed("held", "failed") == ["d", "c", "a"]


def test_an_inactive_webhooks_backlog_is_held(webhook, send):
    take(send, "a")
    Webhook.objects.update(active=False)

    _, page = send("GET", PATH)

    assert page["items"][0]["state"] == "held"


def test_they_are_narrowed_to_a_webhook_and_a_time(acme, webhook, webhook_of, send):
    other = webhook_of(acme)
    take(send, "a")
    later = (timezone.now() + dt.timedelta(minutes=1)).isoformat()

    _, of_other = send("GET", f"{PATH}?webhook={other.pk}")
    _, of_nobody = send("GET", f"{PATH}?webhook=019384b3-1111-7000-8000-000000000000")
    # The + of +00:00 comes as a space: many clients forget to encode it.
    _, of_future = send("GET", f"{PATH}?since={later}")

    assert [item["webhook"] for item in of_other["items"]] == [str(other.pk)]
    assert (of_nobody["items"], of_future["items"]) == ([], [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("state=odd", "state"),
        ("webhook=x", "webhook"),
        ("since=yesterday", "since"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A4", "cursor"),
    ],
)
def test_a_query_that_is_not_understood_names_its_field(api, query, field):
    response = api.get(f"{PATH}?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].split(".")[0] == field


def test_a_page_takes_as_many_queries_whatever_its_length(
    webhook, send, django_assert_num_queries, api
):
    take(send, "a", "b", "c")
    api.get(PATH)

    with django_assert_num_queries(4):
        one = api.get(f"{PATH}?limit=1")
    with django_assert_num_queries(4):
        three = api.get(PATH)

    assert (len(one.json()["items"]), len(three.json()["items"])) == (1, 3)


@pytest.fixture
def bundles(webhook: Webhook, send: Any) -> None:
    """Four deliveries, of three calls each, and one of a single call: the oldest."""
    take(send, "z")
    for name in "abcd":
        take(send, *(f"{name}{number}" for number in range(3)))
        first = OwedCdr.objects.get(cdr__uid=f"{name}0")
        later = OwedCdr.objects.filter(cdr__uid__in=[f"{name}1", f"{name}2"])
        spare = list(Delivery.objects.filter(carried__in=later))
        later.update(delivery=first.delivery_id)
        for delivery in spare:
            delivery.delete()


@pytest.mark.parametrize(
    ("most", "pages"),
    [
        (1, ["ddd", "ccc", "bbb", "aaa", "z"]),
        (3, ["ddd", "ccc", "bbb", "aaa", "z"]),
        (5, ["ddd", "ccc", "bbb", "aaaz"]),
        (6, ["dddccc", "bbbaaa", "z"]),
        (13, ["dddcccbbbaaaz"]),
    ],
)
def test_a_page_ends_early_where_its_deliveries_carry_many_calls(
    bundles, send, monkeypatch, most, pages
):
    monkeypatch.setattr(deliveries, "MOST_UIDS", most)
    found = []
    _, page = send("GET", f"{PATH}?limit=200")
    while page["next"] is not None:
        found.append(page)
        _, page = send("GET", f"{PATH}?limit=200&cursor={page['next']}")

    assert ["".join(uid[0] for uid in uids_of(one)) for one in [*found, page]] == pages


def test_calls_of_a_delivery_are_named_in_the_order_in_which_they_came(bundles, send):
    _, page = send("GET", f"{PATH}?limit=2")
    key = page["items"][0]["id"]

    assert uids_of(page) == ["d0", "d1", "d2", "c0", "c1", "c2"]
    assert send("GET", f"{PATH}/{key}")[1]["cdrs"] == ["d0", "d1", "d2"]


def test_a_limit_holds_as_well_where_a_page_could_carry_more(bundles, send):
    _, page = send("GET", f"{PATH}?limit=1")

    assert uids_of(page) == ["d0", "d1", "d2"]
    assert page["next"] is not None


def test_test_calls_are_found_by_id_only(acme, webhook, send, now):
    test = Delivery.objects.create(
        webhook=webhook,
        tenant=acme,
        state="failed",
        created_at=now,
        ended_at=now,
        call_end=now,
        test_uid="test-1",
    )

    assert send("GET", PATH)[1]["items"] == []
    assert send("GET", f"{PATH}/{test.pk}")[1]["cdrs"] == ["test-1"]
    assert send("POST", f"{PATH}/{test.pk}/redeliver")[0] == 409


def test_an_ended_delivery_is_sent_again_under_the_same_id(webhook, send, woken):
    take(send, "a")
    end("failed", "a")
    woken.clear()
    key = str(Delivery.objects.get().pk)

    status, again = send("POST", f"{PATH}/{key}/redeliver")

    assert (status, again["id"], again["state"]) == (202, key, "pending")
    assert woken == [webhook.pk]


def test_a_pending_delivery_is_not_sent_again(webhook, send):
    take(send, "a")

    status, problem = send("POST", f"{PATH}/{Delivery.objects.get().pk}/redeliver")

    assert (status, problem["status"]) == (409, 409)


def test_only_a_pending_delivery_can_be_cancelled(webhook, send):
    take(send, "a")
    path = f"{PATH}/{Delivery.objects.get().pk}/cancel"

    first, second = send("POST", path), send("POST", path)

    assert (first[0], first[1]["state"]) == (202, "cancelled")
    assert second[0] == 409


def test_a_tenant_does_not_see_what_its_partner_sends(
    initech, partner, webhook_of, client_for, send
):
    webhook_of(partner)
    webhook_of(initech)
    tenant, operator = client_for(initech), client_for(partner)
    take(send, "a", client=tenant)

    _, for_tenant = send("GET", PATH, None, tenant)
    _, for_partner = send("GET", f"{PATH}?tenant=initech", None, operator)

    assert len(for_tenant["items"]) == 1
    assert len(for_partner["items"]) == 2


def test_a_partner_lists_by_tenant_or_by_a_webhook_of_its_own(
    initech, partner, webhook_of, client_for, send
):
    own = webhook_of(partner)
    operator = client_for(partner)
    take(send, "a", client=client_for(initech))

    without, problem = send("GET", PATH, None, operator)
    _, page = send("GET", f"{PATH}?webhook={own.pk}", None, operator)
    delivery = page["items"][0]["id"]

    assert (without, problem["errors"][0]["field"]) == (422, "tenant")
    assert uids_of(page) == ["a"]
    assert send("GET", f"{PATH}/{delivery}", None, operator)[0] == 200
