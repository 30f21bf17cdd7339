"""The task that deletes what is kept no longer."""

from __future__ import annotations

import threading

import pytest
from celery.signals import worker_shutting_down

from dispatcher import tasks
from dispatcher.pipeline.retain import Retained

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def looked(monkeypatch):
    """The steps that were made; each of a pass of three."""
    steps: list[int] = []

    def three(_clock, **_options):
        for number in (1, 2, 3):
            steps.append(number)
            yield Retained(calls=number)

    monkeypatch.setattr("dispatcher.pipeline.retain.retain", three)
    return steps


def test_it_makes_a_whole_pass(looked):
    tasks.retain()

    assert looked == [1, 2, 3]


def test_it_ends_after_a_step_when_its_worker_stops(looked, monkeypatch):
    monkeypatch.setattr(tasks._stopping, "is_set", lambda: True)

    tasks.retain()

    assert looked == [1]


def test_its_worker_is_not_waited_for_to_stop(looked, monkeypatch):
    """Celery tells its pool to end, and waits for it, before `worker_shutdown`."""
    monkeypatch.setattr(tasks, "_stopping", threading.Event())
    worker_shutting_down.send(sender="a worker", sig="SIGTERM", how="Warm", exitcode=0)

    tasks.retain()

    assert looked == [1]


def test_one_pass_at_a_time_is_made_in_a_process(looked):
    with tasks._retaining:
        tasks.retain()

    assert looked == []
