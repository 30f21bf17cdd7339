"""Byte ranges of HTTP (RFC 9110, 14): read, applied to a size, and written.

One range at a time; several, and what is no range at all, are for the caller to answer
with the whole. Touches no bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NUMBER: Final = r"[0-9]{1,30}"
RANGE: Final = re.compile(rf"bytes=[ \t]*({NUMBER})?-({NUMBER})?[ \t]*", re.IGNORECASE)
CONTENT_RANGE: Final = re.compile(
    rf"bytes ({NUMBER})-({NUMBER})/({NUMBER}|\*)", re.IGNORECASE
)
UNSATISFIED: Final = re.compile(rf"bytes \*/({NUMBER})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes `first` to `last`, both included, of a whole of `size` (None: unknown)."""

    first: int
    last: int
    size: int | None

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        """As Content-Range says it."""
        size = "*" if self.size is None else self.size
        return f"bytes {self.first}-{self.last}/{size}"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """What a client asks for; without `first` the `last` bytes of the whole."""

    first: int | None
    last: int | None

    def within(self, size: int) -> Span | None:
        """Return what it means of a whole of `size` bytes; None: not satisfiable."""
        if self.first is None:
            first, last = max(0, size - (self.last or 0)), size - 1
        else:
            first = self.first
            last = size - 1 if self.last is None else min(self.last, size - 1)
        return Span(first, last, size) if first <= last else None

    def begins(self, span: Span) -> bool:
        """Whether `span` may answer it: it begins where it should, and is no longer."""
        if span.size is None:
            return self.first is None or self.first == span.first
        meant = self.within(span.size)
        return (
            meant is not None and meant.first == span.first <= span.last <= meant.last
        )

    def __str__(self) -> str:
        """As Range says it."""
        first, last = ("" if n is None else n for n in (self.first, self.last))
        return f"bytes={first}-{last}"


def parse_range(header: str) -> ByteRange | None:
    """Return the one range that a Range header asks for; None: it asks for none."""
    if (match := RANGE.fullmatch(header.strip())) is None:
        return None
    first, last = (None if text is None else int(text) for text in match.groups())
    if first is None and last is None:
        return None
    if first is not None and last is not None and first > last:
        return None
    return ByteRange(first, last)


def parse_content_range(header: str) -> Span | None:
    """Return what the Content-Range of a 206 says; None where that makes no sense."""
    if (match := CONTENT_RANGE.fullmatch(header.strip())) is None:
        return None
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    if first > last or (size is not None and last >= size):
        return None
    return Span(first, last, size)


def unsatisfied_size(header: str) -> int | None:
    """Return the size that the Content-Range of a 416 tells, if it does."""
    match = UNSATISFIED.fullmatch(header.strip())
    return int(match[1]) if match else None
