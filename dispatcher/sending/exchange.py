"""One request's wall-clock deadline, byte caps and phase times, kept by its sockets.

`requests`' timeout is per socket operation, so a receiver that drips one byte a second
never meets it; and closing a socket from another thread does not wake its reader.
Therefore every socket operation of a request is given what is left until its deadline:

1. An `Exchange` is current in exactly one thread, from start to end of one attempt.
2. The sockets ask the current exchange before each operation, so a connection that is
   used again obeys the new request's deadline; used outside an exchange they fail.
3. TLS does its own reads and writes, handshake included: it needs the same subclass.

Decides nothing about answers and knows nothing of HTTP, but for "head" and "body".
"""

from __future__ import annotations

import socket
import ssl
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Self

from dispatcher.values import Phases

if TYPE_CHECKING:
    from types import TracebackType

    from dispatcher.sending.policy import SendPolicy

Phase = Literal["resolve", "connect", "tls", "send", "wait", "body"]


class TooManyBytesError(Exception):
    """The receiver sent more than the policy takes in this part of its answer."""


class EarlyCloseError(ConnectionError):
    """The receiver closed the connection before its answer's headers were complete."""


class Exchange:
    """The state of one attempt. A context manager: current in its thread inside it."""

    __slots__ = (
        "_since",
        "_spent",
        "address",
        "budget",
        "deadline",
        "in_head",
        "inner",
        "phase",
        "received",
        "started",
    )

    def __init__(self, policy: SendPolicy) -> None:
        self.started = self._since = monotonic()
        self.deadline = self.started + policy.deadline.total_seconds()
        self.budget = policy.max_header_bytes
        self.in_head = True
        self.received = 0
        self.address = ""
        # Whether an address was dialled that is not public.
        self.inner = False
        self.phase: Phase | None = None
        self._spent: dict[Phase, float] = {}

    def __enter__(self) -> Self:
        _current.exchange = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.exchange = None

    def enter(self, phase: Phase | None) -> None:
        """End the phase that was running and begin another, or none."""
        now = monotonic()
        if self.phase is not None:
            spent = self._spent.get(self.phase, 0.0)
            self._spent[self.phase] = spent + now - self._since
        self.phase, self._since = phase, now

    def left(self) -> float:
        """Return the seconds left. TimeoutError when there are none."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return left

    @property
    def expired(self) -> bool:
        return monotonic() >= self.deadline

    def elapsed(self) -> float:
        """Return the seconds since the attempt began."""
        return monotonic() - self.started

    def begin_body(self, max_bytes: int, max_seconds: float) -> None:
        """Go from the head to the body: other caps, and the deadline never later."""
        self.in_head = False
        self.budget = max_bytes
        self.deadline = min(self.deadline, monotonic() + max_seconds)
        self.enter("body")

    def take(self, count: int) -> None:
        """Count bytes received; 0 is the end of the stream."""
        if count == 0 and self.in_head:
            raise EarlyCloseError("closed before the headers were complete")
        self.received += count
        self.budget -= count

    def room(self, wanted: int) -> int:
        """Return how many of the `wanted` bytes may be read. TooManyBytesError at 0."""
        if self.budget <= 0:
            raise TooManyBytesError
        return min(wanted, self.budget)

    def phases(self) -> Phases:
        """Return the time spent per phase; the one that is running is not counted."""
        return Phases(**{f"{phase}_ms": _ms(s) for phase, s in self._spent.items()})


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


def current() -> Exchange:
    """Return this thread's exchange. RuntimeError outside of one."""
    if (exchange := _current.exchange) is None:
        raise RuntimeError("a webhook's socket was used outside an exchange")
    return exchange


class DeadlineSocket(socket.socket):
    """A TCP socket that gives each operation what is left of the exchange's time."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(current().left())
        super().sendall(data, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        exchange = current()
        room = exchange.room(nbytes or len(buffer))
        self.settimeout(exchange.left())
        count = super().recv_into(buffer, room, flags)
        exchange.take(count)
        return count


class DeadlineTLSSocket(ssl.SSLSocket):
    """The same over TLS: the handshake too has only what is left."""

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(current().left())
        super().do_handshake(block)

    def send(self, data: Any, flags: int = 0) -> int:
        # sendall of the base class sends piece by piece through here
        self.settimeout(current().left())
        return super().send(data, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        exchange = current()
        room = exchange.room(nbytes or len(buffer))
        self.settimeout(exchange.left())
        count = super().recv_into(buffer, room, flags)
        exchange.take(count)
        return count


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
