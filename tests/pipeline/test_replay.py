"""Ranges of deliveries are sent again: bounded steps, a rate, pause, cancel."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import time_machine
from django.db import connection

from dispatcher.models import Delivery, Partner, Replay, Tenant, Webhook
from dispatcher.pipeline import probes, replay, replay_step
from dispatcher.pipeline.claim import claim
from dispatcher.pipeline.subscribe import delete_webhook
from tests.ended import ended
from tests.pipeline.conftest import ROOM, call, claim_all, claim_now, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def webhook(acme, webhook_of):
    """A webhook of acme's."""
    return webhook_of(acme)


@pytest.fixture
def operator(db) -> Partner:
    """A partner of one tenant."""
    partner = Partner.objects.create(name="Operator")
    Tenant.objects.create(external_id="initech", name="Initech", partner=partner)
    return partner


def begin(webhook, now, **settings):
    """Starts a replay of everything that failed until now."""
    given = {"since": now - 24 * HOUR, "until": None, "states": ["failed"], **settings}
    return replay.start(replay.of_range(webhook, now=now, **given), now=now, by="test")


def steps(now, clock_seconds=2.0, rounds=20):
    """What the beat has done until nothing is running: (seconds since now, pending)."""
    for number in range(1, rounds + 1):
        at = now + dt.timedelta(seconds=number * clock_seconds)
        step_at(at)
        yield number * clock_seconds, pending()
        if not Replay.objects.filter(state="running").exists():
            return


def step_at(moment):
    """What one run of the beat does at that time; whom it wakes up."""
    return list(replay.step_due(clock=lambda: moment, rest=lambda _seconds: None))


def pending() -> int:
    return Delivery.objects.filter(state="pending").count()


# What is sent again -----------------------------------------------------------------


def test_it_takes_what_was_made_in_the_range_and_ended_so(webhook, now):
    ended(webhook, now - 5 * HOUR)
    (inside,) = ended(webhook, now - 3 * HOUR)
    ended(webhook, now - HOUR)
    ended(webhook, now - 3 * HOUR, "delivered")

    started = begin(webhook, now, since=now - 3 * HOUR, until=now - HOUR)

    inside.refresh_from_db()
    assert (started.count, pending()) == (1, 1)
    assert (inside.state, inside.tries, inside.attempt_count) == ("pending", 0, 2)
    assert (inside.next_attempt_at, inside.ended_at) == (now, None)


def test_what_carried_only_calls_that_were_erased_is_not_counted(webhook, now):
    ended(webhook, now - HOUR)
    (gone,) = ended(webhook, now - HOUR)
    Delivery.objects.filter(pk=gone.pk).update(last_error_class=Delivery.ERASED)

    started = begin(webhook, now)

    assert (started.count, pending()) == (1, 1)
    assert started.replay is not None
    assert started.replay.done == 1


def test_several_states_may_be_chosen_and_what_is_pending_stays(webhook, now):
    for state in ("failed", "delivered", "cancelled"):
        ended(webhook, now - HOUR, state)
    (waiting,) = ended(webhook, now - HOUR, "pending", tries=1)

    started = begin(webhook, now, states=["cancelled", "delivered", "pending"])

    waiting.refresh_from_db()
    assert started.count == 2
    assert waiting.tries == 1
    assert Delivery.objects.filter(state="failed").count() == 1


def test_test_calls_and_other_webhooks_deliveries_are_left_alone(
    webhook, globex, webhook_of, now
):
    ended(webhook, now - HOUR, test_uid="test-1")
    ended(webhook_of(webhook.tenant), now - HOUR)
    ended(webhook_of(globex), now - HOUR)

    assert begin(webhook, now).count == 0
    assert pending() == 0
    assert not Replay.objects.exists()


def test_what_was_made_at_the_very_moment_counts_and_what_comes_later_does_not(
    webhook, now
):
    ended(webhook, now)
    ended(webhook, now + dt.timedelta(seconds=1))

    assert begin(webhook, now, until=now + HOUR).count == 1


@pytest.mark.parametrize(("year", "found"), [(1, 1), (9999, 0)])
def test_the_ends_of_the_calendar_are_no_error(webhook, now, year, found):
    ended(webhook, now - HOUR)
    since = dt.datetime(year, 1, 1, tzinfo=dt.UTC)

    assert begin(webhook, now, since=since).count == found


def test_a_preview_counts_and_changes_nothing(webhook, now):
    ended(webhook, now - HOUR, many=3)
    wish = replay.of_range(
        webhook, since=now - 2 * HOUR, until=None, states=["failed"], now=now
    )

    assert replay.count(wish) == 3
    assert (pending(), Replay.objects.count()) == (0, 0)


def test_what_a_partners_webhook_sent_is_sent_again(now, operator):
    webhook = Webhook.objects.create(partner=operator, url="https://north.example/")
    ended(webhook, now - HOUR, tenant=operator.tenants.get())

    assert begin(webhook, now).wake == {webhook.pk: "fast"}
    assert pending() == 1


# What failed in an outage -----------------------------------------------------------


def outage(webhook, now, **columns):
    """The webhook failed from three hours ago, and was back an hour ago."""
    columns = {
        "failing_since": now - 3 * HOUR,
        "recovered_at": now - HOUR,
        **columns,
    }
    Webhook.objects.filter(pk=webhook.pk).update(**columns)
    webhook.refresh_from_db()
    return replay.of_outage(webhook, now=now)


def test_an_outage_takes_what_failed_in_it_however_long_ago_it_was_made(webhook, now):
    (long_ago,) = ended(webhook, now - 90 * HOUR, ended_at=now - 2 * HOUR)
    ended(webhook, now - 90 * HOUR, ended_at=now - 4 * HOUR)
    ended(webhook, now - 2 * HOUR, ended_at=now - HOUR)
    ended(webhook, now - 2 * HOUR, "delivered", ended_at=now - 2 * HOUR)
    wish = outage(webhook, now)

    started = replay.start(wish, now=now)

    assert started.count == 1
    assert Delivery.objects.get(state="pending") == long_ago


@pytest.mark.parametrize(
    "columns",
    [
        {"failing_since": None},
        {"recovered_at": None},
        {"health": "DOWN"},
        {"failing_since": dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)},
    ],
)
def test_without_an_outage_that_is_over_there_is_nothing_to_offer(
    webhook, now, columns
):
    assert outage(webhook, now, **columns) is None


def test_what_failed_until_it_went_down_is_offered_once_it_is_back(
    acme, webhook_of, take, now, settings
):
    settings.CDRHOOK_DOWN_AFTER_SECONDS = 0
    webhook = webhook_of(acme, retries=0, max_in_flight=10)
    with time_machine.travel(now):
        take(acme, *(call(f"c-{n}") for n in range(11)))
    for item in claim_all(webhook, now):
        finish(item, 500, now, took_ms=0)
    webhook.refresh_from_db()
    while_down = webhook.health, replay.of_outage(webhook, now=now)

    later = now + 2 * HOUR
    probes.grant(later)
    (probe,) = claim_all(webhook, later)
    finish(probe, 200, later)

    webhook.refresh_from_db()
    assert while_down == ("DOWN", None)
    wish = replay.of_outage(webhook, now=later)
    assert wish is not None
    assert replay.start(wish, now=later).count == 10


# In steps ---------------------------------------------------------------------------


def test_up_to_500_are_sent_again_at_once(webhook, now):
    ended(webhook, now - HOUR, many=500)

    started = begin(webhook, now)

    assert pending() == 500
    assert started.wake == {webhook.pk: "fast"}
    assert started.replay is not None
    assert (started.replay.state, started.replay.done) == ("done", 500)


def test_more_go_on_in_steps_of_500_until_it_is_done(webhook, now):
    ended(webhook, now - HOUR, many=1_201)

    started = begin(webhook, now)
    first = pending()
    last = list(steps(now))[-1]

    one = Replay.objects.get()
    assert (started.count, first, last[1]) == (1_201, 500, 1_201)
    assert (one.state, one.done, one.total) == ("done", 1_201, 1_201)
    assert (one.next_step_at, one.ended_at) == (None, now + dt.timedelta(seconds=2))


def test_a_step_looks_past_what_is_not_chosen_without_end(webhook, now, monkeypatch):
    monkeypatch.setattr(replay_step, "LOOKED_AT", 10)
    ended(webhook, now - 2 * HOUR, "delivered", many=45)
    ended(webhook, now - HOUR, "cancelled", many=2)

    begin(webhook, now, states=["cancelled"])

    assert pending() == 2
    assert Replay.objects.get().state == "done"


def test_a_rate_holds_over_steps_also_when_they_come_late(webhook, now):
    ended(webhook, now - HOUR, many=300)

    begin(webhook, now, per_second=50)
    seen = list(steps(now))

    assert seen == [(2.0, 150), (4.0, 250), (6.0, 300)]


def test_a_low_rate_sends_one_after_another(webhook, now):
    ended(webhook, now - HOUR, many=3)

    begin(webhook, now, per_second=1)

    assert pending() == 1
    assert list(steps(now, clock_seconds=0.5)) == [
        (0.5, 1),
        (1.0, 2),
        (1.5, 2),
        (2.0, 3),
    ]


def test_no_step_is_taken_twice_and_none_before_its_time(webhook, now):
    ended(webhook, now - HOUR, many=100)
    started = begin(webhook, now, per_second=10)
    later = now + dt.timedelta(seconds=1)

    early = replay.step(started.replay.pk, later - dt.timedelta(milliseconds=1))
    first = replay.step(started.replay.pk, later)
    second = replay.step(started.replay.pk, later)

    assert (early.stepped, first.sent, second.stepped) == (False, 10, False)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_stepped_by_an_hour_neither_stops_nor_bursts_it(webhook, now, hours):
    ended(webhook, now - 3 * HOUR, many=400)
    begin(webhook, now, per_second=10)

    seen = list(steps(now + hours * HOUR, clock_seconds=1, rounds=10))

    # Ten seconds' worth, the first step's, and what a late step makes up.
    assert 100 <= seen[-1][1] <= 100 + 10 + 40


def test_replays_take_turns_and_one_that_fails_holds_up_none(
    webhook, acme, webhook_of, now, monkeypatch
):
    other = webhook_of(acme)
    for one in (webhook, other):
        ended(one, now - HOUR, many=1_001)
        begin(one, now)
    broken = Replay.objects.get(webhook=webhook).pk
    real = replay.step

    def step(replay_id, at):
        if replay_id == broken:
            raise ValueError("broken")
        return real(replay_id, at)

    monkeypatch.setattr(replay, "step", step)
    step_at(now)

    assert Replay.objects.get(webhook=other).state == "done"
    assert Replay.objects.get(pk=broken).state == "running"


def test_one_run_of_the_beat_is_bounded_and_rests_as_long_as_it_works(webhook, now):
    ended(webhook, now - HOUR, many=1_600)
    begin(webhook, now)
    ticks = iter(range(100))
    rests: list[float] = []

    woken = list(
        replay.step_due(
            clock=lambda: now, rest=rests.append, timer=lambda: next(ticks) * 0.2
        )
    )

    assert len(woken) == 2
    assert rests == pytest.approx([0.2, 0.2])
    assert pending() == 1_500


# Pause, resume, cancel --------------------------------------------------------------


def test_a_paused_one_waits_and_a_resumed_one_goes_on_where_it_was(webhook, now):
    ended(webhook, now - HOUR, many=60)
    one = begin(webhook, now, per_second=20).replay
    later = now + HOUR

    assert replay.pause(one.pk)
    assert list(steps(later)) == [(2.0, 20)]
    assert replay.resume(one.pk, later)
    list(steps(later))

    one.refresh_from_db()
    assert (one.state, one.done, pending()) == ("done", 60, 60)


def test_a_cancelled_one_stops_and_what_it_has_sent_stays_pending(webhook, now):
    ended(webhook, now - HOUR, many=60)
    one = begin(webhook, now, per_second=20).replay

    assert replay.cancel(one.pk, now)
    list(steps(now))

    one.refresh_from_db()
    assert (one.state, one.done, one.ended_at) == ("cancelled", 20, now)
    assert pending() == 20


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("running", {"pause", "cancel"}),
        ("paused", {"resume", "cancel"}),
        ("done", set()),
        ("cancelled", set()),
    ],
)
def test_a_state_allows_what_makes_sense_in_it(webhook, now, state, allowed):
    changes = {
        "pause": lambda key: replay.pause(key),
        "resume": lambda key: replay.resume(key, now),
        "cancel": lambda key: replay.cancel(key, now),
    }
    columns = {"since": now, "until": now, "created_at": now, "webhook": webhook}
    due = now if state == "running" else None

    done = {
        name
        for name, change in changes.items()
        if change(Replay.objects.create(state=state, next_step_at=due, **columns).pk)
    }

    assert done == allowed


# Meanwhile --------------------------------------------------------------------------


def test_of_a_webhook_that_is_deleted_nothing_more_is_sent(webhook, now):
    ended(webhook, now - HOUR, many=60)
    one = begin(webhook, now, per_second=20).replay
    delete_webhook(webhook, now=now)

    list(steps(now))

    one.refresh_from_db()
    assert (one.state, one.done) == ("cancelled", 20)
    assert pending() == 0


def test_a_paused_one_of_a_deleted_webhook_cannot_go_on(webhook, now):
    ended(webhook, now - HOUR, many=60)
    one = begin(webhook, now, per_second=20).replay
    replay.pause(one.pk)
    delete_webhook(webhook, now=now)

    assert not replay.resume(one.pk, now)


@pytest.mark.parametrize("columns", [{"active": False}, {"health": "DOWN"}])
def test_at_a_webhook_that_is_off_or_down_they_are_held(webhook, now, columns):
    ended(webhook, now - HOUR, many=60)
    begin(webhook, now, per_second=20)
    Webhook.objects.filter(pk=webhook.pk).update(probed_at=now, **columns)

    list(steps(now))

    assert (Replay.objects.get().state, pending()) == ("done", 60)
    held = claim(webhook.pk, now=now + dt.timedelta(seconds=9), capacity=ROOM)
    assert held is None or not held.runs


def test_a_webhook_that_is_off_is_not_woken_up(webhook, now):
    ended(webhook, now - HOUR, many=60)
    begin(webhook, now, per_second=20)
    Webhook.objects.filter(pk=webhook.pk).update(active=False)

    (woken,) = step_at(now + dt.timedelta(seconds=1))

    assert woken == {}


def test_what_changed_before_its_turn_is_not_sent_twice(webhook, now):
    deliveries = ended(webhook, now - HOUR, many=60)
    begin(webhook, now, per_second=20)
    Delivery.objects.filter(pk=deliveries[-1].pk).update(
        state="delivered", ended_at=now
    )

    list(steps(now))

    one = Replay.objects.get()
    assert (one.done, one.total, pending()) == (59, 60, 59)


def test_they_go_out_with_their_old_ids(webhook, now):
    deliveries = ended(
        webhook, now - HOUR, many=3, request_method="POST", request_body=b"{}"
    )

    begin(webhook, now)

    runs = claim_now(webhook, now).runs
    assert {item.delivery_id for run in runs for item in run} == {
        delivery.pk for delivery in deliveries
    }


# At the same time -------------------------------------------------------------------


def together(*jobs):
    """Runs them in threads that start at once; returns what they returned."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(place, job):
        try:
            barrier.wait(10)
            results[place] = job()
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(place, job))
        for place, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_steppers_never_do_the_same(webhook, now):
    ended(webhook, now - HOUR, many=100)
    one = begin(webhook, now, per_second=10).replay
    later = now + dt.timedelta(seconds=1)

    done = together(*[lambda: replay.step(one.pk, later)] * 4)

    assert sorted(step.sent for step in done) == [0, 0, 0, 10]
    assert pending() == 20


@pytest.mark.django_db(transaction=True)
def test_two_steppers_without_a_rate_share_it(webhook, now):
    ended(webhook, now - HOUR, many=1_600)
    begin(webhook, now)

    together(lambda: step_at(now), lambda: step_at(now))

    one = Replay.objects.get()
    assert (one.state, one.done, pending()) == ("done", 1_600, 1_600)


@pytest.mark.django_db(transaction=True)
def test_a_cancel_beside_a_step_comes_before_or_after_it(webhook, now):
    ended(webhook, now - HOUR, many=100)
    one = begin(webhook, now, per_second=10).replay
    later = now + dt.timedelta(seconds=1)

    step, cancelled = together(
        lambda: replay.step(one.pk, later), lambda: replay.cancel(one.pk, later)
    )

    one.refresh_from_db()
    assert cancelled
    assert (one.state, one.next_step_at) == ("cancelled", None)
    assert one.done == pending() == 10 + step.sent


@pytest.mark.django_db(transaction=True)
def test_a_deletion_beside_a_step_leaves_nothing_pending(webhook, now):
    ended(webhook, now - HOUR, many=100)
    one = begin(webhook, now, per_second=10).replay
    later = now + dt.timedelta(seconds=1)

    together(
        lambda: replay.step(one.pk, later), lambda: delete_webhook(webhook, now=later)
    )

    assert pending() == 0
