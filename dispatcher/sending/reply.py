"""Reads the head of an HTTP answer, and as much of its body as is worth keeping.

Stricter than http.client where it matters for a receipt: the head must be complete
(http.client takes the end of the stream for the end of the headers), every interim
answer is skipped (http.client skips 100 only), and the number of headers is capped.
Reads no more bytes and waits no longer than the exchange of its socket allows.
Decompresses nothing.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import TYPE_CHECKING, Final

from dispatcher.sending.exchange import TooManyBytesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.sending.connection import Connection

MAX_LINE: Final = 65536
MAX_HEADERS: Final = 256
READ_SIZE: Final = 16384
STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n"
)
SWITCHING_PROTOCOLS: Final = 101
# int() fails on thousands of digits.
LENGTH: Final = re.compile(r"[0-9]{1,18}")
NO_BODY: Final = frozenset({101, 204, 304})

Headers = list[tuple[str, str]]


class BadHeadError(HTTPException):
    """The head is not HTTP; the message is a phrase that says how."""


class Reply(HTTPResponse):
    """An answer. Knows its connection, to hand it back when the answer is done."""

    connection: Connection
    header_items: Headers
    intact: bool = False

    def begin(self) -> None:
        """Read the head. BadHeadError, and what the sockets of an exchange raise."""
        readline = self.fp.readline
        status = minor = 0
        while status < 200 and status != SWITCHING_PROTOCOLS:
            status, minor = read_status(readline)
            self.header_items = read_headers(readline)
        self.status = self.code = status
        self.version = 11 if minor else 10
        # Left empty: it only tells the base class that the head was read.
        self.headers = self.msg = HTTPMessage()
        self._frame(status)

    def _frame(self, status: int) -> None:
        """Find out where the body ends; where that is doubtful, at the close."""
        tokens = self._all("connection")
        self.will_close = "close" in tokens if self.version == 11 else True
        self.chunked = self._all("transfer-encoding") == ["chunked"]
        self.chunk_left = None
        self.length = None
        if status in NO_BODY:
            self.chunked, self.length = False, 0
        elif not self.chunked:
            self.length = self._content_length()
            self.will_close = self.will_close or self.length is None

    def _content_length(self) -> int | None:
        stated = set(self._all("content-length"))
        if self._all("transfer-encoding") or len(stated) != 1:
            return None
        (text,) = stated
        return int(text) if LENGTH.fullmatch(text) else None

    def _all(self, name: str) -> list[str]:
        values = [v for n, v in self.header_items if n.lower() == name]
        return [token.strip().lower() for v in values for token in v.split(",")]

    def read_kept(self, keep: int) -> bytes:
        """Read the body, return its first `keep` bytes. Raises nothing of the network.

        `intact` then says whether the connection can be used for another request.
        """
        kept = bytearray()
        try:
            while data := self.read1(READ_SIZE):
                kept += data[: keep - len(kept)]
            self.intact = not self.will_close and not self.length
        except (OSError, HTTPException, TooManyBytesError, ValueError):
            self.intact = False
        return bytes(kept)

    def release_conn(self) -> None:
        """Hand the connection back; `requests.Response.close` calls this."""
        self.connection.release(self.intact)


def read_status(readline: Callable[[int], bytes]) -> tuple[int, int]:
    """Return the status and the minor HTTP version of the status line."""
    line = readline(MAX_LINE)
    if (match := STATUS_LINE.fullmatch(line)) is None:
        raise BadHeadError("what came back does not begin with an HTTP/1 status line")
    return int(match[2]), int(match[1])


def read_headers(readline: Callable[[int], bytes]) -> Headers:
    """Return names and values, in order, up to the empty line.

    A continued line is joined to the one before; a line that is no header is left out.
    """
    headers: Headers = []
    for _ in range(MAX_HEADERS + 1):
        line = readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise BadHeadError(f"a header line is longer than {MAX_LINE} bytes")
        text = line.decode("latin-1").replace("\0", " ").rstrip("\r\n")
        if not text:
            return headers
        if text[0] in " \t" and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {text.strip()}")
            continue
        name, colon, value = text.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    raise BadHeadError(f"it has more than {MAX_HEADERS} headers")
