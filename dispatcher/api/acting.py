"""Says who acts while a request is answered (pipeline.audit)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class ActingMiddleware:
    """The user who is logged in; a token names itself once it was found good."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answers; the user is read only where something changes."""
        with audit.acting(lambda: _actor(request)):
            return self._answer(request)


def _actor(request: HttpRequest) -> audit.Actor:
    user = request.user
    name = f"user {user.get_username()}" if user.is_authenticated else "nobody"
    return audit.Actor(name, _address(request))


def _address(request: HttpRequest) -> str | None:
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None
