"""What the demo says about deliveries."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest

from cdrhook.demo.screen import (
    GIVEN_UP,
    GREEN,
    RED,
    YELLOW,
    Screen,
    attempt_text,
    carried_text,
    fate_of,
)

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)


def attempt(number: int = 1, **values: Any) -> dict[str, Any]:
    given = {"status_code": 200, "error_class": "", "duration_ms": 4, **values}
    return {"number": number, **given}


def test_a_delivered_attempt_tells_the_signature() -> None:
    text, colour = attempt_text("healthy", attempt(), "", "signature valid")
    assert text == "healthy   attempt 1  200 after 4 ms; signature valid"
    assert colour == GREEN


@pytest.mark.parametrize(
    ("fate", "expected"), [("again in 2 s", YELLOW), (GIVEN_UP, RED)]
)
def test_a_failed_attempt_tells_what_comes_next(fate: str, expected: str) -> None:
    failed = attempt(status_code=None, error_class="timeout", duration_ms=10_004)
    text, colour = attempt_text("hangs", failed, fate, "signature valid")
    assert text == f"hangs     attempt 1  timeout after 10.0 s; {fate}"
    assert colour == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("pending", "again in 2 s"),
        ("held", "held: the receiver is down"),
        ("failed", GIVEN_UP),
        ("delivered", ""),
    ],
)
def test_what_comes_next_follows_from_the_state(state: str, expected: str) -> None:
    delivery = {
        "state": state,
        "next_attempt_at": "2026-11-23T10:00:02Z",
        "attempts": [attempt(1, status_code=500, error_class="status")],
    }
    assert fate_of(delivery, 1, NOW) == expected


def test_nothing_comes_next_after_an_attempt_that_delivered_it() -> None:
    delivery = {
        "state": "pending",
        "next_attempt_at": "2026-11-23T10:00:02Z",
        "attempts": [attempt(1)],
    }
    assert fate_of(delivery, 1, NOW) == ""


def test_nothing_comes_next_after_an_attempt_that_was_followed_by_another() -> None:
    delivery = {"state": "failed", "attempts": [attempt(1), attempt(2)]}
    assert fate_of(delivery, 1, NOW) == ""


@pytest.mark.parametrize(
    ("uids", "expected"),
    [(["0123456789"], "01234567"), (["0123456789", "1", "2"], "01234567+2"), ([], "")],
)
def test_what_a_delivery_carries_is_short(uids: list[str], expected: str) -> None:
    assert carried_text(uids) == expected


def test_without_a_terminal_lines_are_plain() -> None:
    stream = io.StringIO()
    Screen(stream).line("hello", RED)
    assert stream.getvalue() == "hello\n"
