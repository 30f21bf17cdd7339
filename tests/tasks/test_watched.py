"""Since when sources have been watched: what a paused or set clock does to it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from dispatcher import broker, tasks
from dispatcher.models import Source

if TYPE_CHECKING:
    from dispatcher.models import Tenant

pytestmark = pytest.mark.usefixtures("broker")

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def unwatched() -> None:
    broker.client().delete(broker.WATCH_KEY)


def test_rounds_without_a_pause_count_from_the_first(now: dt.datetime) -> None:
    seen = [broker.watched_since(now + minutes * MINUTE) for minutes in (0, 1, 3, 4)]

    assert seen == [now] * 4


@pytest.mark.parametrize("later", [3 * MINUTE, 300 * MINUTE, -MINUTE, -300 * MINUTE])
def test_after_a_pause_or_with_another_clock_it_begins_anew(
    now: dt.datetime, later: dt.timedelta
) -> None:
    broker.watched_since(now)

    assert broker.watched_since(now + later) == now + later
    assert broker.watched_since(now + later + MINUTE) == now + later


def test_without_a_broker_nobody_knows(
    now: dt.datetime, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "is_away", lambda: True)

    assert broker.watched_since(now) is None


@pytest.mark.django_db
def test_the_task_judges_sources_unless_nobody_knows_since_when(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source.objects.create(tenant=acme, name="switch-1", pbx="freeswitch")

    with monkeypatch.context() as patched:
        patched.setattr(broker, "is_away", lambda: True)
        tasks.watch_sources()
    source.refresh_from_db()
    assert source.silence_judged_at is None

    monkeypatch.setattr(broker, "is_away", lambda: False)
    tasks.watch_sources()
    source.refresh_from_db()
    assert source.silence_judged_at is not None
