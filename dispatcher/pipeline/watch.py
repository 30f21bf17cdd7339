"""Looks into one source's folder again and again: pipeline.spool takes in what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.pipeline import spool

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from dispatcher.models import Source
    from dispatcher.pipeline.collect import Wake

WATCH_SECONDS: Final = 2.0


class FolderWatch:
    """Reads one source's folder; `step` by `step`, as pipeline.collect has it."""

    # One file that cannot be read is the source's trouble, and holds up no other.
    tells_trouble = True

    def __init__(
        self, source: Source, *, wake: Wake, clock: Callable[[], dt.datetime]
    ) -> None:
        self._source, self._wake, self._clock = source, wake, clock
        self._seen: spool.Seen = {}

    def step(self) -> float:
        """Looks once; how long to wait before the next look. StorageUnavailable."""
        looked = spool.look(self._source, now=self._clock(), seen=self._seen)
        self._wake(looked.wake)
        return 0.0 if looked.more else WATCH_SECONDS

    def close(self) -> None:
        """Has nothing open."""
