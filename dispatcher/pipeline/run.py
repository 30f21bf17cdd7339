"""A run: deliveries that one thread sends in sequence, and that can be cut short."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from dispatcher.pipeline.record import SLOW_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.pipeline.claim import Claimed


class Run:
    """Deliveries that one thread sends in sequence on one connection."""

    def __init__(self, claimed: Sequence[Claimed], lane: str) -> None:
        self.webhook_id = claimed[0].webhook_id
        self.lane = lane
        self.probes = claimed[0].probe
        self.straggles = False
        self.since: float | None = None
        self._waiting = deque(claimed)
        self._lock = threading.Lock()

    def next(self) -> Claimed | None:
        """The delivery to send now; None: nothing is left."""
        with self._lock:
            self.since = time.monotonic() if self._waiting else None
            return self._waiting.popleft() if self._waiting else None

    def cut_short(self) -> list[Claimed]:
        """Takes back what has not been started."""
        with self._lock:
            rest = list(self._waiting)
            self._waiting.clear()
            return rest

    def hangs(self) -> bool:
        """True when its request has been under way for over a second."""
        since = self.since
        return (
            since is not None and time.monotonic() - since > SLOW_AFTER.total_seconds()
        )
