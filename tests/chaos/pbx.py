"""A PBX in a process of its own: hands calls over at a rate, at least once.

    python -m tests.chaos.pbx CONFIG LOG

CONFIG is JSON: {"urls": [where to POST], "token", "rate": calls a second}. What is
refused or not answered is tried again, at the next of the URLs, until it is answered 202;
one post in sixteen is given up at its first failure. LOG gets a line a try
(evidence.Try). SIGTERM: no new calls; ends when everything is handed over, within
PATIENCE_SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from tests.chaos.evidence import ANSWER_LOST, NOT_SENT, TAKEN

CONNECTIONS: Final = 16
ANSWER_SECONDS: Final = 15.0
AGAIN_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 120.0
# Every other post hands over several calls.
TOGETHER: Final = 5
GIVEN_UP: Final = 16
DIRECTIONS: Final = {"in": "inbound", "out": "outbound", "own": "internal"}
# Half of the calls is for the webhooks that want them all.
ENDS: Final = ("in", "own", "out", "own")


def calls(post: int) -> list[str]:
    """The uids of a post; they end in the direction of the call."""
    count = TOGETHER if post % 2 else 1
    return [f"p{post}-{n}-{ENDS[(post // 2 + n) % len(ENDS)]}" for n in range(count)]


def body(uids: list[str]) -> bytes:
    """As POST /api/v1/cdrs takes it."""
    records = [_record(uid) for uid in uids]
    return json.dumps(records[0] if len(records) == 1 else {"cdrs": records}).encode()


def _record(uid: str) -> dict[str, Any]:
    return {
        "uid": uid,
        "started_at": "2026-11-20T09:37:35+00:00",
        "answered_at": "2026-11-20T09:37:40+00:00",
        "ended_at": "2026-11-20T09:38:45+00:00",
        "duration": 70,
        "direction": DIRECTIONS[uid.rpartition("-")[2]],
        "disposition": "answered",
        "caller": {"number": "+442031703746", "name": 'Zoë "Z" Ångström & Söhne'},
        "dialed": {"number": "+442039702436"},
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """To one POST; see evidence.Try."""

    status: int
    accepted: int = 0
    duplicates: int = 0
    retry_after: str = ""
    outcome: str = ""


LOST: Final = Answer(ANSWER_LOST)


class Pbx:
    """Posts wait in a queue, and CONNECTIONS take them from it."""

    def __init__(self, config: dict[str, Any], log: IO[str]) -> None:
        self._urls = [urlsplit(url) for url in config["urls"]]
        self._token, self._rate = config["token"], float(config["rate"])
        self._log = log
        self._queue: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._stop = asyncio.Event()
        # Posts that are neither handed over nor given up.
        self._open = 0
        self._all_over = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM, and then until everything is handed over."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        takers = [asyncio.create_task(self._take()) for _ in range(CONNECTIONS)]
        await self._call()
        if not self._open:
            self._all_over.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_over.wait(), PATIENCE_SECONDS)
        for taker in takers:
            taker.cancel()
        await asyncio.gather(*takers, return_exceptions=True)

    async def _call(self) -> None:
        began, post, made = time.monotonic(), 0, 0
        while not self._stop.is_set():
            self._open += 1
            self._queue.put_nowait((post, 0))
            made += len(calls(post))
            post += 1
            wait = began + made / self._rate - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), max(wait, 0.001))

    async def _take(self) -> None:
        connection = Connection()
        while True:
            post, tried = await self._queue.get()
            url = self._urls[(post + tried) % len(self._urls)]
            uids = calls(post)
            sent = time.time()
            answer = LOST
            try:
                answer = await connection.post(
                    url.hostname or "", url.port or 80, self._token, body(uids)
                )
            finally:
                self._note(post, uids, sent, answer)
            if answer.status != TAKEN and post % GIVEN_UP != GIVEN_UP - 1:
                self._later(post, tried + 1)
                continue
            self._open -= 1
            if self._stop.is_set() and not self._open:
                self._all_over.set()

    def _later(self, post: int, tried: int) -> None:
        # At the next URL at once, where there is one that was not tried.
        wait = 0.0 if tried % len(self._urls) else AGAIN_SECONDS
        loop = asyncio.get_running_loop()
        loop.call_later(wait, self._queue.put_nowait, (post, tried))

    def _note(self, post: int, uids: list[str], sent: float, answer: Answer) -> None:
        line = {
            "post": post,
            "uids": uids,
            "sent": round(sent, 4),
            "ended": round(time.time(), 4),
            **asdict(answer),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


class Connection:
    """A connection that is kept alive, and made anew after any trouble."""

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._to = ("", 0)

    async def post(self, host: str, port: int, token: str, data: bytes) -> Answer:
        """POSTs calls; never raises."""
        try:
            reader, writer = await self._connected(host, port)
        except (OSError, TimeoutError):
            return Answer(NOT_SENT)
        head = (
            f"POST /api/v1/cdrs HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(head.encode() + data)
                await writer.drain()
                return await self._answer(reader)
        except (OSError, EOFError, TimeoutError, ValueError):
            self.close()
            return LOST

    async def _connected(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        streams = self._streams if self._to == (host, port) else None
        # What the server has closed meanwhile is no lost answer.
        if streams is not None and not streams[0].at_eof():
            return streams
        self.close()
        async with asyncio.timeout(ANSWER_SECONDS):
            self._streams = await asyncio.open_connection(host, port)
        self._to = (host, port)
        return self._streams

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        status = int(first.split(" ")[1])
        is_json = "json" in headers.get("content-type", "")
        told = json.loads(data) if is_json else {}
        return Answer(
            status,
            told.get("accepted", 0),
            told.get("duplicates", 0),
            headers.get("retry-after", ""),
            told.get("outcome", ""),
        )

    def close(self) -> None:
        """Drops the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def main() -> None:
    """Plays the PBX."""
    config = json.loads(Path(sys.argv[1]).read_text())
    with Path(sys.argv[2]).open("w") as log:
        asyncio.run(Pbx(config, log).run())


if __name__ == "__main__":
    main()
