"""Reads the bodies of requests as they come in, bounded in bytes and in time.

A body counts until its request is answered: it also waits for a thread.

Knows neither the server nor Django: chunks are handed in. Waits for a client without
occupying a thread, so that clients which stall hold up nobody but themselves.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TooSlowError(Exception):
    """The body was not there in time."""


class NoRoomError(Exception):
    """So many bodies are in memory that no more are taken for the moment."""


@dataclass(kw_only=True)
class Uploads:
    """The bodies in memory: `max_bytes` each, `max_held_bytes` together.

    `seconds` is the wall-clock time that one may take.
    """

    max_bytes: int
    max_held_bytes: int
    max_discarded_bytes: int
    seconds: float
    held_bytes: int = field(default=0, init=False)

    async def read(self, chunks: AsyncIterator[bytes]) -> bytearray:
        """A body, of which no more than `max_bytes` + 1 is kept; `give_back` it.

        Raises TooSlowError and NoRoomError, and what `chunks` does.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in chunks:
                    kept = chunk[: self.max_bytes + 1 - len(body)]
                    self._hold(len(kept))
                    body += kept
                    if len(body) > self.max_bytes:
                        break
        except BaseException as error:
            self.give_back(body)
            if isinstance(error, TimeoutError):
                raise TooSlowError from None
            raise
        return body

    def give_back(self, body: bytes | bytearray) -> None:
        """Counts a body no more: whoever read it has answered, or is gone."""
        self.held_bytes -= len(body)

    async def discard(self, chunks: AsyncIterator[bytes]) -> None:
        """Lets the rest of a body come in, so that its sender sees our answer.

        Up to a bound: who sends more finds the connection closed.
        """
        left = self.max_discarded_bytes
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in chunks:
                    left -= len(chunk)
                    if left <= 0:
                        return
        except TimeoutError:
            return

    def _hold(self, count: int) -> None:
        if self.held_bytes + count > self.max_held_bytes:
            raise NoRoomError
        self.held_bytes += count
