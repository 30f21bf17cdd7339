"""The beat has calls taken in whose legs are waited for no longer."""

from __future__ import annotations

import pytest
from django.conf import settings

from cdrhook.celery import app
from dispatcher import tasks
from dispatcher.adapters.base import Read
from dispatcher.models import Delivery, Source, Webhook
from dispatcher.pipeline.ingest import Origin, store
from tests.normalise.test_joining import a_leg

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_run_takes_in_what_is_due_and_wakes_its_webhooks_up(acme, now, monkeypatch):
    woken: list[object] = []
    monkeypatch.setattr(tasks, "wake_up", woken.extend)
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    source = Source.objects.create(
        tenant=acme, name="pbx", pbx="freeswitch", legs="per_call"
    )
    store(acme, [Read(a_leg())], Origin("freeswitch", source), now=now)

    # Days later, by the real clock.
    tasks.join_legs()

    assert Delivery.objects.get().webhook == webhook
    assert woken == [webhook.pk]


def test_the_beat_calls_it_every_two_seconds():
    entry = settings.CELERY_BEAT_SCHEDULE["join-legs"]

    assert entry["schedule"] == 2.0
    assert entry["task"] == tasks.join_legs.name
    assert entry["task"] in app.tasks
