"""How a webhook is, by HTTP: since when it is DOWN, its next probe, a probe now."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from dispatcher.models import Webhook
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def webhook(acme: Any, webhook_of: Any) -> Webhook:
    """A webhook of acme that has been DOWN for an hour and was just probed."""
    now = timezone.now()
    made: Webhook = webhook_of(
        acme, health="DOWN", down_since=now - dt.timedelta(hours=1), probed_at=now
    )
    return made


def test_one_that_is_down_says_since_when_and_when_it_is_probed(webhook, send):
    _, shown = send("GET", f"/api/v1/webhooks/{webhook.pk}")

    assert shown["health"] == "DOWN"
    since = dt.datetime.fromisoformat(shown["down_since"])
    probe = dt.datetime.fromisoformat(shown["next_probe_at"])
    assert abs(since - webhook.down_since) < dt.timedelta(seconds=1)
    assert abs(probe - timezone.now()) < dt.timedelta(seconds=61)


def test_one_that_is_ok_says_nothing_of_it(acme, webhook_of, send):
    _, shown = send("GET", f"/api/v1/webhooks/{webhook_of(acme).pk}")

    assert not {"down_since", "next_probe_at"} & shown.keys()


def test_what_was_read_can_be_written_back(webhook, send):
    path = f"/api/v1/webhooks/{webhook.pk}"
    _, shown = send("GET", path)

    status, _ = send("PATCH", path, {**shown, "next_probe_at": "2020-01-01T00:00:00Z"})

    assert status == 200


def test_probe_now_has_it_tried_and_wakes_a_worker_up(webhook, send, woken):
    send("POST", "/api/v1/cdrs", record("a"))
    woken.clear()

    status, shown = send("POST", f"/api/v1/webhooks/{webhook.pk}/probe")

    webhook.refresh_from_db()
    assert (status, shown["health"]) == (202, "DOWN")
    assert webhook.probed_at is None
    assert woken == [webhook.pk]


@pytest.mark.parametrize(
    "change", [{"health": "OK"}, {"active": False}, {"when_down": "try"}]
)
def test_probe_now_is_refused_where_there_is_nothing_to_probe(
    webhook, send, woken, change
):
    Webhook.objects.update(**change)

    status, problem = send("POST", f"/api/v1/webhooks/{webhook.pk}/probe")

    assert (status, woken) == (409, [])
    assert "DOWN" in problem["detail"]


def test_probe_now_needs_the_scope_manage(acme, webhook, send, client_for):
    path = f"/api/v1/webhooks/{webhook.pk}/probe"

    assert send("POST", path, client=client_for(acme, "read"))[0] == 403


def test_another_address_has_it_probed_at_once(webhook, send, woken):
    path = f"/api/v1/webhooks/{webhook.pk}"

    send("PATCH", path, {"url": "https://elsewhere.example/"})

    webhook.refresh_from_db()
    assert (webhook.probed_at, woken) == (None, [webhook.pk])


@pytest.mark.parametrize(("when_down", "state"), [("hold", "held"), ("try", "pending")])
def test_pending_is_held_only_where_it_is_not_sent(webhook, send, when_down, state):
    Webhook.objects.update(when_down=when_down)
    send("POST", "/api/v1/cdrs", record("a"))

    _, listed = send("GET", f"/api/v1/deliveries?state={state}")

    assert [item["state"] for item in listed["items"]] == [state]
