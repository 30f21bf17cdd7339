"""A scripted receiver, by default on 127.0.0.1, that misbehaves on purpose, byte by byte.

A behaviour is the bytes of an answer, after which the connection is kept, or a function
of the connection, after which it is closed. The n-th request gets the n-th behaviour;
the last one repeats.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Behaviour = bytes | Callable[["Receiver", socket.socket], None]


def answer(status: int, *headers: str, body: bytes = b"ok") -> bytes:
    """Return a complete answer with a Content-Length."""
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Request:
    """What came over the wire; header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


@dataclass
class Receiver:
    """Counts connections and keeps requests. A context manager."""

    script: list[Behaviour]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    listen: tuple[str, int] = ("127.0.0.1", 0)
    # What is done with a connection before anything is read, and then all there is.
    at_once: Behaviour | None = None

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.closed = threading.Event()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(self.listen)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for conn in self._open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self._listening.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(conn,))
                self._threads.append(thread)
                self._open.append(conn)
                thread.start()

    def _serve(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(self.closed.set)
            stack.enter_context(conn)
            if callable(self.at_once):
                self.at_once(self, conn)
                return
            if self.tls is not None:
                conn = stack.enter_context(self._secured(conn, self.tls))
                self._open.append(conn)
            while self._answer_one(conn):
                pass

    def _secured(self, conn: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        beneath = conn.dup()
        try:
            return tls.wrap_socket(conn, server_side=True)
        except OSError:
            # As servers do: a reset would overtake what was wrong with the client.
            beneath.settimeout(2)
            while beneath.recv(65536):
                pass
            raise
        finally:
            beneath.close()

    def _answer_one(self, conn: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := conn.recv(65536)):
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while len(body) < (int(length[1]) if length else 0):
            body += conn.recv(65536)
        line, *lines = head.decode("utf-8").split("\r\n")
        pairs = (each.split(": ", 1) for each in lines)
        number = len(self.requests)
        request = Request(line, {name.lower(): value for name, value in pairs}, body)
        self.requests.append(request)
        behaviour = self.script[min(number, len(self.script) - 1)]
        if isinstance(behaviour, bytes):
            conn.sendall(behaviour)
            return True
        behaviour(self, conn)
        return False


# Behaviours -----------------------------------------------------------------------


def hang(receiver: Receiver, conn: socket.socket) -> None:
    receiver.stopping.wait(20)


def close(receiver: Receiver, conn: socket.socket) -> None:
    """Close without a word."""


def reset(receiver: Receiver, conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def then_close(data: bytes) -> Behaviour:
    return lambda receiver, conn: conn.sendall(data)


def drip(head: bytes, seconds_apart: float = 0.05) -> Behaviour:
    """Send byte after byte: each is in time for a timeout per socket operation."""

    def behave(receiver: Receiver, conn: socket.socket) -> None:
        for byte in head:
            conn.sendall(bytes([byte]))
            if receiver.stopping.wait(seconds_apart):
                return

    return behave


def endless(head: bytes, piece: bytes) -> Behaviour:
    def behave(receiver: Receiver, conn: socket.socket) -> None:
        conn.sendall(head)
        while not receiver.stopping.is_set():
            conn.sendall(piece)

    return behave
