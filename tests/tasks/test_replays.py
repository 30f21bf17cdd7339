"""The beat has replays go on, and their webhooks woken up after each commit."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import settings

from cdrhook.celery import app
from dispatcher import tasks
from dispatcher.models import Delivery, Replay, Webhook
from dispatcher.pipeline import replay
from dispatcher.pipeline.outbound import utc_now
from tests.ended import ended

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.timedelta(hours=1)


def test_a_run_steps_what_is_due_and_wakes_its_webhook_up(acme, monkeypatch):
    woken: list[object] = []
    monkeypatch.setattr(tasks, "wake_up", woken.extend)
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    now = utc_now()
    ended(webhook, now - HOUR, many=600)
    wish = replay.of_range(
        webhook, since=now - 2 * HOUR, until=None, states=["failed"], now=now
    )
    replay.start(wish, now=now)

    tasks.step_replays()

    assert Delivery.objects.filter(state="pending").count() == 600
    assert (Replay.objects.get().state, woken) == ("done", [webhook.pk])


def test_the_beat_calls_it_every_two_seconds():
    entry = settings.CELERY_BEAT_SCHEDULE["step-replays"]

    assert entry["schedule"] == 2.0
    assert entry["task"] == tasks.step_replays.name
    assert entry["task"] in app.tasks
