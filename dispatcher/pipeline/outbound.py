"""The one door to the outside of this process, opened with the settings' policy."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from dispatcher.sending.client import Door
from dispatcher.sending.fetch import Fetched, fetch
from dispatcher.sending.policy import SendPolicy
from dispatcher.sending.send import send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatcher.values import Outcome, Outgoing


def policy() -> SendPolicy:
    """What webhooks may reach, by the settings of now."""
    return SendPolicy(
        allow_http=settings.CDRHOOK_ALLOW_HTTP,
        allowed_networks=tuple(settings.CDRHOOK_ALLOWED_NETWORKS),
        user_agent=settings.CDRHOOK_USER_AGENT,
    )


@lru_cache(maxsize=1)
def _door() -> Door:
    return Door(policy())


def send_out(outgoing: Outgoing) -> Outcome:
    """Makes one attempt; never raises. Hold no database connection meanwhile."""
    return send(_door(), outgoing, clock=utc_now)


def fetch_out(url: str, headers: Mapping[str, str]) -> Fetched:
    """Begins a download. FetchError. Hold no database connection meanwhile."""
    return fetch(_door(), url, headers)


def utc_now() -> dt.datetime:
    """The time, for those who start a pipeline step."""
    return dt.datetime.now(dt.UTC)
