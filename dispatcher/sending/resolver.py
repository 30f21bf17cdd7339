"""Looks up host names under a deadline. Judges nothing and caches nothing.

getaddrinfo cannot be interrupted and may take half a minute. Therefore look-ups run in
threads of their own, at most one per host at a time, so that a host whose name server
hangs holds one thread however many requests wait for it; a waiting request gives up at
its deadline. The threads are daemons: a hanging look-up does not hold up an exit.
"""

from __future__ import annotations

import queue
import socket
import threading
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

Addresses = tuple[IPv4Address | IPv6Address, ...]
MAX_THREADS: Final = 32


def look_up(host: str) -> Addresses:
    """Return the addresses of `host` in the order to try them. gaierror, UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class Resolver:
    """Look-ups shared by all threads of a process. Make it after any fork."""

    def __init__(
        self,
        look_up: Callable[[str], Addresses] = look_up,
        max_threads: int = MAX_THREADS,
    ) -> None:
        self._look_up = look_up
        self._max_threads = max_threads
        self._lock = threading.Lock()
        self._in_flight: dict[str, Future[Addresses]] = {}
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads = 0

    def resolve(self, host: str, timeout: float) -> Addresses:
        """Return the addresses of `host`, waiting at most `timeout` seconds.

        TimeoutError when that was not enough; else what the look-up raised.
        """
        with self._lock:
            future = self._in_flight.get(host)
            if future is None:
                future = self._in_flight[host] = Future()
                self._waiting.put(host)
                self._ensure_threads()
        return future.result(timeout)

    def _ensure_threads(self) -> None:
        if self._threads < min(len(self._in_flight), self._max_threads):
            self._threads += 1
            threading.Thread(target=self._work, name="resolver", daemon=True).start()

    def _work(self) -> None:
        while True:
            host = self._waiting.get()
            try:
                addresses, error = self._look_up(host), None
            except Exception as raised:
                addresses, error = (), raised
            with self._lock:
                future = self._in_flight.pop(host)
            if error is None:
                future.set_result(addresses)
            else:
                future.set_exception(error)
