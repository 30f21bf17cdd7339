"""Waking workers up: few messages, and no harm without a broker."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils.module_loading import import_string
from kombu.exceptions import KombuError
from redis import Redis

from cdrhook.celery import app
from cdrhook.supervisor.ports import free_port
from dispatcher import broker as broker_module
from dispatcher import tasks
from dispatcher.models import Delivery, Notice, Webhook
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline import notify
from dispatcher.pipeline.outbound import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def forget() -> None:
    """What a process remembers of its broker."""
    broker_module.client.cache_clear()
    tasks._publishing.cache_clear()
    broker_module._lengths.clear()
    broker_module._away_until = 0.0


@pytest.fixture
def redis(broker: None, settings) -> Iterator[Redis]:
    """The broker, empty."""
    forget()
    client = Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield client
    client.close()
    forget()


@pytest.fixture
def no_broker(settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A broker's address where nobody listens."""
    forget()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    monkeypatch.setattr(app.conf, "broker_url", settings.REDIS_URL)
    yield
    forget()


@pytest.fixture
def webhook(acme) -> Webhook:
    return Webhook.objects.create(tenant=acme, url="https://receiver.example/")


def test_a_webhook_is_woken_up_once_until_a_worker_has_come(redis, webhook):
    tasks.wake_up([webhook.pk])
    tasks.wake_up([webhook.pk])
    assert redis.llen("fast") == 1

    broker_module.woken([webhook.pk])
    tasks.wake_up([webhook.pk])

    assert redis.llen("fast") == 2


def test_a_wake_up_that_is_forgotten_is_good_for_5_seconds_only(redis, webhook):
    tasks.wake_up([webhook.pk])

    assert 0 < redis.ttl(f"cdrhook:wake:{webhook.pk}") <= 5


def test_a_slow_webhook_wakes_the_slow_lane(redis, webhook):
    Webhook.objects.update(lane="slow")

    tasks.wake_up([webhook.pk])

    assert (redis.llen("fast"), redis.llen("slow")) == (0, 1)


def test_webhooks_that_are_woken_together_share_messages(redis, acme):
    webhooks = [
        Webhook.objects.create(tenant=acme, url=f"https://receiver.example/{n}")
        for n in range(25)
    ]

    tasks.wake_up([webhook.pk for webhook in webhooks])

    assert redis.llen("fast") == 3


def test_lanes_that_are_known_are_not_asked_for(
    redis, webhook, django_assert_num_queries
):
    with django_assert_num_queries(0):
        tasks.wake_up({webhook.pk: "slow"})

    assert redis.llen("slow") == 1


def test_messages_do_not_pile_up_where_nobody_reads_them(redis, webhook, monkeypatch):
    monkeypatch.setattr(broker_module, "FULL", 3)
    monkeypatch.setattr(broker_module, "FULL_CHECK_SECONDS", 0)

    for _ in range(10):
        tasks.pass_on([webhook.pk], "fast", 0.0)

    assert redis.llen("fast") == 4


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_what_beat_sends_does_not_pile_up_either(redis, monkeypatch, name):
    monkeypatch.setattr(broker_module, "FULL", 3)
    monkeypatch.setattr(broker_module, "FULL_CHECK_SECONDS", 0)
    beat = import_string(app.conf.beat_scheduler.replace(":", "."))(app, lazy=True)
    entry = beat.Entry.from_entry(name, app=app, **settings.CELERY_BEAT_SCHEDULE[name])

    for _ in range(10):
        beat.apply_entry(entry)

    assert redis.llen(entry.options.get("queue") or "fast") == 4


def test_without_a_broker_waking_up_does_no_harm_and_rests(no_broker, webhook):
    tasks.wake_up([webhook.pk])
    tasks.pass_on([webhook.pk], "fast", 0.0)

    assert broker_module.is_away()


def test_a_broker_that_goes_away_amid_publishing_is_noted(redis, webhook, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise KombuError("gone")

    monkeypatch.setattr(tasks.drain, "apply_async", fail)

    tasks.wake_up([webhook.pk])

    assert broker_module.is_away()


def test_signs_of_life_are_seen(redis):
    assert broker_module.signs_of_life() == {
        "broker": True,
        "workers": False,
        "beat": False,
    }

    broker_module.worker_is_alive("fast1@here")
    broker_module.beat_is_alive()

    assert set(broker_module.signs_of_life().values()) == {True}


def test_without_a_broker_nothing_lives(no_broker):
    assert set(broker_module.signs_of_life().values()) == {False}


def test_the_sweep_has_operators_told_once_until_a_worker_has_come(
    redis, webhook, monkeypatch
):
    monkeypatch.setattr(notify, "close_old_connections", lambda: None)
    Notice.objects.create(
        webhook=webhook,
        kind="down",
        channel="email",
        happened_at=utc_now(),
        next_attempt_at=utc_now(),
    )
    tasks.sweep()
    tasks.sweep()
    assert redis.llen("slow") == 1
    tasks.tell()
    assert Notice.objects.get().tries == 1


def test_the_sweep_sends_no_message_where_there_is_nothing_to_tell(redis, webhook):
    tasks.sweep()
    assert redis.llen("slow") == 0


def test_the_sweep_has_dead_webhooks_probed_in_the_slow_lane(redis, webhook):
    now = utc_now()
    Delivery.objects.create(
        webhook=webhook, created_at=now, next_attempt_at=now, call_end=now
    )
    Webhook.objects.update(health="DOWN", down_since=now)

    tasks.sweep()

    assert (redis.llen("fast"), redis.llen("slow")) == (0, 1)


def test_the_sweep_fails_what_has_been_held_for_too_long(redis, webhook):
    long_ago = utc_now() - dt.timedelta(hours=73)
    Delivery.objects.create(
        id=first_id_at(long_ago),
        webhook=webhook,
        created_at=long_ago,
        next_attempt_at=long_ago,
        call_end=long_ago,
    )
    Webhook.objects.update(health="DOWN", down_since=long_ago)

    tasks.sweep()

    assert Delivery.objects.get().last_error_class == "held"
