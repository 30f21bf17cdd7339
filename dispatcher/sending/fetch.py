"""Downloads through the guarded door: head first, then the body as it is read.

What the policy says of addresses, TLS, redirects and the deadline of the head holds as
for webhooks. A body may take longer than one deadline, but never be silent for long, nor
last or grow without bound (`Limits`). Sends the headers that it is given and the
policy's User-Agent, nothing else; keeps no more of a body than one chunk.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from dispatcher.sending.classify import Failure, by_error
from dispatcher.sending.client import Door, WebhookRequest
from dispatcher.sending.exchange import Exchange, TooManyBytesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import Response

    from dispatcher.sending.policy import SendPolicy
    from dispatcher.sending.reply import Reply

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """What the body of a download may cost.

    `silence` is the longest time without one byte, `total` runs from the start of the
    request.
    """

    silence: timedelta = timedelta(seconds=10)
    total: timedelta = timedelta(minutes=15)
    max_bytes: int = 1024**3


LIMITS: Final = Limits()


class FetchError(Exception):
    """There is no download, or no more of it; `blocked`: it may not be made at all.

    `detail` is for the operator alone.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.error_class = failure.error_class
        self.detail = failure.detail
        self.blocked = failure.verdict == "blocked"


class Fetched:
    """An answer, headers complete. Read it to its end once, or close it.

    `length` is how many bytes the body has (None: unknown until its end).
    """

    def __init__(self, response: Response, download: _Download) -> None:
        self._response = response
        self._reply = cast("Reply", response.raw)
        self._download = download
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.length: int | None = self._reply.length

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks of at most CHUNK_BYTES. FetchError when the rest did not come."""
        try:
            while chunk := self._read():
                yield chunk
            if self._reply.length:
                raise FetchError(Failure("reset", "the connection closed too early"))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; it is not used again."""
        self._response.close()

    def _read(self) -> bytes:
        # Current while it reads only: the chunks may be asked for in any thread.
        with self._download as download:
            download.grant()
            try:
                return self._reply.read1(CHUNK_BYTES)
            except (OSError, HTTPException, TooManyBytesError, ValueError) as error:
                raise FetchError(download.broken_by(error)) from error


def fetch(
    door: Door, url: str, headers: Mapping[str, str], limits: Limits = LIMITS
) -> Fetched:
    """GET `url`; return once the headers of the answer are complete, whatever they say.

    FetchError when there is no answer, or one that is larger than `limits` allow.
    """
    with _Download(door.policy, limits) as download:
        try:
            response = door.send(_request(door, url, headers))
        except Exception as error:
            raise _failed(error, download, door.policy) from error
        download.begin_stream()
    fetched = Fetched(response, download)
    if (fetched.length or 0) > limits.max_bytes:
        fetched.close()
        raise FetchError(download.too_large())
    return fetched


def _request(door: Door, url: str, headers: Mapping[str, str]) -> WebhookRequest:
    endpoint = door.endpoint(url)
    all_headers = {"User-Agent": door.policy.user_agent, **headers}
    return WebhookRequest("GET", endpoint, endpoint.target, all_headers, None)


def _failed(error: Exception, download: _Download, policy: SendPolicy) -> FetchError:
    failure = by_error(error, download, policy)
    if failure.error_class == "internal":
        logger.error("a download failed unexpectedly", exc_info=error)
    return FetchError(failure)


class _Download(Exchange):
    """An exchange whose deadline moves on while bytes keep coming."""

    __slots__ = ("_ends_at", "_limits")

    def __init__(self, policy: SendPolicy, limits: Limits) -> None:
        super().__init__(policy)
        self._limits = limits
        self._ends_at = self.started + limits.total.total_seconds()

    def begin_stream(self) -> None:
        """Go from the head to a body of any length that the limits allow."""
        self.in_head = False
        self.budget = self._limits.max_bytes
        self.enter("body")

    def grant(self) -> None:
        """Give the next read its time."""
        silence = self._limits.silence.total_seconds()
        self.deadline = min(self._ends_at, monotonic() + silence)

    def broken_by(self, error: Exception) -> Failure:
        """Return the failure that an exception means while the body is read."""
        if isinstance(error, TooManyBytesError):
            return self.too_large()
        if isinstance(error, TimeoutError):
            return Failure("timeout", self._too_slow())
        if isinstance(error, OSError):
            return Failure("reset", f"the connection broke: {error}")
        return Failure("protocol", f"the body is not valid HTTP: {error}")

    def too_large(self) -> Failure:
        """Return the failure of a body beyond the limit."""
        most = self._limits.max_bytes
        return Failure("too_large", f"the answer is larger than {most} bytes")

    def _too_slow(self) -> str:
        if monotonic() >= self._ends_at:
            return f"not complete after {self._limits.total.total_seconds():g} s"
        return f"nothing came for {self._limits.silence.total_seconds():g} s"
