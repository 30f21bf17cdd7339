"""A webhook is tried out, its deliveries are replayed, its secret is rotated."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.api import webhooks
from dispatcher.models import Attempt, Delivery, Webhook
from tests.api.conftest import record

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def webhook(acme: Any, webhook_of: Callable[..., Webhook]) -> Webhook:
    """A webhook of acme."""
    return webhook_of(acme, secret="old")


def test_a_test_call_answers_with_its_attempt_whatever_the_receiver_said(
    webhook, send, monkeypatch, now
):
    def answered(of: Webhook, *, now: dt.datetime) -> tuple[Delivery, Attempt]:
        delivery = Delivery(webhook=of, state="failed", test_uid="test-1")
        attempt = Attempt(
            number=1,
            started_at=now,
            duration_ms=12,
            status_code=500,
            error_class="status",
            error="It answered 500.",
            url=of.url,
            response_headers=[["Server", "x"]],
            response_body=b"oops \xff",
        )
        return delivery, attempt

    monkeypatch.setattr(webhooks, "test_call", answered)

    status, attempt = send("POST", f"/api/v1/webhooks/{webhook.pk}/test")

    assert (status, attempt["state"], attempt["status_code"]) == (200, "failed", 500)
    assert attempt["response_body"] == "oops \N{REPLACEMENT CHARACTER}"
    assert {"number", "probe", "started_at", "duration_ms", "error"} <= set(attempt)


def test_a_test_call_with_a_secret_that_no_key_fits_says_so_and_makes_no_delivery(
    webhook, send, settings
):
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    status, problem = send("POST", f"/api/v1/webhooks/{webhook.pk}/test")

    assert status == 409
    assert "cannot be decrypted" in problem["detail"]
    assert not Delivery.objects.exists()


def test_a_replay_sends_what_failed_in_the_range_again(webhook, send, woken):
    send("POST", "/api/v1/cdrs", {"cdrs": [record("a"), record("b")]})
    now = timezone.now()
    Delivery.objects.update(state="failed", next_attempt_at=None, ended_at=now)
    since = (now - dt.timedelta(hours=1)).isoformat()
    woken.clear()

    path = f"/api/v1/webhooks/{webhook.pk}/replay"
    status, replayed = send("POST", path, {"since": since})

    assert (status, replayed) == (202, {"deliveries": 2})
    assert set(Delivery.objects.values_list("state", flat=True)) == {"pending"}
    assert woken == [webhook.pk]


def test_a_replay_leaves_out_other_states_and_other_times(webhook, send):
    send("POST", "/api/v1/cdrs", record("a"))
    now = timezone.now()
    Delivery.objects.update(state="delivered", next_attempt_at=None, ended_at=now)
    path = f"/api/v1/webhooks/{webhook.pk}/replay"
    hour = dt.timedelta(hours=1)

    failed = send("POST", path, {"since": (now - hour).isoformat()})
    later = {"since": (now + hour).isoformat(), "state": ["delivered"]}
    before = {
        "since": (now - 2 * hour).isoformat(),
        "until": (now - hour).isoformat(),
        "state": "delivered",
    }

    assert failed[1] == {"deliveries": 0}
    assert send("POST", path, later)[1] == {"deliveries": 0}
    assert send("POST", path, before)[1] == {"deliveries": 0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-20T10:00:00"}, "since"),
        ({"since": 5}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"since": "2026-11-20T10:00:00Z", "state": "odd"}, "state"),
        ({"since": "2026-11-20T10:00:00Z", "nonsense": 1}, "nonsense"),
    ],
)
def test_a_replay_that_is_not_understood_names_the_field(webhook, send, body, field):
    status, problem = send("POST", f"/api/v1/webhooks/{webhook.pk}/replay", body)

    assert status == 422
    assert problem["errors"][0]["field"].startswith(field)


def test_a_rotated_secret_overlaps_with_the_former_one_for_a_day(webhook, send):
    before = timezone.now()

    status, rotated = send("POST", f"/api/v1/webhooks/{webhook.pk}/secret/rotate")

    webhook.refresh_from_db()
    until = dt.datetime.fromisoformat(rotated["previous_valid_until"])
    assert status == 200
    assert rotated["secret"].startswith("whsec_")
    assert webhook.signing_secrets(before) == (rotated["secret"], "old")
    assert dt.timedelta(hours=23) < until - before < dt.timedelta(hours=25)


def test_a_second_rotation_leaves_the_promise_of_the_first_one(webhook, send):
    now = timezone.now()
    path = f"/api/v1/webhooks/{webhook.pk}/secret/rotate"

    _, first = send("POST", path)
    _, second = send("POST", path)

    webhook.refresh_from_db()
    secrets = (second["secret"], first["secret"], "old")
    assert webhook.signing_secrets(now) == secrets


def test_the_same_secret_again_changes_nothing(webhook, send):
    send("PATCH", f"/api/v1/webhooks/{webhook.pk}", {"secret": "old"})

    webhook.refresh_from_db()
    assert webhook.signing_secrets(timezone.now()) == ("old",)


def test_an_empty_secret_is_refused(webhook, send):
    status, problem = send("PATCH", f"/api/v1/webhooks/{webhook.pk}", {"secret": ""})

    assert (status, problem["errors"][0]["field"]) == (422, "secret")


def test_a_webhook_whose_secret_cannot_be_read_can_be_listed_and_given_a_new_one(
    webhook, send, settings
):
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    listed, _ = send("GET", "/api/v1/webhooks")
    rotated, answer = send("POST", f"/api/v1/webhooks/{webhook.pk}/secret/rotate")

    webhook.refresh_from_db()
    assert (listed, rotated) == (200, 200)
    assert webhook.signing_secrets(timezone.now()) == (answer["secret"],)


def test_a_first_secret_has_no_former_one(acme, webhook_of, send):
    webhook = webhook_of(acme)

    _, rotated = send("POST", f"/api/v1/webhooks/{webhook.pk}/secret/rotate")

    assert rotated["previous_valid_until"] is None
