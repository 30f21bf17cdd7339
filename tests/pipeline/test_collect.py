"""Who fetches from which source, and what happens when nothing can be fetched."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from dispatcher.collecting.trouble import Trouble
from dispatcher.models import Source
from dispatcher.pipeline import hold
from dispatcher.pipeline.collect import Collector, retry_seconds
from dispatcher.pipeline.outbound import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


class Steps:
    """A job that does what it is told, and counts."""

    tells_trouble = False

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.is_closed = False
        self.connections: list[str] = []

    def step(self) -> float:
        self.count += 1
        if self.error is not None:
            raise self.error
        return 0.01

    def close(self) -> None:
        self.is_closed = True

    def __call__(self, source: Source) -> Steps:
        self.connections.append(source.connection)
        self.is_closed = False
        return self


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def collector(steps: Steps) -> Iterator[Collector]:
    """One that looks when it is told to, and is stopped in the end."""
    stop = threading.Event()
    made = Collector(
        wake=lambda _: None, clock=utc_now, stop=stop, jobs=lambda _: [steps]
    )
    yield made
    made._end_all()


@pytest.fixture
def source(acme) -> Source:
    return Source.objects.create(
        tenant=acme, name="pbx", pbx="asterisk", connection="ami://u:p@pbx"
    )


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shown(source: Source) -> tuple[str, bool]:
    source.refresh_from_db()
    return source.trouble, source.trouble_at is not None


def test_a_source_with_a_connection_is_fetched_from(collector, steps, source):
    collector.look()
    until(lambda: steps.count > 1)
    source.refresh_from_db()
    assert source.collector == collector.id


def test_trouble_is_shown_on_the_source_and_taken_away_again(collector, steps, source):
    steps.error = Trouble("Asterisk refuses the login.", "u")
    collector.look()
    until(lambda: shown(source) == ("Asterisk refuses the login.", True))
    steps.error = None
    until(lambda: shown(source) == ("", False))


def test_a_fault_of_ours_is_told_and_tried_again(collector, steps, source):
    steps.error = ZeroDivisionError()
    collector.look()
    until(lambda: "ZeroDivisionError" in shown(source)[0])
    steps.error = None
    until(lambda: shown(source)[0] == "")


@pytest.mark.parametrize("change", [{"active": False}, {"connection": ""}])
def test_what_is_switched_off_is_stopped(collector, steps, source, change):
    collector.look()
    until(lambda: steps.count)
    Source.objects.update(**change)
    collector.look()
    until(lambda: steps.is_closed)
    source.refresh_from_db()
    assert source.collector is None


def test_what_is_changed_is_begun_anew(collector, steps, source):
    collector.look()
    until(lambda: steps.count)
    source.connection = "ami://u:p@other"
    source.save()
    collector.look()
    until(lambda: steps.is_closed)
    until(lambda: (collector.look(), len(steps.connections) > 1)[1])
    assert steps.connections == ["ami://u:p@pbx", "ami://u:p@other"]


def test_a_thread_that_lost_the_source_ends_and_another_is_begun(
    collector, steps, source
):
    steps.error = hold.TakenOverError()
    collector.look()
    until(lambda: steps.is_closed)
    steps.error = None
    until(lambda: (collector.look(), steps.count > 1)[1])
    assert len(steps.connections) == 2


def test_a_second_process_leaves_a_held_source_alone(collector, steps, source):
    hold.hold(source.pk, uuid4(), utc_now())
    collector.look()
    assert not steps.connections


def test_a_lease_that_has_lapsed_is_taken_over(source, now):
    first, second = uuid4(), uuid4()
    assert hold.hold(source.pk, first, now)
    assert not hold.hold(source.pk, second, now + dt.timedelta(seconds=30))
    assert hold.hold(source.pk, first, now + dt.timedelta(seconds=30))
    assert hold.hold(source.pk, second, now + dt.timedelta(seconds=61))
    assert not hold.hold(source.pk, first, now + dt.timedelta(seconds=61))


def test_a_lease_of_a_clock_that_was_set_back_is_void(source, now):
    assert hold.hold(source.pk, uuid4(), now + dt.timedelta(hours=1))
    assert hold.hold(source.pk, uuid4(), now)


def test_it_is_tried_again_ever_more_rarely_up_to_a_minute():
    assert [retry_seconds(n, 1.0) for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
    assert retry_seconds(7, 0.0) == 30
