"""Load in a process of its own: POSTs calls by the clock, however long answers take.

    python -m benchmarks.load PLAN RESULT

PLAN holds lines of JSON: {"at", "token", "body"}, `at` in seconds after the start, in
order. Prints "ready", waits for a line on standard input, plays the plan over a few
connections that are kept alive, and writes a line of RESULT a request: when it was sent
and answered, in seconds since the epoch, and the status. One thread, which sleeps in
select: it is to take nothing from what it measures.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONNECTIONS: Final = 8
ANSWER_SECONDS: Final = 30
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one request of the plan: times in seconds since the epoch."""

    sent: float
    at: float
    status: int


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    request: int = -1
    sent: float = 0.0
    received: bytes = b""


class Load:
    """The process, as a row uses it: a context; `go()`, `is_over()`, `answers()`."""

    def __init__(self, work: Path, plan: Iterable[dict[str, Any]]) -> None:
        self._plan, self._result = work / "plan.jsonl", work / "answers.txt"
        with self._plan.open("w") as lines:
            lines.writelines(json.dumps(request) + "\n" for request in plan)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Load:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", self._plan, self._result],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def go(self) -> None:
        """Starts the plan's clock."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def is_over(self) -> bool:
        """Whether every request has been answered. Raises when the process failed."""
        assert self._process is not None
        code = self._process.poll()
        assert code in (None, 0), "the load could not be played"
        return code == 0

    def answers(self) -> list[Answer]:
        """One a request of the plan, in its order."""
        rows = [line.split() for line in self._result.read_text().splitlines()]
        return [Answer(float(sent), float(at), int(code)) for sent, at, code in rows]


def main() -> None:
    """Plays a plan."""
    plan, result = Path(sys.argv[1]), Path(sys.argv[2])
    host = urlsplit(os.environ["PUBLIC_URL"])
    assert host.hostname is not None
    assert host.port is not None
    address = host.hostname, host.port
    at, requests = _requests(plan, f"{host.hostname}:{host.port}")
    print("ready", flush=True)
    sys.stdin.readline()
    answers = _play(at, requests, address)
    lines = (f"{one.sent:.6f} {one.at:.6f} {one.status}\n" for one in answers)
    result.write_text("".join(lines))


def _requests(plan: Path, host: str) -> tuple[list[float], list[bytes]]:
    at, requests = [], []
    with plan.open() as lines:
        for line in lines:
            request = json.loads(line)
            body = request["body"].encode()
            head = (
                f"POST /api/v1/cdrs HTTP/1.1\r\nHost: {host}\r\n"
                f"Authorization: Bearer {request['token']}\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            at.append(float(request["at"]))
            requests.append(head.encode() + body)
    return at, requests


def _play(
    at: Sequence[float], requests: Sequence[bytes], address: tuple[str, int]
) -> list[Answer]:
    answers: dict[int, Answer] = {}
    idle: deque[_Connection] = deque()
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = _Connection(socket.create_connection(address, ANSWER_SECONDS))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            idle.append(connection)
        following, began = 0, time.monotonic()
        while len(answers) < len(requests):
            while (
                following < len(requests)
                and idle
                and time.monotonic() - began >= at[following]
            ):
                _send(idle.popleft(), following, requests[following])
                following += 1
            wait: float = ANSWER_SECONDS
            if idle and following < len(requests):
                wait = max(0.0, began + at[following] - time.monotonic())
            for key, _ in selector.select(wait):
                if (answer := _read(key.data)) is not None:
                    answers[key.data.request] = answer
                    idle.append(key.data)
    return [answers[index] for index in range(len(requests))]


def _send(connection: _Connection, index: int, request: bytes) -> None:
    connection.request, connection.received = index, b""
    connection.sent = time.time()
    connection.socket.sendall(request)


def _read(connection: _Connection) -> Answer | None:
    """What has come; an answer when it is whole."""
    came = connection.socket.recv(65536)
    now = time.time()
    if not came:
        raise ConnectionError("the web server has closed the connection")
    connection.received += came
    head, separator, body = connection.received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not separator or length is None or len(body) < int(length[1]):
        return None
    return Answer(connection.sent, now, int(head.split(b" ", 2)[1]))


if __name__ == "__main__":
    main()
