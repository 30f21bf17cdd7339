"""What Django is told of a request, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from cdrhook import rsgi
from cdrhook.gateway import answered, environ_of
from cdrhook.rsgi import Application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Scope:
    method: str = "POST"
    path: str = "/a b/é"
    query_string: str = "x=%20"
    scheme: str = "http"
    http_version: str = "1.1"
    client: str = "[::1]:4711"
    server: str = "127.0.0.1:8000"
    headers: Any = field(default_factory=dict)


class Several(list[tuple[str, str]]):
    """Headers of which one comes twice."""

    def items(self) -> Several:
        return self


@dataclass
class Connection:
    """A client that sends `pieces`, and notes what it is answered."""

    pieces: tuple[bytes, ...] = ()
    fails_at: int = 100
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        self.status, self.headers, self.body = status, dict(headers), [body]

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Any:
        self.status, self.headers = status, dict(headers)
        return self

    async def send_bytes(self, piece: bytes) -> None:
        if len(self.body) == self.fails_at:
            raise RuntimeError("the reader has gone")
        self.body.append(piece)


def run(response: Any, connection: Connection) -> Any:
    """Has a view answer with `response`."""

    def wsgi(_environ: dict[str, Any], start: Any) -> Any:
        start(f"{response.status_code} X", list(response.items()))
        return response

    async def answer() -> Any:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            return await loop.run_in_executor(
                threads, answered, wsgi, {}, b"", connection, loop
            )

    return asyncio.run(answer())


def test_a_request_is_told_as_wsgi_has_it():
    environ = environ_of(Scope(headers={"content-type": "a/b", "x-y": "1"}))
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/é"
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("::1", "8000")
    assert (environ["CONTENT_TYPE"], environ["HTTP_X_Y"]) == ("a/b", "1")


def test_a_header_with_an_underscore_is_left_out():
    environ = environ_of(Scope(headers={"x_forwarded_proto": "https"}))
    assert "HTTP_X_FORWARDED_PROTO" not in environ


def test_a_header_that_comes_twice_is_joined():
    cookies = Several([("cookie", "a=1"), ("cookie", "b=2"), ("x", "1"), ("x", "2")])
    environ = environ_of(Scope(headers=cookies))
    assert (environ["HTTP_COOKIE"], environ["HTTP_X"]) == ("a=1; b=2", "1,2")


def test_an_answer_is_handed_over_whole():
    answer = run(HttpResponse(b"abc", status=201), Connection())
    assert (answer.status, answer.body) == (201, b"abc")


def test_a_stream_is_sent_piece_by_piece():
    connection = Connection()
    assert run(StreamingHttpResponse([b"a", b"b"]), connection).body is None
    assert (connection.status, connection.body) == (200, [b"a", b"b"])


def test_a_stream_ends_where_its_reader_has_gone():
    connection = Connection(fails_at=1)
    run(StreamingHttpResponse(b"a" for _ in range(10**9)), connection)
    assert connection.body == [b"a"]


def test_who_is_still_sending_sees_why_the_body_is_refused():
    connection = Connection(pieces=(b"a" * 1000,) * 10)
    headers = {"content-length": str(100 * 1024**2)}

    def wsgi(_environ: dict[str, Any], start: Any) -> HttpResponse:
        start("413 Too Large", [])
        return HttpResponse(b"too large")

    app = Application(wsgi, upload_seconds=5)
    asyncio.run(app(Scope(headers=headers), connection))
    assert (connection.status, connection.body) == (413, [b"too large"])


def test_bodies_that_wait_for_a_thread_are_bounded_as_well(monkeypatch):
    monkeypatch.setattr(rsgi, "MAX_HELD_BYTES", 25)
    headers, at_work = {"content-length": "10"}, threading.Event()

    def wsgi(_environ: dict[str, Any], start: Any) -> HttpResponse:
        at_work.wait(10)
        start("202 Accepted", [])
        return HttpResponse(b"taken")

    async def three() -> list[Connection]:
        app = Application(wsgi, upload_seconds=5)
        clients = [Connection(pieces=(b"a" * 10,)) for _ in range(3)]
        answers = [asyncio.create_task(app(Scope(headers=headers), clients[0]))]
        answers += [asyncio.create_task(app(Scope(headers=headers), clients[1]))]
        await asyncio.sleep(0)
        await app(Scope(headers=headers), clients[2])
        at_work.set()
        await asyncio.gather(*answers)
        assert app.held_bytes == 0
        return clients

    assert [client.status for client in asyncio.run(three())] == [202, 202, 503]


def test_a_request_whose_answer_fails_leaves_nothing():
    def wsgi(_environ: dict[str, Any], _start: Any) -> HttpResponse:
        raise ValueError("a fault of ours")

    app = Application(wsgi, upload_seconds=5)
    headers = {"content-length": "10"}
    with pytest.raises(ValueError, match="a fault of ours"):
        asyncio.run(app(Scope(headers=headers), Connection(pieces=(b"a" * 10,))))
    assert app.held_bytes == 0
