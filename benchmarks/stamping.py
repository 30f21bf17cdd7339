"""A small receiver that notes to the microsecond when a request was there whole.

    python -m benchmarks.stamping PORT FILE

Answers 200 to every POST, and then writes a line of FILE: when its last byte had been
read, in seconds since the epoch, its `webhook-id` and its path. For light load only.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from benchmarks.stage import until
from cdrhook.supervisor.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stage import Stage

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ID: Final = re.compile(rb"webhook-id: *([^\r]+)", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Stamping:
    """The process, as a row uses it: a context with `url(path)` and `arrived()`."""

    def __init__(self, stage: Stage) -> None:
        self._port = free_port()
        self._log = stage.work / f"stamps-{self._port}.txt"
        self._stage = stage
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Stamping:
        started = self._stage.module(
            "benchmarks.stamping", str(self._port), str(self._log)
        )
        self._stack.enter_context(started)
        until("the receiver's first answer", self._listens, 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, path: str = "") -> str:
        """Where to send to."""
        return f"http://{HOST}:{self._port}/{path}"

    def arrived(self) -> Iterator[tuple[float, str, int, str]]:
        """(time, webhook-id, status, path) of every request so far."""
        for line in self._log.read_text().splitlines():
            at, webhook_id, path = line.split(" ", 2)
            yield float(at), webhook_id, 200, path

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self._port), 1).close()
            return True
        return False


class _Receiver(asyncio.Protocol):
    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or len(body) < int(length[1] if length else 0):
            return
        self._transport.write(_OK)
        self._received = b""
        found = _ID.search(head)
        webhook_id = found[1].decode() if found else "-"
        path = head.split(b" ", 2)[1].decode()
        self._log.write(f"{now:.6f} {webhook_id} {path}\n")


async def _serve(port: int, log: TextIO) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Receiver(log), HOST, port)
    await server.serve_forever()


def main() -> None:
    """Serves until it is killed."""
    with Path(sys.argv[2]).open("w", buffering=1) as log:
        asyncio.run(_serve(int(sys.argv[1]), log))


if __name__ == "__main__":
    main()
