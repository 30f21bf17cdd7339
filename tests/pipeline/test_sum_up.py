"""Of the counts of many requests, one row an hour is made, and nothing is lost by it."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection
from django.utils import timezone

from dispatcher.models import Tally
from dispatcher.pipeline import sum_up as summing
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.sum_up import sum_up
from tests.pipeline.conftest import call
from tests.pipeline.ledger import at, told, totals

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC)


def _no_pause(_seconds):
    """Tests wait for nothing."""


def _count(tenant, hour=HOUR, **counts):
    Tally.objects.create(tenant=tenant, hour=hour, counts=counts)


def test_one_row_an_hour_is_left_and_says_the_same(acme, webhook_of):
    webhook = webhook_of(acme)
    for uid in ("c-1", "c-2", "c-3"):
        accept(acme, [call(uid)], source="test", now=timezone.now())
    before = told(acme)

    assert sum_up(pause=_no_pause) == 3

    assert Tally.objects.filter(is_sum=False).count() == 0
    assert told(acme) == before
    assert at(webhook)["matched"] == 3


def test_numbers_are_added_however_deep_they_stand(acme):
    _count(acme, received=1, webhooks={"w": {"filtered": {"dir:eq:x": 2}}})
    _count(acme, received=2, webhooks={"w": {"filtered": {"dir:eq:x": 3}, "calls": 1}})

    sum_up(pause=_no_pause)

    assert Tally.objects.get().counts == {
        "received": 3,
        "webhooks": {"w": {"filtered": {"dir:eq:x": 5}, "calls": 1}},
    }


def test_what_comes_later_is_added_to_the_sum_that_there_is(acme, globex):
    for tenant in (acme, acme, globex):
        _count(tenant, received=1)
        sum_up(pause=_no_pause)

    found = Tally.objects.order_by("tenant__external_id")
    assert [row.counts["received"] for row in found] == [2, 1]


def test_hours_are_kept_apart(acme):
    _count(acme, received=1)
    _count(acme, HOUR + dt.timedelta(hours=1), received=2)

    sum_up(pause=_no_pause)

    assert [row.counts["received"] for row in Tally.objects.order_by("hour")] == [1, 2]


def test_it_goes_on_in_steps_until_nothing_is_left(acme, monkeypatch):
    monkeypatch.setattr(summing, "STEP", 2)
    for _ in range(5):
        _count(acme, received=1)

    assert sum_up(pause=_no_pause) == 5

    assert Tally.objects.get().counts == {"received": 5}


def test_with_nothing_to_add_up_nothing_is_written(acme):
    assert sum_up(pause=_no_pause) == 0
    assert not Tally.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_counted_twice_or_lost_while_two_add_up_and_calls_come_in(
    acme, webhook_of
):
    webhook = webhook_of(acme)
    done, differences = threading.Event(), []
    others = [
        _started(_until, done, lambda: sum_up(pause=_no_pause)),
        _started(_until, done, lambda: sum_up(pause=_no_pause)),
        _started(
            _until, done, lambda: differences.extend(told(acme)["totals"]["difference"])
        ),
    ]

    _joined([_started(_post, acme, number) for number in range(4)])
    done.set()
    _joined(others)
    sum_up(pause=_no_pause)

    assert differences == []
    assert totals(acme)["received"] == at(webhook)["matched"] == 100


def _post(tenant, poster):
    for number in range(25):
        accept(tenant, [call(f"{poster}-{number}")], source="t", now=timezone.now())


def _until(done, work):
    while not done.wait(0.01):
        work()


def _started(target, *arguments):
    def run():
        try:
            target(*arguments)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _joined(threads):
    for thread in threads:
        thread.join()


def test_an_hour_that_cannot_be_added_up_holds_up_no_other(acme):
    for counts in ({"gone": 1}, {"gone": {"calls": 1}}, {"gone": 1}):
        _count(acme, **counts)
    _count(acme, HOUR + dt.timedelta(hours=1), received=2)

    assert sum_up(pause=_no_pause) == 1

    assert Tally.objects.get(is_sum=True).counts == {"received": 2}
