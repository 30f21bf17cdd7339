"""A real HTTP receiver whose answers are scripted by path."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """What a receiver got, and when it had all of it."""

    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        """The delivery's id."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """`script` maps a path to what it answers in turn, the last one for ever.

    A status, `hang` (no answer), `drip` (headers byte by byte) or `endless` (200 and a
    body that never ends). `seconds` is what every answer takes.
    """

    script: dict[str, list[int | str]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    seconds: float = 0.0
    came: threading.Condition = field(default_factory=threading.Condition)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.server = _Server(self)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        """The address of a path of this receiver."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        """The requests that came to a path so far."""
        with self.came:
            return [request for request in self.requests if request.path == path]

    def wait(self, path: str, count: int, seconds: float) -> list[Request]:
        """Waits until `count` requests have come to a path; gives those there are."""
        with self.came:
            self.came.wait_for(lambda: self._count(path) >= count, seconds)
        return self.at(path)

    def _count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)

    def take(self, request: Request) -> int | str:
        """Notes a request; gives what to answer."""
        with self.came:
            self.requests.append(request)
            todo = self.script.get(request.path, [200])
            answer = todo[0] if len(todo) == 1 else todo.pop(0)
            self.came.notify_all()
        return answer

    def close(self) -> None:
        """Ends all answers that are under way."""
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Senders that hang up are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        todo = self.server.receiver.take(
            Request(time.time(), self.command, path, query, headers, body)
        )
        self.server.receiver.closing.wait(self.server.receiver.seconds)
        if isinstance(todo, str):
            self.close_connection = True
            getattr(self, todo)()
            return
        self.send_response(todo)
        if 300 <= todo < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    # The names are http.server's.
    do_GET = answer  # noqa: N815
    do_POST = answer  # noqa: N815
    do_PUT = answer  # noqa: N815

    def hang(self) -> None:
        self.server.receiver.closing.wait(40)

    def drip(self) -> None:
        self._write_slowly(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 60)

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000000")
        self.end_headers()
        self._write_slowly(b"x" * 200)

    def _write_slowly(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.receiver.closing.wait(0.4):
                return
