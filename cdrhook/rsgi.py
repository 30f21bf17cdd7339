"""The web server's entry point: a thread is taken when a request is wholly there.

* *Any client may stall in the middle of a body, and a thread that reads cannot be woken.*
  Therefore bodies are read by the event loop, with a deadline (`cdrhook.uploads`).
* *An idle connection must cost nothing that others need.* Therefore connections are no
  limit on requests; threads are.
* *Who is still sending does not see our answer.* Therefore what is left of a body that
  was refused is let in first, up to a bound.

Decides nothing about requests: Django says what is too long, by its length.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cdrhook.gateway import answered, environ_of
from cdrhook.uploads import NoRoomError, TooSlowError, Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from cdrhook.gateway import Connection, Scope

REQUEST_THREADS: Final = 64
# Requests that are there and wait for a thread; more are asked to come back.
MAX_WAITING_REQUESTS: Final = 1024
# The longest body that any page takes; the API takes less (api.body).
MAX_BODY_BYTES: Final = 6 * 1024 * 1024
MAX_HELD_BYTES: Final = 256 * 1024 * 1024
MAX_DISCARDED_BYTES: Final = 32 * 1024 * 1024
RETRY_AFTER_SECONDS: Final = 5


class Application:
    """Answers requests by a WSGI application, on threads of its own.

    `upload_seconds`: the wall-clock time that a body may take.
    """

    def __init__(self, wsgi: Callable[..., Any], *, upload_seconds: float) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(REQUEST_THREADS, thread_name_prefix="web")
        self._under_way = 0
        self._uploads = Uploads(
            max_bytes=MAX_BODY_BYTES,
            max_held_bytes=MAX_HELD_BYTES,
            max_discarded_bytes=MAX_DISCARDED_BYTES,
            seconds=upload_seconds,
        )

    @property
    def held_bytes(self) -> int:
        """Of bodies whose requests are not answered yet."""
        return self._uploads.held_bytes

    async def __call__(self, scope: Scope, connection: Connection) -> None:
        """Answers one request."""
        environ = environ_of(scope)
        pieces = _pieces(environ, connection)
        try:
            body = await self._body(environ, pieces)
        except TooSlowError:
            return _refuse(connection, 408, "The body did not come in time.")
        except NoRoomError:
            return _refuse(connection, 503, "Too many bodies are coming in; try again.")
        except RuntimeError:
            return _refuse(connection, 400, "The body ended before its time.")
        try:
            await self._in_turn(environ, body, pieces, connection)
        finally:
            self._uploads.give_back(body)
        return None

    async def _in_turn(
        self,
        environ: dict[str, Any],
        body: bytes | bytearray,
        pieces: _Pieces | None,
        connection: Connection,
    ) -> None:
        if self._under_way >= REQUEST_THREADS + MAX_WAITING_REQUESTS:
            return _refuse(connection, 503, "Too many requests are waiting; try again.")
        self._under_way += 1
        try:
            await self._answer(environ, body, pieces, connection)
        finally:
            self._under_way -= 1
        return None

    async def _body(
        self, environ: dict[str, Any], pieces: _Pieces | None
    ) -> bytes | bytearray:
        """The body; nothing of one whose length says that it is too long."""
        length = environ.get("CONTENT_LENGTH", "")
        if pieces is None or (length.isdigit() and int(length) > MAX_BODY_BYTES):
            return b""
        return await self._uploads.read(pieces)

    async def _answer(
        self,
        environ: dict[str, Any],
        body: bytes | bytearray,
        pieces: _Pieces | None,
        connection: Connection,
    ) -> None:
        loop = asyncio.get_running_loop()
        work = partial(answered, self._wsgi, environ, body, connection, loop)
        answer = await loop.run_in_executor(self._threads, work)
        if answer.body is None:
            return
        is_refusal = answer.status >= HTTPStatus.BAD_REQUEST
        # Who asks beforehand, by Expect, has not begun to send.
        if is_refusal and pieces is not None and "HTTP_EXPECT" not in environ:
            with contextlib.suppress(RuntimeError):  # the client has gone: so be it
                await self._uploads.discard(pieces)
        connection.response_bytes(answer.status, answer.headers, answer.body)


class _Pieces:
    """The pieces of a body, over which one may go in several loops.

    Nothing is asked of the client before the first: it may wait for that (Expect).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        if self._pieces is None:
            self._pieces = aiter(self._connection)
        return anext(self._pieces)


def _pieces(environ: dict[str, Any], connection: Connection) -> _Pieces | None:
    """The pieces of the body, if there is one."""
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    if chunked or environ.get("CONTENT_LENGTH", "0") != "0":
        return _Pieces(connection)
    return None


def _refuse(connection: Connection, status: int, detail: str) -> None:
    """A problem document (RFC 9457), as those of the API, without a thread."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    headers = [("Content-Type", "application/problem+json")]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
    connection.response_bytes(status, headers, json.dumps(problem).encode())
