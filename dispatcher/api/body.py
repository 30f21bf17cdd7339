"""Reads the raw body of a request, never more of it than is accepted.

Interprets nothing.
"""

import contextlib
import functools
import io
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

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
    body = request.read(MAX_BYTES + 1)
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
        _size_up(request)
        response = view(request, *args, **kwargs)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            with contextlib.suppress(OSError):  # the client has gone: so be it
                _discard(request)
        return response

    return answered


def _discard(request: HttpRequest) -> None:
    if "Expect" in request.headers:
        return
    stream = request.META["wsgi.input"] if _is_chunked(request) else request
    left = MAX_DISCARDED
    while left > 0 and (chunk := stream.read(_CHUNK)):
        left -= len(chunk)


def _is_chunked(request: HttpRequest) -> bool:
    coding = request.META.get("HTTP_TRANSFER_ENCODING", "")
    return "chunked" in coding.lower() and not request.META.get("CONTENT_LENGTH")


def _size_up(request: HttpRequest) -> None:
    """Has Django see the body of a chunked request.

    It takes a request without Content-Length for one without a body. What is beyond
    the limit is left unread, and refused by its length.
    """
    if _is_chunked(request):
        body = request.META["wsgi.input"].read(MAX_BYTES + 1)
        # Django has no public way to give a request a body.
        request._stream = io.BytesIO(body)


def _too_large() -> Problem:
    return Problem(413, f"The body is larger than {MAX_BYTES // 1024**2} MiB.")
