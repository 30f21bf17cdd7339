"""What the demo shows of what arrived."""

from __future__ import annotations

import datetime as dt
import io
import queue
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cdrhook.demo import watcher
from cdrhook.demo.plays.registry import PLAYS
from cdrhook.demo.screen import Screen
from cdrhook.demo.watcher import Watcher
from tests.demo.received import received
from tests.demo.test_plays import LINKED

if TYPE_CHECKING:
    from cdrhook.receiver import Received

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
DELIVERED = {"number": 1, "status_code": 200, "error_class": "", "duration_ms": 4}


class Stage:
    """A watcher whose API tells what `deliveries` says."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, dict[str, Any]]] = []
        self.seen: queue.SimpleQueue[tuple[str, Received]] = queue.SimpleQueue()
        self.shown = io.StringIO()
        self.watcher = Watcher(
            PLAYS["batch"],
            SimpleNamespace(deliveries_since=lambda _: self.deliveries),  # type: ignore[arg-type]  # all that is asked
            SimpleNamespace(seen=self.seen),  # type: ignore[arg-type]  # likewise
            Screen(self.shown),
            NOW,
        )

    def look(self) -> str:
        """What it shows when it looks again."""
        self.shown.seek(0)
        self.shown.truncate()
        self.watcher.look()
        return self.shown.getvalue()

    def deliver(self, name: str, delivery_id: str) -> None:
        """A batch with a link arrives."""
        arrived = received({"type": "cdr", "cdrs": [LINKED]})
        self.seen.put((name, replace(arrived, webhook_id=delivery_id)))
        delivery = {"id": delivery_id, "cdrs": ["0123456789"], "state": "delivered"}
        self.deliveries.append((name, {**delivery, "attempts": [DELIVERED]}))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(watcher, "asked_for", lambda _: "206")
    return Stage()


def test_a_payload_is_shown_once_and_its_link_is_asked_for(stage: Stage) -> None:
    stage.deliver("healthy", "d-1")
    shown = stage.look()
    assert "01234567    healthy   attempt 1  200 after 4 ms; signature valid" in shown
    assert "recording http://127.0.0.1:8000/r?token=t" in shown
    assert "that link, asked for with Range: bytes=0-99: 206" in shown
    assert stage.look() == ""
    assert stage.watcher.delivered == 1


def test_only_the_first_link_is_asked_for(stage: Stage) -> None:
    stage.deliver("healthy", "d-1")
    stage.look()
    stage.deliver("healthy", "d-2")
    assert "that link" not in stage.look()


def test_of_the_other_receivers_no_payload_is_shown(stage: Stage) -> None:
    stage.deliver("recovers", "d-1")
    assert "recording" not in stage.look()


def test_who_hangs_is_named_before_the_attempt_has_ended(stage: Stage) -> None:
    arrived = replace(received({}), webhook_id="d-1", answered="hang")
    pending = {"id": "d-1", "cdrs": ["0123456789"], "state": "pending", "attempts": []}
    stage.deliveries = [("hangs", pending)]
    stage.seen.put(("hangs", arrived))
    assert "01234567    hangs     has it and does not answer ..." in stage.look()


def test_what_an_earlier_demo_left_behind_is_not_shown(stage: Stage) -> None:
    stage.seen.put(("hangs", replace(received({}), answered="hang")))
    assert stage.look() == ""
