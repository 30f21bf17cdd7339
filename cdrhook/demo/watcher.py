"""Shows what becomes of the calls: attempts, as the API tells them, and what arrived.

Everything that happened is asked of the API and of the receivers; nothing is assumed.
"""

from __future__ import annotations

import datetime as dt
from queue import Empty
from typing import TYPE_CHECKING, Any, Final

from cdrhook.demo.recording import FIRST_BYTES, asked_for
from cdrhook.demo.screen import DIM, attempt_text, carried_text, fate_of, proof_of

if TYPE_CHECKING:
    from cdrhook.demo.api import Api
    from cdrhook.demo.plays.base import Play
    from cdrhook.demo.receivers import Receivers
    from cdrhook.demo.screen import Screen
    from cdrhook.receiver import Received

# Whose payloads are shown; the others get the like.
SHOWN: Final = "healthy"


class Watcher:
    """`delivered` counts the deliveries that have been seen to arrive."""

    def __init__(
        self,
        play: Play,
        api: Api,
        receivers: Receivers,
        screen: Screen,
        since: dt.datetime,
    ) -> None:
        self.delivered = 0
        self._play, self._api = play, api
        self._receivers, self._screen = receivers, screen
        self._since = since.isoformat()
        self._shown: set[tuple[str, int]] = set()
        self._carried: dict[str, str] = {}
        self._received: dict[str, Received] = {}
        self._asked_in_vain: list[tuple[str, str]] = []
        self._link_was_asked = False

    def look(self) -> None:
        """Shows what is new. OSError or RefusedError where cdrhook does not answer."""
        self._note_received()
        asked, self._asked_in_vain = self._asked_in_vain, []
        deliveries = self._api.deliveries_since(self._since)
        # What has been recorded was received before that.
        self._note_received()
        now = dt.datetime.now(dt.UTC)
        for name, delivery in deliveries:
            self._carried[delivery["id"]] = carried_text(delivery["cdrs"])
            for attempt in delivery["attempts"]:
                key = (delivery["id"], attempt["number"])
                if key not in self._shown:
                    self._shown.add(key)
                    self._show_attempt(name, delivery, attempt, now)
        self._show_hanging(asked, now)

    def _note_received(self) -> None:
        """Takes down what the receivers got since the last time."""
        while True:
            try:
                name, received = self._receivers.seen.get_nowait()
            except Empty:
                return
            known = received.webhook_id in self._received
            self._received[received.webhook_id] = received
            if received.answered == "hang" and not known:
                self._asked_in_vain.append((name, received.webhook_id))

    def _show_hanging(self, asked: list[tuple[str, str]], now: dt.datetime) -> None:
        for name, delivery_id in asked:
            # What an earlier demo left behind is none of this one's.
            if (carried := self._carried.get(delivery_id)) is not None:
                text = f"{name:<9} has it and does not answer ..."
                self._screen.event(now, carried, text, DIM)

    def _show_attempt(
        self,
        name: str,
        delivery: dict[str, Any],
        attempt: dict[str, Any],
        now: dt.datetime,
    ) -> None:
        received = self._received.get(delivery["id"])
        text, colour = attempt_text(
            name,
            attempt,
            fate_of(delivery, attempt["number"], now),
            proof_of(received),
        )
        self._screen.event(now, carried_text(delivery["cdrs"]), text, colour)
        if not attempt["error_class"]:
            self.delivered += 1
            if received is not None and name == SHOWN:
                self._show_payload(received)

    def _show_payload(self, received: Received) -> None:
        for line in self._play.tell(received):
            self._screen.detail(line)
        link = self._play.link(received) if self._play.link is not None else ""
        if link and not self._link_was_asked:
            self._link_was_asked = True
            text = f"that link, asked for with Range: {FIRST_BYTES}: {asked_for(link)}"
            self._screen.detail(text)
