"""Hands the calls of a play over, in its pace, and has shown what becomes of them."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Final

from cdrhook.demo.api import RefusedError
from cdrhook.demo.screen import DIM, YELLOW
from cdrhook.demo.watcher import Watcher

if TYPE_CHECKING:
    from cdrhook.demo.api import Api
    from cdrhook.demo.calls import Call
    from cdrhook.demo.plays.base import Play
    from cdrhook.demo.receivers import Receivers
    from cdrhook.demo.screen import Screen

POLL_SECONDS: Final = 0.4
AGAIN_SECONDS: Final = 1.0


class Driver:
    """One thread; `since` is when the play began."""

    def __init__(
        self,
        play: Play,
        api: Api,
        receivers: Receivers,
        screen: Screen,
        since: dt.datetime,
    ) -> None:
        self._play, self._api, self._screen = play, api, screen
        self._watcher = Watcher(play, api, receivers, screen, since)
        self._number = 0
        self._unsent: Call | None = None
        self._next_call_at = 0.0
        self._later = play.later
        self._later_at = time.monotonic()
        if play.later is not None:
            self._later_at += play.later.after_seconds

    @property
    def delivered(self) -> int:
        """How many deliveries have been seen to arrive."""
        return self._watcher.delivered

    def step(self) -> None:
        """Sends a call if it is time, and shows what is new."""
        try:
            if time.monotonic() >= self._next_call_at:
                self._send_call()
            self._watcher.look()
            self._show_later()
        except (OSError, RefusedError) as error:
            self._screen.event(_now(), "", f"no answer from cdrhook: {error}", YELLOW)
            self._next_call_at = time.monotonic() + AGAIN_SECONDS

    def _send_call(self) -> None:
        """What is not taken is sent again, as FreeSWITCH does."""
        if self._unsent is None:
            self._number += 1
            self._unsent = self._play.call(self._number, _now())
        call, pace = self._unsent, self._play.pace
        taken = self._api.hand_over(call)
        self._unsent = None
        quick = self._number < pace.quick_calls
        pause = pace.quick_seconds if quick else pace.slow_seconds
        self._next_call_at = time.monotonic() + pause
        text = call.title
        if taken.get("quarantined"):
            text += ": kept in quarantine, the admin says why"
        self._screen.event(_now(), call.uid[:8], text, DIM)
        if self._number == pace.quick_calls:
            text = f"from now on there is a call every {pace.slow_seconds:.0f} s"
            self._screen.event(_now(), "", text)

    def _show_later(self) -> None:
        """What can be asked only when the play has run for a while, once."""
        later = self._later
        if later is None or time.monotonic() < self._later_at:
            return
        self._later = None
        path = later.path(_now())
        answer = self._api.get(later.webhook, path)
        self._screen.event(_now(), "", f"{later.webhook}'s partner asks GET {path}")
        self._screen.detail(json.dumps(answer))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
