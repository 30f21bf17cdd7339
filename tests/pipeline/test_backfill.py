"""A webhook is given calls that were accepted before it was made, each once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError

from dispatcher.models import Delivery, OwedCdr, Partner, Replay, Tenant, Webhook
from dispatcher.pipeline import replay, replay_step
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.bundle import bundle
from dispatcher.pipeline.owe import write_owed
from dispatcher.pipeline.subscribe import delete_webhook
from dispatcher.pipeline.tally import hour_at
from tests.ended import id_at
from tests.pipeline.conftest import call, claim_on

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def ids(monkeypatch):
    """Ids are made by the clock of the test, which `taken` sets."""
    clock: list[dt.datetime] = []
    monkeypatch.setattr("dispatcher.pipeline.accept.uuid7", lambda: id_at(clock[-1]))
    return clock


@pytest.fixture
def taken(ids):
    """taken(tenant, when, *calls) accepts them at that time."""

    def make(tenant, when, *cdrs):
        ids.append(when)
        return accept(tenant, cdrs, source="test", now=when)

    return make


@pytest.fixture
def made(webhook_of, now):
    """made(owner, **settings) -> a webhook that was made an hour ago."""

    def make(owner, *, hours=1, **settings):
        whose = "partner" if isinstance(owner, Partner) else "tenant"
        webhook = Webhook.objects.create(
            **{whose: owner}, url="https://receiver.example/cdr", **settings
        )
        Webhook.objects.filter(pk=webhook.pk).update(created_at=now - hours * HOUR)
        webhook.refresh_from_db()
        return webhook

    return make


def give(webhook, now, hours=24, **settings):
    """Starts giving it the calls of the last hours."""
    wish = replay.of_last_hours(webhook, hours, now=now, **settings)
    return replay.start(wish, now=now, by="test")


def run_on(now, seconds=2.0):
    """What the beat does `seconds` later."""
    at = now + dt.timedelta(seconds=seconds)
    return list(replay.step_due(clock=lambda: at, rest=lambda _seconds: None))


def owed(webhook) -> list[str]:
    rows = OwedCdr.objects.filter(webhook=webhook).order_by("id")
    return list(rows.values_list("cdr__uid", flat=True))


def test_it_gets_the_calls_of_the_last_hours_oldest_first(acme, taken, made, now):
    taken(acme, now - 25 * HOUR, call("too-old"))
    taken(acme, now - 23 * HOUR, call("first"))
    taken(acme, now - 2 * HOUR, call("second"))
    webhook = made(acme)

    started = give(webhook, now)

    assert owed(webhook) == ["first", "second"]
    assert (started.count, started.wake) == (2, {webhook.pk: "fast"})
    assert {item.tries for item in claim_on(webhook, now)} == {0}


def test_filters_decide_and_progress_counts_what_was_looked_through(
    acme, taken, made, now
):
    webhook = made(acme)
    webhook.filters.create(field="dir", op="eq", value="outbound")
    taken(
        acme, now - 2 * HOUR, call("in"), call("out", direction="outbound"), call("in2")
    )
    OwedCdr.objects.all().delete()

    give(webhook, now)

    one = Replay.objects.get()
    assert owed(webhook) == ["out"]
    assert (one.state, one.total, one.done) == ("done", 3, 3)


def test_no_call_is_given_twice_neither_one_that_it_was_owed_already(
    acme, taken, made, now
):
    taken(acme, now - 3 * HOUR, call("before"))
    webhook = made(acme, hours=2)
    taken(acme, now - HOUR, call("since"))

    give(webhook, now)
    give(webhook, now)

    assert sorted(owed(webhook)) == ["before", "since"]
    assert Delivery.objects.count() == 2


def test_what_it_is_given_adds_up_in_the_balance(acme, taken, made, now):
    taken(acme, now - 3 * HOUR, call("in"), call("out", direction="outbound"))
    webhook = made(acme)
    webhook.filters.create(field="dir", op="eq", value="outbound")

    give(webhook, now)
    give(webhook, now)

    hours = hour_at(now - 24 * HOUR), hour_at(now) + 1
    (totals,) = balance(acme, *hours).totals.webhooks
    assert totals.fates["matched"] == totals.states["pending"] == 1
    assert balance(acme, *hours).totals.balanced


def test_a_call_that_is_deleted_beside_its_start_stops_nothing(
    acme, taken, made, now, monkeypatch
):
    taken(acme, now - 2 * HOUR, call("c-1"), call("c-2"))
    webhook = made(acme)

    def beside(owing):
        write_owed(owing)
        raise IntegrityError("its key is not present in table")

    with monkeypatch.context() as patch:
        patch.setattr(replay_step, "write_owed", beside)
        started = give(webhook, now)
    assert (started.count, owed(webhook)) == (2, [])

    run_on(now)

    assert owed(webhook) == ["c-1", "c-2"]


def test_other_tenants_calls_are_not_its_own(acme, globex, taken, made, now):
    taken(acme, now - 2 * HOUR, call("ours"))
    taken(globex, now - 2 * HOUR, call("theirs"))
    webhook = made(acme)

    assert give(webhook, now).count == 1
    assert owed(webhook) == ["ours"]


def test_a_partners_webhook_gets_those_of_all_its_tenants(globex, taken, made, now):
    partner = Partner.objects.create(name="Operator")
    for name in ("one", "two"):
        tenant = Tenant.objects.create(external_id=name, name=name, partner=partner)
        taken(tenant, now - 2 * HOUR, call(f"of-{name}"))
    taken(globex, now - 2 * HOUR, call("theirs"))
    webhook = made(partner)

    assert give(webhook, now).count == 2
    assert owed(webhook) == ["of-one", "of-two"]
    tenants = Delivery.objects.order_by("id").values_list("tenant__external_id")
    assert list(tenants) == [("one",), ("two",)]


def test_a_webhook_that_is_told_of_changes_gets_them_too(acme, taken, made, now):
    taken(acme, now - 3 * HOUR, call("a"))
    taken(acme, now - 2 * HOUR, call("a", duration=5))
    webhook, told = made(acme), made(acme, on_update=True)

    give(webhook, now)
    give(told, now)
    give(told, now)

    assert (owed(webhook), owed(told)) == (["a"], ["a", "a"])


def test_many_go_in_steps_and_a_rate_holds(acme, taken, made, now):
    taken(acme, now - 2 * HOUR, *(call(f"c-{n}") for n in range(100)))
    webhook = made(acme)

    give(webhook, now, per_second=20)
    first = len(owed(webhook))
    run_on(now, 1.0)
    second = len(owed(webhook))
    for seconds in (2.0, 3.0, 4.0, 5.0):
        run_on(now, seconds)

    assert (first, second, len(owed(webhook))) == (20, 40, 100)
    assert Replay.objects.get().state == "done"


def test_a_step_looks_at_few_calls_however_many_there_are(
    acme, taken, made, now, monkeypatch
):
    monkeypatch.setattr(replay_step, "MOST", 10)
    taken(acme, now - 2 * HOUR, *(call(f"c-{n}") for n in range(35)))
    webhook = made(acme)
    webhook.filters.create(field="dir", op="eq", value="outbound")

    started = give(webhook, now, per_second=1)

    assert (started.replay.done, started.replay.state) == (10, "running")
    run_on(now, 0.0)
    one = Replay.objects.get()
    assert (one.done, one.state, owed(webhook)) == (35, "done", [])


def test_it_is_paused_cancelled_and_ends_with_its_webhook(acme, taken, made, now):
    taken(acme, now - 2 * HOUR, *(call(f"c-{n}") for n in range(30)))
    paused, cancelled, deleted = made(acme), made(acme), made(acme)
    for webhook in (paused, cancelled, deleted):
        give(webhook, now, per_second=10)

    replay.pause(Replay.objects.get(webhook=paused).pk)
    replay.cancel(Replay.objects.get(webhook=cancelled).pk, now)
    delete_webhook(deleted, now=now)
    run_on(now)

    states = dict(Replay.objects.values_list("webhook", "state"))
    assert [states[one.pk] for one in (paused, cancelled, deleted)] == [
        "paused",
        "cancelled",
        "cancelled",
    ]
    assert [len(owed(one)) for one in (paused, cancelled, deleted)] == [10, 10, 10]


def test_switched_off_it_holds_what_it_asked_for(acme, taken, made, now):
    taken(acme, now - 2 * HOUR, call("a"))
    webhook = made(acme, active=False, when_disabled="drop")

    started = give(webhook, now)

    webhook.refresh_from_db()
    assert (owed(webhook), started.wake, webhook.dropped) == (["a"], {}, 0)
    assert Delivery.objects.get().state == "pending"


def test_calls_on_their_way_in_when_it_was_made_are_waited_for(acme, taken, made, now):
    """Their acceptor read the webhooks before this one was there, and commits later."""
    taken(acme, now - HOUR, call("earlier"))
    webhook = made(acme, hours=0)

    started = give(webhook, now)
    before = owed(webhook)
    taken(acme, now - dt.timedelta(seconds=1), call("on-its-way"))
    OwedCdr.objects.filter(cdr__uid="on-its-way").delete()
    run_on(now, 10)
    waiting = owed(webhook)
    run_on(now, 15)

    assert (before, waiting) == (["earlier"], ["earlier"])
    assert owed(webhook) == ["earlier", "on-its-way"]
    started.replay.refresh_from_db()
    assert started.replay.state == "done"


def test_a_clock_set_back_while_it_waits_does_not_stop_it(acme, taken, made, now):
    taken(acme, now - dt.timedelta(seconds=1), call("a"))
    webhook = made(acme, hours=0)
    wish = replay.of_last_hours(webhook, 1, now=now)
    OwedCdr.objects.all().delete()
    replay.start(wish, now=now)

    run_on(now - HOUR)

    assert owed(webhook) == ["a"]


# Styles that bundle -----------------------------------------------------------------


def test_a_batch_bundles_them_as_usual(acme, taken, made, now):
    taken(acme, now - 2 * HOUR, *(call(f"c-{n}") for n in range(5)))
    webhook = made(acme, style="batch", batch_size=2)

    give(webhook, now)
    bundle(webhook, now)
    bundle(webhook, now + dt.timedelta(seconds=60))

    sizes = [one.carried.count() for one in Delivery.objects.order_by("id")]
    assert sizes == [2, 2, 1]


@pytest.fixture
def feed(made, now):
    """feed(**settings) -> (a feed that began at 10:00, its one tenant)."""

    def make(**settings):
        partner = Partner.objects.create(name="Operator")
        tenant = Tenant.objects.create(external_id="one", name="One", partner=partner)
        fed_until = now - dt.timedelta(minutes=5)
        return made(partner, style="feed", fed_until=fed_until, **settings), tenant

    return make


def test_a_feed_sends_calls_of_closed_windows_as_late_records(feed, taken, now):
    webhook, tenant = feed()
    taken(tenant, now - 2 * HOUR, call("late"))
    OwedCdr.objects.all().delete()

    give(webhook, now)
    bundle(webhook, now)
    none_yet = Delivery.objects.count()
    bundle(webhook, now + dt.timedelta(minutes=5))

    assert none_yet == 0
    assert Delivery.objects.get().late


def test_a_feed_without_late_records_leaves_them_to_the_records_api(feed, taken, now):
    webhook, tenant = feed(late_records="api_only")
    taken(tenant, now - 2 * HOUR, call("late"))
    OwedCdr.objects.all().delete()

    give(webhook, now)
    bundle(webhook, now + dt.timedelta(minutes=5))

    assert OwedCdr.objects.get().left_out == "late"
    assert not Delivery.objects.exists()
