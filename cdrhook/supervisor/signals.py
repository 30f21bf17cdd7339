"""The signals of a supervising process, made into something that can be waited for.

SIGINT, SIGTERM and SIGHUP ask to stop; SIGCHLD only wakes. Main thread only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_STOP: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal that closes sends SIGHUP more than once: that is not impatience.
_IMPATIENT_AFTER_SECONDS: Final = 0.3


class StopRequestedError(BaseException):
    """A signal to stop came while the stack was being set up."""


class Signals:
    """A context: handlers are in force inside it.

    `hurry` is set by a second SIGINT or SIGTERM.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.hurry = False
        self._interrupts = False
        self._first_at = 0.0
        self._old: dict[int, object] = {}
        self._read_end, self._write_end = os.pipe()
        for end in (self._read_end, self._write_end):
            os.set_blocking(end, False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in _STOP:
            self._old[number] = signal.signal(number, self._on_stop)
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given
        os.close(self._read_end)
        os.close(self._write_end)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within it a request to stop raises StopRequestedError, wherever that is.

        Only around work that may be broken off at any point; never where a process is
        started, whose id would be lost.
        """
        self._interrupts = True
        try:
            if self.stop_requested:
                raise StopRequestedError
            yield
        finally:
            self._interrupts = False

    def wait(self, timeout_seconds: float | None) -> None:
        """Returns when a signal has come, or after the time."""
        select.select([self._read_end], [], [], timeout_seconds)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read_end, 4096):
                pass

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.stop_requested:
            self.stop_requested, self._first_at = True, now
            if self._interrupts:
                raise StopRequestedError
        elif (
            number != signal.SIGHUP and now - self._first_at > _IMPATIENT_AFTER_SECONDS
        ):
            self.hurry = True
