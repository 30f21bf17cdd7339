"""What is not to wait for a webhook that is DOWN or off fails, with the reason."""

from __future__ import annotations

import pytest

from dispatcher.models import Attempt, Delivery, Webhook
from dispatcher.pipeline import held
from dispatcher.pipeline.resend import redeliver
from tests.pipeline.conftest import call, claim_all, claim_now, claim_on, finish
from tests.pipeline.outage import down_webhook, later

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = 3600


def states():
    return sorted(Delivery.objects.values_list("state", "last_error_class"))


@pytest.fixture
def old(take, now, monkeypatch):
    """old(tenant, *uids) takes calls in 73 hours ago."""

    def make(tenant, *uids):
        made_at = later(now, -73 * HOUR)
        with monkeypatch.context() as patch:
            nanoseconds = int(made_at.timestamp() * 1e9)
            patch.setattr("dispatcher.models.ids.time.time_ns", lambda: nanoseconds)
            take(tenant, *(call(uid) for uid in uids))
        Delivery.objects.filter(created_at=now).update(
            created_at=made_at, next_attempt_at=made_at
        )

    return make


# when_down: fail ------------------------------------------------------------------------


def test_pending_and_new_calls_fail_at_once_but_for_the_probe(
    acme, webhook_of, take, now
):
    webhook = down_webhook(webhook_of, acme, now, when_down="fail")
    take(acme, *(call(f"c-{n}") for n in range(3)))

    (probe,) = claim_all(webhook, now)

    assert probe.probe
    assert states() == [("failed", "down"), ("failed", "down"), ("pending", "")]
    reason = Delivery.objects.filter(state="failed").latest("id").last_error
    assert reason.startswith("the webhook is DOWN since 2026-")
    assert not Attempt.objects.exists()


def test_a_failed_probe_fails_too_with_what_it_was_told(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, when_down="fail", retries=5)
    take(acme, call("c-1"))

    finish(claim_all(webhook, now)[0], 500, now)

    assert states() == [("failed", "status")]
    assert Attempt.objects.get().probe


def test_within_the_minute_every_call_fails(acme, webhook_of, take, now):
    down = down_webhook(webhook_of, acme, now, when_down="fail", probed_at=now)
    assert take(acme, call("c-1")).wake == {down.pk: "slow"}

    assert claim_all(down, later(now, 59)) == []

    assert states() == [("failed", "down")]


def test_the_first_call_after_the_minute_is_the_probe(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, when_down="fail", probed_at=now)
    take(acme, call("c-1"))

    (item,) = claim_all(webhook, later(now, 60))
    finish(item, 200, later(now, 60))

    assert states() == [("delivered", "")]
    assert Webhook.objects.get().health == "RECOVERING"


def test_a_retry_that_waits_fails_as_well(acme, webhook_of, take, now):
    webhook = down_webhook(webhook_of, acme, now, when_down="fail", probed_at=now)
    take(acme, call("c-1"))
    Delivery.objects.update(next_attempt_at=later(now, 10))

    claim_all(webhook, now)

    assert states() == [("failed", "down")]


def test_very_many_fail_in_bounded_steps(acme, webhook_of, take, now, monkeypatch):
    monkeypatch.setattr(held, "A_STEP", 5)
    webhook = down_webhook(webhook_of, acme, now, when_down="fail", probed_at=now)
    take(acme, *(call(f"c-{n}") for n in range(12)))

    first = claim_now(webhook, now)

    assert first.wait_until == now
    assert Delivery.objects.filter(state="failed").count() == 5
    claim_on(webhook, now)
    assert not Delivery.objects.filter(state="pending").exists()


# HELD_MAX_AGE ----------------------------------------------------------------------------


def test_what_was_held_for_72_hours_fails_and_says_so(acme, webhook_of, old, now):
    down_webhook(webhook_of, acme, now, down_since=later(now, -72.5 * HOUR))
    old(acme, "c-1")

    assert held.fail_held_too_long(now) == 1

    row = Delivery.objects.get()
    assert (row.state, row.last_error_class, row.ended_at) == ("failed", "held", now)
    assert row.last_error == "held for more than 72 hours: the webhook is DOWN"


def test_what_came_later_goes_on_being_held(acme, webhook_of, take, old, now):
    down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, "old")
    take(acme, call("new"))

    held.fail_held_too_long(now)

    assert states() == [("failed", "held"), ("pending", "")]


def test_it_counts_from_when_the_webhook_went_down(acme, webhook_of, old, now):
    down_webhook(webhook_of, acme, now, down_since=later(now, -71 * HOUR))
    old(acme, "c-1")

    assert held.fail_held_too_long(now) == 0


def test_it_counts_from_when_it_was_sent_again(acme, webhook_of, old, now):
    down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, "c-1")
    held.fail_held_too_long(now)
    redeliver(Delivery.objects.get().pk, now)

    assert held.fail_held_too_long(later(now, 60)) == 0


def test_a_probe_does_not_make_it_younger(acme, webhook_of, old, now):
    webhook = down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, "c-1")
    finish(claim_all(webhook, now)[0], 500, now)

    assert held.fail_held_too_long(now) == 1


def test_nor_does_one_that_could_not_be_made(acme, webhook_of, old, now, settings):
    webhook = down_webhook(
        webhook_of,
        acme,
        now,
        secret="whsec_c2VjcmV0",
        down_since=later(now, -100 * HOUR),
    )
    old(acme, "c-1")
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]
    assert claim_all(webhook, now) == []
    assert "FIELD_ENCRYPTION_KEYS" in Delivery.objects.get().last_error

    assert held.fail_held_too_long(now) == 1


def test_one_that_comes_back_at_this_moment_gets_what_it_was_owed(
    acme, webhook_of, old, now, monkeypatch
):
    down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, "c-1")
    fail_older = held._fail_older

    def beside(*args, **options):
        Webhook.objects.update(health="RECOVERING")
        return fail_older(*args, **options)

    monkeypatch.setattr(held, "_fail_older", beside)

    assert held.fail_held_too_long(now) == 0


@pytest.mark.parametrize(("changed_hours_ago", "failed"), [(73, 1), (1, 0)])
def test_what_a_webhook_holds_that_is_off_is_counted_from_its_last_change(
    acme, webhook_of, old, now, changed_hours_ago, failed
):
    webhook_of(acme, active=False, when_disabled="hold")
    Webhook.objects.update(updated_at=later(now, -changed_hours_ago * HOUR))
    old(acme, "c-1")

    assert held.fail_held_too_long(now) == failed


@pytest.mark.parametrize("change", [{"health": "RECOVERING"}, {"when_down": "try"}])
def test_what_is_not_held_is_left_alone(acme, webhook_of, old, now, change):
    long_ago = later(now, -100 * HOUR)
    down_webhook(webhook_of, acme, now, **{"down_since": long_ago, **change})
    old(acme, "c-1")

    assert held.fail_held_too_long(now) == 0


def test_a_clock_set_back_by_an_hour_fails_nothing_early(acme, webhook_of, take, now):
    down_webhook(webhook_of, acme, now, down_since=now)
    take(acme, call("c-1"))

    assert held.fail_held_too_long(later(now, -HOUR)) == 0
    assert held.fail_held_too_long(later(now, HOUR)) == 0


def test_a_sweep_fails_so_many_and_the_next_goes_on(
    acme, webhook_of, old, now, monkeypatch
):
    monkeypatch.setattr(held, "A_STEP", 2)
    down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, *(f"c-{n}" for n in range(13)))

    counts = [held.fail_held_too_long(now) for _ in range(3)]

    assert counts == [10, 3, 0]


def test_the_age_is_a_setting(acme, webhook_of, old, now, settings):
    settings.HELD_MAX_AGE = 80
    down_webhook(webhook_of, acme, now, down_since=later(now, -100 * HOUR))
    old(acme, "c-1")

    assert held.fail_held_too_long(now) == 0
