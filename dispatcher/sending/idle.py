"""Connections that wait to be used again, by endpoint and identity. Opens none.

What was connected as one identity, or by what one webhook trusts, serves no other.

An old one is closed, not handed out: its receiver may be closing it at this moment, and
a request lost that way would cost a webhook one of its tries (its only one, with 0
retries). Old ones are closed even where nobody asks for them, or a thousand webhooks
would hold on to a thousand sockets.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING

from urllib3.util.connection import is_connection_dropped

if TYPE_CHECKING:
    from datetime import timedelta

    from dispatcher.sending.connection import Connection
    from dispatcher.sending.endpoint import Endpoint
    from dispatcher.values import Identity

Origin = tuple[str, str, int, "Identity | None"]


def origin_of(endpoint: Endpoint, identity: Identity | None) -> Origin:
    """What connections must have in common for one to serve in place of another."""
    return (endpoint.scheme, endpoint.host, endpoint.port, identity)


class IdleConnections:
    """A last-in-first-out store, shared by threads."""

    def __init__(self, max_idle: timedelta) -> None:
        self._max_idle = max_idle.total_seconds()
        self._lock = threading.Lock()
        self._by_origin: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._swept_at = monotonic()

    def take(self, origin: Origin) -> Connection | None:
        """Return a young connection that its receiver has not closed, or None."""
        while True:
            with self._lock:
                waiting = self._by_origin.get(origin)
                connection = waiting.pop() if waiting else None
            if connection is None or self._usable(connection):
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        origin = origin_of(connection.endpoint, connection.identity)
        with self._lock:
            self._by_origin[origin].append(connection)
            old = self._old(monotonic())
        for each in old:
            each.close()

    def close(self) -> None:
        """Close all that wait."""
        with self._lock:
            waiting = [c for group in self._by_origin.values() for c in group]
            self._by_origin.clear()
        for connection in waiting:
            connection.close()

    def _usable(self, connection: Connection) -> bool:
        young = monotonic() - connection.idle_since <= self._max_idle
        return young and not is_connection_dropped(connection)

    def _old(self, now: float) -> list[Connection]:
        """Take out the old ones of all endpoints, at most once per `max_idle`."""
        if now - self._swept_at < self._max_idle:
            return []
        self._swept_at = now
        old: list[Connection] = []
        for origin, group in list(self._by_origin.items()):
            # Oldest first: the last in is the first out.
            young = [c for c in group if now - c.idle_since <= self._max_idle]
            old += group[: len(group) - len(young)]
            if young:
                self._by_origin[origin] = young
            else:
                del self._by_origin[origin]
        return old
