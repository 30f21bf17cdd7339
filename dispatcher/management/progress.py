"""Shows on standard error how far something is that takes long.

On a terminal one line, written over; elsewhere a line every ten seconds, for logs.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_CHARS: Final = 24
EVERY_SECONDS: Final = 0.2
EVERY_SECONDS_IN_LOGS: Final = 10.0


def _standard_error() -> TextIO:
    return sys.stderr


@dataclass(slots=True)
class Progress:
    """How far an import is; `size` is of the whole file in bytes, None if nobody knows."""

    size: int | None
    clock: Callable[[], float] = time.monotonic
    out: TextIO = field(default_factory=_standard_error)
    _began: float = field(init=False)
    _told: float = field(init=False)
    _length: int = 0

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._told = self._began

    def show(self, position: int, records: int, rejected: int) -> None:
        """Shows it, if it is time to; `position` is of `size`."""
        now = self.clock()
        on_terminal = self.out.isatty()
        every = EVERY_SECONDS if on_terminal else EVERY_SECONDS_IN_LOGS
        if now - self._told < every:
            return
        self._told = now
        line = self._line(position, records, rejected, now - self._began)
        if not on_terminal:
            self.out.write(f"{line}\n")
        else:
            self.out.write(f"\r{line.ljust(self._length)}")
            self._length = len(line)
        self.out.flush()

    def clear(self) -> None:
        """Takes the line from the terminal."""
        if self._length:
            self.out.write(f"\r{' ' * self._length}\r")
            self.out.flush()
            self._length = 0

    def _line(self, position: int, records: int, rejected: int, seconds: float) -> str:
        told = f"{records:,} records, {records / seconds:,.0f}/s, {rejected:,} rejected"
        if not self.size:
            return told
        share = min(position / self.size, 1.0)
        bar = ("#" * round(share * BAR_CHARS)).ljust(BAR_CHARS, "-")
        return f"[{bar}] {share:4.0%}  {told}{_left(share, seconds)}"


def _left(share: float, seconds: float) -> str:
    if not share:
        return ""
    minutes, rest = divmod(round(seconds / share - seconds), 60)
    return f", {minutes}:{rest:02} left"
