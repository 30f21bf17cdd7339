"""A receiver of webhooks on 127.0.0.1, for trying things out: `cdrhook receive`.

Answers by script and tells what came. Keeps nothing, needs no database, and is not for
the open internet. Standard library only.
"""

from __future__ import annotations

import binascii
import hmac
import select
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = int | Literal["hang", "drip"]
Signature = Literal["valid", "invalid", "none", "unchecked"]

# Standard Webhooks: older or newer timestamps are replays.
TOLERANCE_SECONDS: Final = 300
# How long "hang" and "drip" last at most; any sender has given up by then.
LONGEST_ANSWER_SECONDS: Final = 60.0
DRIP_SECONDS: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request and how it is going to be answered. Header names in lower case."""

    time: datetime
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    webhook_id: str
    signature: Signature
    spark_signature: Signature
    answered: Answer


def parse_answers(text: str) -> tuple[Answer, ...]:
    """`200,500,hang,drip` as answers. Raises ValueError, naming what it is not."""
    return tuple(_parse_answer(word.strip()) for word in text.split(","))


def _parse_answer(word: str) -> Answer:
    if word == "hang":
        return "hang"
    if word == "drip":
        return "drip"
    # 1xx is not an end of anything.
    if word.isascii() and word.isdigit() and 200 <= int(word) <= 599:
        return int(word)
    raise ValueError(f"{word!r} is neither a status from 200 to 599, hang nor drip")


def check_signature(
    secret: str, headers: dict[str, str], signed: bytes, now: float
) -> Signature:
    """Verifies `webhook-signature` as Standard Webhooks v1 has it.

    `signed` is the body, or for GET the query string (PAYLOADS, common to all styles);
    `secret` '' checks nothing; `now` in unix seconds.
    """
    signatures = headers.get("webhook-signature", "").split()
    if not signatures:
        return "none"
    if not secret:
        return "unchecked"
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return "invalid"
    message = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + signed
    digest = hmac.digest(_key(secret), message, "sha256")
    expected = b"v1," + b64encode(digest)
    good = [hmac.compare_digest(one.encode(), expected) for one in signatures]
    return "valid" if any(good) else "invalid"


def check_spark_signature(
    secret: str, headers: dict[str, str], body: bytes
) -> Signature:
    """Verifies `X-Spark-Signature`, the hex HMAC-SHA1 of the raw body (webex.txt).

    The secret's text is the key, whatever it begins with; '' checks nothing.
    """
    given = headers.get("x-spark-signature", "")
    if not given:
        return "none"
    if not secret:
        return "unchecked"
    expected = hmac.digest(secret.encode(), body, "sha1").hex()
    good = hmac.compare_digest(given.lower().encode(), expected.encode())
    return "valid" if good else "invalid"


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


class Receiver:
    """Listens on 127.0.0.1 (`port` 0: a free one) and calls `tell` for each request.

    `answers` are given in that order to each webhook-id, the last one repeats.
    As a context it serves from a thread of its own.
    """

    def __init__(
        self,
        port: int,
        *,
        tell: Callable[[Received], None],
        answers: tuple[Answer, ...] = (200,),
        secret: str = "",
    ) -> None:
        self.secret = secret
        self._answers = answers
        self._tell = tell
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self.port = int(self._server.server_address[1])

    def serve(self) -> None:
        """Serves until `stop`, or for ever."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Ends `serve` and closes the port; requests that hang are dropped."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve, daemon=True, name="receiver").start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take(self, request: _Request, body: bytes) -> Answer:
        """Tells of a request and says how to answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, _, query = request.path.partition("?")
        webhook_id = headers.get("webhook-id", "")
        signed = query.encode() if request.command == "GET" else body
        with self._lock:
            seen = self._seen.get(webhook_id, 0)
            self._seen[webhook_id] = seen + 1
            answer = self._answers[min(seen, len(self._answers) - 1)]
            self._tell(
                Received(
                    time=datetime.now(UTC),
                    method=request.command,
                    path=path,
                    query=query,
                    headers=headers,
                    body=body,
                    webhook_id=webhook_id,
                    signature=check_signature(
                        self.secret, headers, signed, time.time()
                    ),
                    spark_signature=check_spark_signature(self.secret, headers, body),
                    answered=answer,
                )
            )
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, receiver: Receiver, port: int) -> None:
        self.receiver = receiver
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", port), _Request)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer, sent at once.
    wbufsize = -1
    disable_nagle_algorithm = True
    # A keep-alive connection that nobody uses any more.
    timeout = 300

    server: _Server

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.server.receiver.take(self, body)
        if answer == "hang":
            self._hang()
        elif answer == "drip":
            self._drip()
        else:
            self.send_response(answer)
            # RFC 9110: these have no body, and so no length.
            if answer not in (204, 304):
                self.send_header("Content-Length", "0")
            self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `tell` has told."""

    def _hang(self) -> None:
        """Answers nothing until the sender gives up."""
        self._give_up_with_the_sender(LONGEST_ANSWER_SECONDS)
        self.close_connection = True

    def _drip(self) -> None:
        """Sends response headers byte by byte, and never all of them."""
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        for _ in range(int(LONGEST_ANSWER_SECONDS / DRIP_SECONDS)):
            self.wfile.write(b".")
            try:
                self.wfile.flush()
            except OSError:
                return
            if self._give_up_with_the_sender(DRIP_SECONDS):
                return

    def _give_up_with_the_sender(self, seconds: float) -> bool:
        """Waits; True as soon as the sender has closed or the receiver stops."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.25))
            if readable or self.server.stopping.is_set():
                return True
        return False
