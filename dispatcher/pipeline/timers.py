"""When to look at which webhook again. Reads the monotonic clock, and no other."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

LONGEST_TIMER_SECONDS: Final = 60.0


class Timers:
    """When to look at which webhook again; one time a webhook, the earliest."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, UUID]] = []
        self._at: dict[UUID, float] = {}

    def arm(self, webhook_id: UUID, seconds: float) -> None:
        """Rings in `seconds`, unless it rings earlier anyway."""
        at = time.monotonic() + min(max(seconds, 0.0), LONGEST_TIMER_SECONDS)
        if at < self._at.get(webhook_id, float("inf")):
            self._at[webhook_id] = at
            heapq.heappush(self._heap, (at, webhook_id))

    def rung(self) -> set[UUID]:
        """The webhooks whose time has come; they are armed no more."""
        now, due = time.monotonic(), set()
        while self._heap and self._heap[0][0] <= now:
            at, webhook_id = heapq.heappop(self._heap)
            if self._at.get(webhook_id) == at:
                del self._at[webhook_id]
                due.add(webhook_id)
        return due

    def seconds_left(self) -> float:
        """Until the next one rings; at most a minute."""
        if not self._heap:
            return LONGEST_TIMER_SECONDS
        return max(0.0, self._heap[0][0] - time.monotonic())

    def armed(self) -> dict[UUID, float]:
        """Seconds left, by webhook."""
        now = time.monotonic()
        return {webhook_id: at - now for webhook_id, at in self._at.items()}
