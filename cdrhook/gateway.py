"""What WSGI makes of a request that is wholly there, and of its answer.

Runs in the thread that answers; waits for nobody but the reader of a stream.
"""

from __future__ import annotations

import asyncio
import io
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# What a stream's next piece may take to be sent.
PIECE_SECONDS: Final = 30
# Streams up to this length are handed over whole: static files.
SHORT_STREAM_BYTES: Final = 1024 * 1024

Headers = list[tuple[str, str]]


class Scope(Protocol):
    """A request without its body, as RSGI has it."""

    method: str
    path: str
    query_string: str
    scheme: str
    http_version: str
    client: str
    server: str
    headers: Any


class Connection(Protocol):
    """Where the body comes from and the answer goes to, as RSGI has it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's pieces."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Answers with a body that is there."""

    def response_stream(self, status: int, headers: Headers) -> Any:
        """Answers with pieces that are yet to come: `await send_bytes(piece)`."""


@dataclass(slots=True)
class Answer:
    """What WSGI's start_response was told, and the body if it is there."""

    status: int = 500
    headers: Headers = field(default_factory=list)
    body: bytes | None = None

    def start(self, status: str, headers: Headers, *_: object) -> None:
        """WSGI's start_response."""
        self.status, self.headers = int(status[:3]), headers


def environ_of(scope: Scope) -> dict[str, Any]:
    """WSGI's environment of a request, without its body."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        # WSGI has bytes as the characters of latin-1.
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        # X_Forwarded_Proto would look like X-Forwarded-Proto, which proxies take out.
        if "_" not in name:
            _add(environ, name, value)
    return environ


def _add(environ: dict[str, Any], name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    if key in environ:
        separator = "; " if key == "HTTP_COOKIE" else ","
        value = f"{environ[key]}{separator}{value}"
    environ[key] = value


def answered(
    wsgi: Callable[..., Any],
    environ: dict[str, Any],
    body: bytes | bytearray,
    connection: Connection,
    loop: asyncio.AbstractEventLoop,
) -> Answer:
    """What the WSGI application answers; without a body if that was streamed already.

    `loop` is where the connection lives.
    """
    environ["wsgi.input"] = io.BytesIO(body)
    answer = Answer()
    response = wsgi(environ, answer.start)
    try:
        if _is_short(response):
            answer.body = b"".join(response)
        else:
            _stream(response, answer, connection, loop)
    finally:
        response.close()
    return answer


def _is_short(response: Any) -> bool:
    if not response.streaming:
        return True
    length = response.headers.get("Content-Length", "")
    return length.isdigit() and int(length) <= SHORT_STREAM_BYTES


def _stream(
    response: Any,
    answer: Answer,
    connection: Connection,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Sends piece by piece; ends where the reader is gone, or takes nothing any more."""

    async def begin() -> Any:
        return connection.response_stream(answer.status, answer.headers)

    async def send(transport: Any, piece: bytes) -> None:
        async with asyncio.timeout(PIECE_SECONDS):
            await transport.send_bytes(piece)

    transport = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    for piece in response:
        try:
            asyncio.run_coroutine_threadsafe(send(transport, piece), loop).result()
        except (TimeoutError, RuntimeError):
            return
