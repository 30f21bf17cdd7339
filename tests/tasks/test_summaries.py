"""Which messages about call summaries are sent, to whom, and what a worker does."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dispatcher import broker as broker_module
from dispatcher import summaries, tasks
from dispatcher.models import CallSummary, Integration, StoredCdr
from dispatcher.pipeline import integrate, summarise
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.outbound import utc_now
from dispatcher.values import Cdr, Recording
from tests.summaries.fake_services import (
    ASSEMBLYAI_KEY,
    OPENAI_KEY,
    SUMMARY,
    WRONG_ASSEMBLYAI_KEY,
    FakeServices,
)
from tests.tasks.test_wake_up import forget

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
]


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
def services(settings, monkeypatch) -> Iterator[FakeServices]:
    """The two services; one transaction holds each test."""
    monkeypatch.setattr(summarise, "close_old_connections", lambda: None)
    running = FakeServices()
    settings.CDRHOOK_TRANSCRIPTION_URL = running.transcription_url
    settings.CDRHOOK_SUMMARY_URL = running.summary_url
    yield running
    running.close()


@pytest.fixture
def integration(acme, admin_user) -> Integration:
    wish = integrate.Wish(
        url="https://receiver.example/hub",
        on=True,
        call_summary=True,
        openai_key=OPENAI_KEY,
        assemblyai_key=ASSEMBLYAI_KEY,
    )
    return integrate.save(acme, admin_user, wish, now=utc_now()).integration


@pytest.fixture
def waiting(acme, integration) -> list[CallSummary]:
    """Three recorded calls that wait to be transcribed."""
    start = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
    cdrs = [
        Cdr(uid=f"c-{number}", started_at=start, recordings=(Recording(id="r"),))
        for number in range(3)
    ]
    accept(acme, cdrs, source="test", now=utc_now())
    ids = list(StoredCdr.objects.values_list("pk", flat=True))
    summarise.note_recorded(acme, ids, utc_now())
    return list(CallSummary.objects.order_by("pk"))


def test_due_summaries_are_queued_once_for_their_own_worker(redis, waiting):
    tasks.sweep_summaries()
    tasks.sweep_summaries()

    assert redis.llen("summaries") == 3
    assert redis.llen("fast") == 0


def test_no_more_are_queued_than_the_queue_is_to_hold(redis, waiting, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_QUEUED_STEPS", 2)

    tasks.sweep_summaries()
    tasks.sweep_summaries()

    assert redis.llen("summaries") == 2


def test_a_step_can_be_queued_again_once_a_worker_has_made_it(redis, waiting, services):
    tasks.sweep_summaries()
    redis.delete("summaries")

    tasks.summarise(str(waiting[0].pk))
    CallSummary.objects.update(next_step_at=utc_now())
    tasks.sweep_summaries()

    assert redis.llen("summaries") == 1
    assert services.count("submit") == 1


def test_without_a_broker_a_sweep_does_no_harm(settings, waiting):
    settings.REDIS_URL = ""

    tasks.sweep_summaries()

    assert CallSummary.objects.filter(state="waiting").count() == 3


def test_nothing_is_queued_where_the_packages_are_missing(
    redis, waiting, integration, monkeypatch
):
    monkeypatch.setattr(summaries, "installed", lambda: False)

    tasks.sweep_summaries()

    assert redis.llen("summaries") == 0
    integration.refresh_from_db()
    assert "cdrhook[summaries]" in integration.notice


def test_a_ready_summary_wakes_the_batch_webhook(redis, waiting, services):
    CallSummary.objects.update(state="summarising", transcription="Hello.")

    tasks.summarise(str(waiting[0].pk))

    assert CallSummary.objects.get(state="ready").summary == SUMMARY
    assert redis.llen("fast") == 1


def test_a_thousand_messages_with_a_bad_key_are_a_handful_of_requests(
    redis, waiting, services
):
    services.submit = [WRONG_ASSEMBLYAI_KEY]

    for _ in range(10):
        for summary in waiting:
            tasks.summarise(str(summary.pk))

    assert services.count("submit") == 1
    tasks.sweep_summaries()
    assert redis.llen("summaries") == 0


def test_a_worker_of_summaries_has_no_lanes_and_does_not_vouch_for_them(
    redis, monkeypatch
):
    monkeypatch.setattr(tasks, "_drainer", None)
    queues = SimpleNamespace(consume_from={"summaries": object()})
    worker = SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=queues)))

    tasks.start_draining(sender="summaries@here", instance=worker)

    assert tasks._drainer is None
    assert not broker_module.signs_of_life()["workers"]
