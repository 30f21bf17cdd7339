"""What bad receivers do instead of answering as they should.

Each mode is played after the whole request has come, and the connection is closed after
it. `answer` is how the request is noted: "200" where a receiver that does this has said
200 in complete headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONGEST_SECONDS: Final = 60.0
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mode:
    """What it does to the connection."""

    answer: str
    play: Callable[[asyncio.StreamWriter], Awaitable[None]]


async def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(LONGEST_SECONDS)


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    for _ in range(int(LONGEST_SECONDS / 0.4)):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.4)


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 16)
    await writer.drain()


async def _huge(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * _MEGABYTE))
    for _ in range(100):
        writer.write(b"x" * _MEGABYTE)
        await writer.drain()


# A gigabyte of zeros in a megabyte.
_BOMB: Final = gzip.compress(bytes(_MEGABYTE), 9) * 1024


async def _bomb(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        % len(_BOMB)
    )
    writer.write(_BOMB)
    await writer.drain()


async def _headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(b"X-Header-%d: %s\r\n" % (number, b"y" * 50))
    writer.write(b"Content-Length: 0\r\n\r\n")
    await writer.drain()


async def _invalid_utf8(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 \xff\xfe\xc3\x28\r\nX-Bad: \xc3\x28\xa0\xff\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\n"
        b"\xff\xfe\xc3\x28\xed\xa0"
    )
    await writer.drain()


async def _nul(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 500 a\x00b\r\nX-Nul: c\x00d\r\nContent-Length: 5\r\n\r\ne\x00f\x00g"
    )
    await writer.drain()


async def drip_tls(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A connection on which the server's part of the TLS handshake never ends."""
    with contextlib.suppress(OSError):
        # A record of the handshake, 16 KB long.
        writer.write(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
        for _ in range(int(LONGEST_SECONDS)):
            await writer.drain()
            await asyncio.sleep(1)
            writer.write(b"x")
    writer.close()


MODES: Final = {
    "reset": Mode("reset", _reset),
    "hang": Mode("hang", _hang),
    "drip": Mode("drip", _drip),
    "garbage": Mode("garbage", _garbage),
    "huge": Mode("200", _huge),
    "bomb": Mode("200", _bomb),
    "headers": Mode("headers", _headers),
    "invalid-utf8": Mode("200", _invalid_utf8),
    "nul": Mode("nul", _nul),
}
