"""The receivers, in a process of their own that no fault touches.

    python -m tests.chaos.receivers PORT SLOW_TLS_PORT LOG [--tls PORT CERTIFICATE]

Each path is a receiver. LOG gets a line for each whole request (evidence.Arrival) before
it is answered, so that what was answered 200 stands there. Commands come on standard
input, a line each: `PATH MODE`, from the next request on. Modes: `ok`, `flaky` (one id in
ten is answered 500 first), `held` (no answer until `PATH ok`), or one of `wicked`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import ssl
import sys
import time
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from tests.chaos import wicked

GOOD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BROKEN: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"
LIMIT: Final = 64 * 1024 * 1024


class Receivers:
    """All paths of one port, and how each answers now."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._modes: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._refused: set[str] = set()

    def switch(self, path: str, mode: str) -> None:
        """From the next request on; what is held goes on at once."""
        self._modes[path] = mode
        self._changed.set()
        self._changed = asyncio.Event()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection."""
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            while await self._request(reader, writer):
                pass
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.close()

    async def _request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split(" ")[1]
        mode = self._modes.get(path, "ok")
        webhook_id = headers.get("webhook-id", "")
        answer = self._answer(mode, webhook_id)
        self._note(path, webhook_id, data, answer, writer)
        if answer == "held":
            await self._while_held(path)
            if reader.at_eof():
                return False
            # It was answered after all: a line of its own tells.
            answer = "200"
            self._note(path, webhook_id, data, answer, writer)
        if answer in ("200", "500"):
            writer.write(GOOD if answer == "200" else BROKEN)
            await writer.drain()
            return True
        await wicked.MODES[mode].play(writer)
        return False

    def _answer(self, mode: str, webhook_id: str) -> str:
        if mode == "flaky":
            chosen = hashlib.sha256(webhook_id.encode()).digest()[0] < 26
            if chosen and webhook_id not in self._refused:
                self._refused.add(webhook_id)
                return "500"
            return "200"
        if mode == "ok":
            return "200"
        return wicked.MODES[mode].answer if mode in wicked.MODES else mode

    async def _while_held(self, path: str) -> None:
        while self._modes.get(path) == "held":
            await self._changed.wait()

    def _note(
        self,
        path: str,
        webhook_id: str,
        data: bytes,
        answer: str,
        writer: asyncio.StreamWriter,
    ) -> None:
        line = {
            "at": round(time.time(), 4),
            "path": path,
            "webhook_id": webhook_id,
            "digest": hashlib.sha256(data).hexdigest(),
            "uids": uids_of(data),
            "answer": answer,
            "peer": writer.get_extra_info("peername")[1],
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def uids_of(data: bytes) -> list[str]:
    """The calls that a body of the styles `envelope` and `batch` carries."""
    payload: dict[str, Any] = json.loads(data)
    if "cdrs" in payload:
        return [one["uniqueid"] for one in payload["cdrs"]]
    return [payload["cdr"]["id"]]


async def _obey(receivers: Receivers) -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while line := await commands.readline():
        receivers.switch(*line.decode().split())


async def _run(arguments: argparse.Namespace, log: IO[str]) -> None:
    receivers = Receivers(log)
    listen = partial(
        asyncio.start_server, receivers.serve, "127.0.0.1", limit=LIMIT, backlog=1024
    )
    await listen(port=arguments.port)
    await asyncio.start_server(wicked.drip_tls, "127.0.0.1", arguments.slow_tls_port)
    if arguments.tls:
        port, certificate = arguments.tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        await listen(port=int(port), ssl=context)
    print("ready", flush=True)
    # Ends with whoever started it: then standard input is closed.
    await _obey(receivers)


def main() -> None:
    """Serves until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("slow_tls_port", type=int)
    parser.add_argument("log", type=Path)
    parser.add_argument("--tls", nargs=2, metavar=("PORT", "CERTIFICATE"))
    arguments = parser.parse_args()
    with arguments.log.open("w") as log:
        asyncio.run(_run(arguments, log))


if __name__ == "__main__":
    main()
