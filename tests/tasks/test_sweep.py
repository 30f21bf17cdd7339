"""The parts of a sweep do not depend on each other."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from dispatcher import tasks

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def woken(monkeypatch) -> list[object]:
    """Whom the sweep wakes up; one webhook has an overdue delivery."""
    found: list[object] = []
    monkeypatch.setattr(tasks, "overdue_webhooks", lambda _now: [("w", "fast")])
    monkeypatch.setattr(tasks, "pass_on", lambda ids, *_: found.extend(ids))
    return found


def failing_with(error: Exception):
    def fail_forgotten_tests(_now):
        raise error

    return fail_forgotten_tests


def test_a_part_that_fails_every_time_holds_up_no_other(woken, monkeypatch):
    fail = failing_with(ValueError("a fault of ours"))
    monkeypatch.setattr(tasks, "fail_forgotten_tests", fail)

    tasks.sweep()

    assert woken == ["w"]


def test_without_a_database_it_ends_at_once(woken, monkeypatch):
    fail = failing_with(OperationalError("away"))
    monkeypatch.setattr(tasks, "fail_forgotten_tests", fail)

    with pytest.raises(OperationalError):
        tasks.sweep()

    assert woken == []
