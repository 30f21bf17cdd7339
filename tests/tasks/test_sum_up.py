"""What beat has done every minute with the counts of requests."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import settings

from dispatcher import tasks
from dispatcher.models import Tally

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_beat_has_them_added_up(acme, monkeypatch):
    # The test's own transaction needs it.
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    hour = dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC)
    for _ in range(2):
        Tally.objects.create(tenant=acme, hour=hour, counts={"received": 1})

    tasks.sum_up_tallies()

    assert Tally.objects.get().counts == {"received": 2}
    scheduled = settings.CELERY_BEAT_SCHEDULE["sum-up"]["task"]
    assert scheduled == tasks.sum_up_tallies.name
