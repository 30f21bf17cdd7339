"""PBXs that misbehave beside a good one, whose posts must be answered all the while."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import psutil

from tests.chaos.values import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.scene import Scene

# 95 % of the good PBX's posts must be answered within these seconds.
ANSWERS: Final = 5.0
HURRIES: Final = 5.0
IDLE: Final = 2000
SLOW: Final = 100
BROKEN_AT_A_TIME: Final = 20
BIG: Final = 4
_MEGABYTE: Final = bytes(1024 * 1024)


class Client:
    """A bad PBX: where the web server is, and until when it goes on."""

    def __init__(self, scene: Scene) -> None:
        url = urlsplit(scene.cdrhook.url)
        assert url.hostname is not None
        assert url.port is not None
        self._host, self._port = url.hostname, url.port
        self._token = scene.token
        self._until = time.monotonic() + 6

    @property
    def goes_on(self) -> bool:
        """Whether it has not misbehaved long enough."""
        return time.monotonic() < self._until

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the web server."""
        return await asyncio.open_connection(self._host, self._port)

    def head(self, length: int) -> bytes:
        """Of a POST whose body is that long."""
        return (
            f"POST /api/v1/cdrs HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


async def _slow_upload(client: Client) -> None:
    """A byte a second, and never all of them."""
    while client.goes_on:
        _, writer = await client.connect()
        with contextlib.closing(writer):
            writer.write(client.head(200_000))
            while client.goes_on:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(1)


async def _broken_pipe(client: Client) -> None:
    """Half a body, and gone."""
    while client.goes_on:
        _, writer = await client.connect()
        writer.write(client.head(1000) + b'{"uid": "half')
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.2)


async def _big_body(client: Client) -> None:
    """100 MB, whatever the web server says meanwhile."""
    while client.goes_on:
        _, writer = await client.connect()
        with contextlib.closing(writer):
            writer.write(client.head(100 * len(_MEGABYTE)))
            for _ in range(100):
                writer.write(_MEGABYTE)
                await writer.drain()


async def _idle(client: Client) -> None:
    """A connection on which nothing is ever said."""
    _, writer = await client.connect()
    with contextlib.closing(writer):
        while client.goes_on:
            await asyncio.sleep(0.5)


def _behave(
    behave: Callable[[Client], Awaitable[None]], count: int, scene: Scene
) -> None:
    """`count` bad PBXs at once; a connection that the server closes is made anew."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    before = _web_megabytes(scene)
    asyncio.run(_all(behave, count, Client(scene)))
    scene.say(
        f"the web server's memory: {before} MB before, {_web_megabytes(scene)} MB"
    )


async def _all(
    behave: Callable[[Client], Awaitable[None]], count: int, client: Client
) -> None:
    async def again() -> None:
        while client.goes_on:
            with contextlib.suppress(OSError):
                await behave(client)
            await asyncio.sleep(0.1)

    await asyncio.gather(*(again() for _ in range(count)))


def _web_megabytes(scene: Scene) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(one.memory_info().rss for one in scene.up.web()) // 2**20
    return 0


_BEHAVIOUR: Final = (
    ("slow-upload", f"{SLOW} PBXs that upload a byte a second", _slow_upload, SLOW),
    (
        "broken-pipe",
        f"{BROKEN_AT_A_TIME} PBXs that break off in the middle of a body",
        _broken_pipe,
        BROKEN_AT_A_TIME,
    ),
    ("big-body", f"{BIG} PBXs that post 100 MB", _big_body, BIG),
    ("idle-connections", f"{IDLE:,} idle connections", _idle, IDLE),
)

FAULTS: Final = tuple(
    Fault(
        name=f"pbx-{name}",
        what=what,
        strike=partial(_behave, behave, count),
        answers=ANSWERS,
        hurries=HURRIES,
    )
    for name, what, behave, count in _BEHAVIOUR
)
