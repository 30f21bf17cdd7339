"""Ends what is not used: a login is good for SESSION_COOKIE_AGE from its last request.

Django counts from the login, or writes a row with every request; SQLite has one writer,
so that here the row is written once in a while. Decides nothing about who is logged in.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.contrib.auth import SESSION_KEY
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

RENEWED_AT: Final = "renewed_at"
LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
RENEWED_EVERY: Final = dt.timedelta(minutes=5)


class IdleTimeout:
    """Middleware, behind those of sessions and users: renews logins that are in use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer; a request that asked for no session gets none to bear."""
        response = self.get_response(request)
        session = request.session
        if session.accessed and SESSION_KEY in session:
            now = timezone.now()
            if now - _renewed_at(request) >= RENEWED_EVERY:
                session[RENEWED_AT] = now.timestamp()
        return response


def _renewed_at(request: HttpRequest) -> dt.datetime:
    """When it was last written: since the login, or at the login itself."""
    renewed_at = request.session.get(RENEWED_AT)
    if renewed_at is not None:
        return dt.datetime.fromtimestamp(renewed_at, dt.UTC)
    login: dt.datetime | None = getattr(request.user, "last_login", None)
    return login or LONG_AGO
