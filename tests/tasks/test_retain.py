"""The task that deletes what is kept no longer."""

from __future__ import annotations

import pytest

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


def test_one_pass_at_a_time_is_made_in_a_process(looked):
    with tasks._retaining:
        tasks.retain()

    assert looked == []
