"""Reads the raw body of a request, never more of it than is accepted.

Interprets nothing.
"""

import contextlib
import functools
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dispatcher.api.problems import Problem

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_DISCARDED: Final = 32 * 1024 * 1024
_CHUNK: Final = 64 * 1024

# What a client that was told no type sends along: curl, and Python's urllib.
_UNTOLD: Final = frozenset({"", "application/x-www-form-urlencoded"})
_JSON: Final = re.compile(r"application/([a-z0-9.+-]+\+)?json")


def read(request: HttpRequest) -> bytes:
    """The body, at most MAX_BYTES; Problem 413 beyond, 400 for one that was cut off."""
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise _too_large()
    body = _stream(request, length).read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise _too_large()
    if length.isdigit() and len(body) < int(length):
        raise Problem(400, "The body ended before its time.")
    return bytes(body)


def read_json(request: HttpRequest) -> bytes:
    """The body where only JSON makes sense; Problem 415 for a declared other type."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "Send the body as it is, without a Content-Encoding.")
    kind = (request.content_type or "").lower()
    if kind not in _UNTOLD and not _JSON.fullmatch(kind):
        raise Problem(415, "Send JSON, with Content-Type: application/json.")
    return read(request)


def drained(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A view that refuses a body only after it has come in, up to a bound.

    A client that is still sending would see a broken pipe in the place of our answer.
    One that asked beforehand (Expect: 100-continue) has not begun.
    """

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            with contextlib.suppress(OSError):  # the client has gone: so be it
                _discard(request)
        return response

    return answered


def _discard(request: HttpRequest) -> None:
    if "Expect" in request.headers:
        return
    stream = _stream(request, request.headers.get("Content-Length", ""))
    left = MAX_DISCARDED
    while left > 0 and (chunk := stream.read(_CHUNK)):
        left -= len(chunk)


def _stream(request: HttpRequest, length: str) -> IO[bytes] | HttpRequest:
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if chunked and not length:
        # Django takes a request without Content-Length for one without a body.
        stream: IO[bytes] = request.META.get("wsgi.input", request)
        return stream
    return request


def _too_large() -> Problem:
    return Problem(413, f"The body is larger than {MAX_BYTES // 1024**2} MiB.")
