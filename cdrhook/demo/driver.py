"""Plays calls into the running stack and shows what becomes of them.

One thread; everything that happened is asked of the API, nothing is assumed.
"""

from __future__ import annotations

import datetime as dt
import time
from queue import Empty
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cdrhook.demo.api import RefusedError
from cdrhook.demo.records import BROKEN, TEMPLATES, Template, fresh
from cdrhook.demo.screen import DIM, YELLOW, attempt_text, fate_of

if TYPE_CHECKING:
    from cdrhook.demo.api import Api
    from cdrhook.demo.memory import Memory
    from cdrhook.demo.receivers import Receivers
    from cdrhook.demo.records import Record
    from cdrhook.demo.screen import Screen

POLL_SECONDS: Final = 0.4
# One call a second for a start, then slower: it may run for days.
QUICK_CALLS: Final = 20
QUICK_SECONDS: Final = 1.0
SLOW_SECONDS: Final = 15.0
# The one call that FreeSWITCH spoils (1-indexed).
BROKEN_CALL: Final = 8


def template_of(number: int) -> Template:
    """Which record the call with this number is made from; 1-indexed."""
    return BROKEN if number == BROKEN_CALL else TEMPLATES[(number - 1) % len(TEMPLATES)]


class Driver:
    """`delivered` counts the deliveries that have been seen to arrive."""

    def __init__(
        self, api: Api, receivers: Receivers, memory: Memory, screen: Screen
    ) -> None:
        self.delivered = 0
        self._api, self._receivers = api, receivers
        self._memory, self._screen = memory, screen
        self._since = _now().isoformat()
        self._number = 0
        self._unsent: Record | None = None
        self._next_call_at = 0.0
        self._shown: set[tuple[str, int]] = set()
        self._call_of: dict[str, str] = {}
        self._signatures: dict[str, str] = {}

    def step(self) -> None:
        """Sends a call if it is time, and shows what is new."""
        try:
            if time.monotonic() >= self._next_call_at:
                self._send_call()
            asked = self._asked_in_vain()
            self._show_attempts()
        except (OSError, RefusedError) as error:
            self._screen.event(_now(), "", f"no answer from cdrhook: {error}", YELLOW)
            self._next_call_at = time.monotonic() + QUICK_SECONDS
        else:
            self._show_hanging(asked)

    def _send_call(self) -> None:
        """What is not taken is sent again, as FreeSWITCH does."""
        if self._unsent is None:
            self._number += 1
            template = template_of(self._number)
            self._unsent = fresh(template, self._number, _now(), uuid4)
        record = self._unsent
        taken = self._api.hand_over(record)
        self._unsent = None
        pause = QUICK_SECONDS if self._number < QUICK_CALLS else SLOW_SECONDS
        self._next_call_at = time.monotonic() + pause
        text = f"FreeSWITCH reports a call ({record.title})"
        if taken["quarantined"]:
            text += ": kept in quarantine, the admin says why"
        self._screen.event(_now(), record.uuid, text, DIM)
        if self._number == QUICK_CALLS:
            text = f"from now on there is a call every {SLOW_SECONDS:.0f} s"
            self._screen.event(_now(), "", text)

    def _asked_in_vain(self) -> list[tuple[str, str]]:
        """Which receivers got which delivery and answer nothing, for the first time.

        Notes signatures for later.
        """
        asked: list[tuple[str, str]] = []
        while True:
            try:
                name, received = self._receivers.seen.get_nowait()
            except Empty:
                return asked
            known = received.webhook_id in self._signatures
            self._signatures[received.webhook_id] = received.signature
            if received.answered == "hang" and not known:
                asked.append((name, received.webhook_id))

    def _show_hanging(self, asked: list[tuple[str, str]]) -> None:
        for name, delivery_id in asked:
            call = self._call_of.get(delivery_id, "")
            text = f"{name:<9} has it and does not answer ..."
            self._screen.event(_now(), call, text, DIM)

    def _show_attempts(self) -> None:
        now = _now()
        for delivery in self._api.deliveries_since(self._since):
            self._call_of[delivery["id"]] = delivery["cdrs"][0]
            for attempt in delivery["attempts"]:
                key = (delivery["id"], attempt["number"])
                if key not in self._shown:
                    self._shown.add(key)
                    self._show_attempt(delivery, attempt, now)

    def _show_attempt(
        self, delivery: dict[str, Any], attempt: dict[str, Any], now: dt.datetime
    ) -> None:
        text, colour = attempt_text(
            self._memory.name_of(delivery["webhook"]),
            attempt,
            fate_of(delivery, attempt["number"], now),
            self._signatures.get(delivery["id"], ""),
        )
        self._screen.event(now, delivery["cdrs"][0], text, colour)
        if not attempt["error_class"]:
            self.delivered += 1


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
