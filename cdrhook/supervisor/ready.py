"""Waits until the web server says that the whole stack is ready, and tells it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS: Final = 0.1
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  only compared


def is_ready(host: str, port: int, host_header: str) -> bool:
    """Whether GET /healthz says that every part of the system answers.

    Not /readyz: its 503 are errors in the log. An answer that is no JSON comes from
    somebody's rules (a redirect to https): there is nothing to wait for then.
    """
    connection = http.client.HTTPConnection(
        _ANY_ADDRESS.get(host, host), port, timeout=5.0
    )
    try:
        connection.request("GET", "/healthz", headers={"Host": host_header})
        parts = json.loads(connection.getresponse().read())
    except ValueError:
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return all(parts.values())


class Readiness:
    """Watches from a thread of its own until ready, then calls `then` with seconds."""

    def __init__(
        self, host: str, port: int, host_header: str, then: Callable[[float], None]
    ) -> None:
        self._where = (host, port, host_header)
        self._then = then
        self._given_up = threading.Event()
        self._started_at = time.monotonic()
        threading.Thread(target=self._run, daemon=True, name="readiness").start()

    def give_up(self) -> None:
        """Stops watching."""
        self._given_up.set()

    def _run(self) -> None:
        while not self._given_up.wait(_POLL_SECONDS):
            if is_ready(*self._where):
                self._then(time.monotonic() - self._started_at)
                return
