"""Replays by HTTP: started, counted beforehand, looked up, paused, resumed, cancelled."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.models import Delivery, OwedCdr, Replay, StoredCdr, Webhook
from tests.api.conftest import record
from tests.ended import ended

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.timedelta(hours=1)
SINCE = {"since": "2026-01-01T00:00:00Z"}


@pytest.fixture
def webhook(acme: Any, webhook_of: Callable[..., Webhook]) -> Webhook:
    """A webhook of acme."""
    return webhook_of(acme)


@pytest.fixture
def running(webhook: Webhook, send: Callable[..., Any]) -> Replay:
    """A replay of 30 deliveries, 10 a second, that has just begun."""
    ended(webhook, timezone.now() - HOUR, many=30)
    send("POST", f"/api/v1/webhooks/{webhook.pk}/replay", {**SINCE, "per_second": 10})
    return Replay.objects.get()


def pending() -> int:
    return Delivery.objects.filter(state="pending").count()


@pytest.mark.parametrize(
    ("query", "body"), [("?preview=true", {}), ("", {"preview": True})]
)
def test_a_preview_says_how_many_and_changes_nothing(webhook, send, woken, query, body):
    ended(webhook, timezone.now() - HOUR, many=3)

    path = f"/api/v1/webhooks/{webhook.pk}/replay{query}"
    answer = send("POST", path, {**SINCE, **body})

    assert answer == (200, {"deliveries": 3})
    assert (pending(), Replay.objects.count(), woken) == (0, 0, [])


def test_what_is_started_is_named_by_its_location(webhook, api):
    ended(webhook, timezone.now() - HOUR, many=3)

    response = api.post(
        f"/api/v1/webhooks/{webhook.pk}/replay",
        json.dumps(SINCE),
        content_type="application/json",
    )

    assert (response.status_code, response.json()) == (202, {"deliveries": 3})
    shown = api.get(response["Location"]).json()
    assert (shown["state"], shown["total"], shown["done"]) == ("done", 3, 3)
    assert (shown["what"], shown["states"]) == ("deliveries", ["failed"])


def test_where_there_is_nothing_to_send_nothing_is_started(webhook, api):
    response = api.post(
        f"/api/v1/webhooks/{webhook.pk}/replay",
        json.dumps(SINCE),
        content_type="application/json",
    )

    assert (response.status_code, response.json()) == (202, {"deliveries": 0})
    assert "Location" not in response


def test_a_rate_sends_a_seconds_worth_at_once_and_says_how_far_it_is(running, send):
    status, shown = send("GET", f"/api/v1/replays/{running.pk}")

    assert status == 200
    assert shown == {
        "id": str(running.pk),
        "webhook": str(running.webhook_id),
        "what": "deliveries",
        "since": "2026-01-01T00:00:00Z",
        "until": shown["until"],
        "states": ["failed"],
        "per_second": 10,
        "state": "running",
        "total": 30,
        "done": 10,
        "created_at": shown["created_at"],
        "ended_at": None,
    }
    assert pending() == 10


def test_a_webhooks_replays_are_listed_newest_first(running, webhook, send):
    send("POST", f"/api/v1/webhooks/{webhook.pk}/replay", SINCE)

    status, listed = send("GET", f"/api/v1/webhooks/{webhook.pk}/replays")

    assert (status, len(listed), listed[1]["id"]) == (200, 2, str(running.pk))


def test_it_is_paused_resumed_and_cancelled(running, send):
    path = f"/api/v1/replays/{running.pk}"

    states = [
        send("POST", f"{path}/{verb}")[1]["state"]
        for verb in ("pause", "resume", "cancel")
    ]

    assert states == ["paused", "running", "cancelled"]
    assert pending() == 10


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        ("paused", "pause"),
        ("running", "resume"),
        ("done", "cancel"),
        ("cancelled", "resume"),
    ],
)
def test_a_state_that_does_not_allow_it_is_a_conflict(running, send, state, verb):
    due = running.next_step_at if state == "running" else None
    Replay.objects.update(state=state, next_step_at=due)

    status, problem = send("POST", f"/api/v1/replays/{running.pk}/{verb}")

    assert (status, problem["status"]) == (409, 409)
    assert Replay.objects.get().state == state


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("replay", {**SINCE, "per_second": 0}, "per_second"),
        ("replay", {**SINCE, "per_second": 1.5}, "per_second"),
        ("replay", {**SINCE, "per_second": 10_001}, "per_second"),
        ("replay", {**SINCE, "until": "2025-12-31T00:00:00Z"}, "until"),
        ("replay", {**SINCE, "preview": "yes"}, "preview"),
        ("replay-outage", {"per_second": "1"}, "per_second"),
        ("backfill", {}, "hours"),
        ("backfill", {"hours": 0}, "hours"),
        ("backfill", {"hours": 10**6}, "hours"),
        ("backfill", {"hours": 1, "nonsense": 1}, "nonsense"),
    ],
)
def test_what_is_not_understood_names_the_field(webhook, send, path, body, field):
    status, problem = send("POST", f"/api/v1/webhooks/{webhook.pk}/{path}", body)

    assert (status, problem["errors"][0]["field"]) == (422, field)


def test_starting_and_ending_need_the_scope_manage(running, acme, client_for):
    reader = client_for(acme, "read")
    webhook, path = running.webhook_id, f"/api/v1/replays/{running.pk}"

    assert reader.get(path).status_code == 200
    for action in (
        *(f"{path}/{verb}" for verb in ("pause", "resume", "cancel")),
        *(
            f"/api/v1/webhooks/{webhook}/{verb}"
            for verb in ("replay", "replay-outage", "backfill")
        ),
    ):
        assert reader.post(action).status_code == 403, action


# After an outage --------------------------------------------------------------------


def test_what_failed_before_it_went_down_goes_out_again_by_one_call(
    webhook, send, woken
):
    now = timezone.now()
    ended(webhook, now - 2 * HOUR, many=2)
    ended(webhook, now - 9 * HOUR)
    Webhook.objects.update(failing_since=now - 3 * HOUR, recovered_at=now - HOUR)
    path = f"/api/v1/webhooks/{webhook.pk}/replay-outage"

    previewed = send("POST", f"{path}?preview=true")
    done = send("POST", path)

    assert previewed == (200, {"deliveries": 2})
    assert done == (202, {"deliveries": 2})
    assert (pending(), woken) == (2, [webhook.pk])


def test_without_an_outage_that_is_over_it_is_a_conflict(webhook, send):
    status, _ = send("POST", f"/api/v1/webhooks/{webhook.pk}/replay-outage")

    assert status == 409


# The last hours ---------------------------------------------------------------------


def test_a_webhook_is_given_the_calls_of_the_last_hours(
    webhook, acme, webhook_of, send, woken
):
    send("POST", "/api/v1/cdrs", {"cdrs": [record("a"), record("b")]})
    new = webhook_of(acme, created_at=timezone.now())
    Webhook.objects.filter(pk=new.pk).update(created_at=timezone.now() - HOUR)
    path = f"/api/v1/webhooks/{new.pk}/backfill"
    woken.clear()

    previewed = send("POST", path, {"hours": 1, "preview": True})
    given = send("POST", path, {"hours": 1})
    again = send("POST", path, {"hours": 1})

    assert previewed == (200, {"calls": 2})
    assert given == again == (202, {"calls": 2})
    assert woken == [new.pk]
    assert OwedCdr.objects.filter(webhook=new).count() == 2


def test_a_partners_webhook_gets_the_calls_of_its_tenants(
    partner, initech, acme, client_for, webhook_of, send
):
    send("POST", "/api/v1/cdrs", record("of-acme"))
    send("POST", "/api/v1/cdrs", record("of-initech"), client_for(initech))
    new = webhook_of(partner)
    Webhook.objects.filter(pk=new.pk).update(created_at=timezone.now() - HOUR)

    path = f"/api/v1/webhooks/{new.pk}/backfill"
    answer = send("POST", path, {"hours": 1}, client_for(partner))

    assert answer == (202, {"calls": 1})
    assert OwedCdr.objects.get(webhook=new).cdr.uid == "of-initech"
    assert Delivery.objects.get(webhook=new).tenant == initech
    assert StoredCdr.objects.count() == 2


def test_a_partner_looks_its_own_and_its_tenants_replays_up(
    partner, initech, client_for, webhook_of, send
):
    caller, now = client_for(partner), timezone.now()
    columns = {"since": now, "until": now, "created_at": now, "state": "done"}
    own = Replay.objects.create(webhook=webhook_of(partner), **columns)
    tenants = Replay.objects.create(webhook=webhook_of(initech), **columns)

    named = f"/api/v1/replays/{tenants.pk}?tenant=initech"
    assert send("GET", f"/api/v1/replays/{own.pk}", client=caller)[0] == 200
    assert send("GET", named, client=caller)[0] == 200
    assert send("GET", f"/api/v1/replays/{tenants.pk}", client=caller)[0] == 404
    assert (
        send("GET", f"/api/v1/replays/{own.pk}", client=client_for(initech))[0] == 404
    )
