"""What went wrong at a service and what to do about it.

The error carries the decision; how often and when to try again is not decided here.
No text that leaves this module holds a key or the link to a recording.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Trying again may help (as the SDKs themselves see it).
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
_KEY_REFUSED: Final = frozenset({401, 402, 403})
# OpenAI answers 429 for these, but waiting does not help: the account is out of money.
_KEY_REFUSED_CODES: Final = frozenset({"insufficient_quota", "billing_not_active"})
# AssemblyAI says so with a 400.
_NO_MONEY: Final = "account balance"

_LONGEST_MESSAGE: Final = 300
_WORD: Final = re.compile(r"[A-Za-z0-9_]{4,}")
# Keys that a service shows in part: sk-ab***yz.
_HALF_HIDDEN: Final = re.compile(r"[\w.-]*\*{2,}[\w.*-]*|\bsk-[\w.*-]+")
_TOKEN: Final = re.compile(r"([?&]token=)[^&\s\"']+")


class ServiceError(Exception):
    """A request that did not bring what it should.

    `permanent`: trying again does not help. `key_refused`: nor does it for any other
    call of the tenant, until its key is changed. `unknown`: the service does not know
    the transcript (any more). Otherwise it may be tried again, after `retry_after` at
    the earliest if the service named it.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        key_refused: bool = False,
        unknown: bool = False,
        retry_after: dt.timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.key_refused = key_refused
        self.unknown = unknown
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Refusal:
    """A service's answer that is not what was asked for; `code` as OpenAI gives it."""

    service: str
    status: int
    message: str
    headers: Mapping[str, str]
    code: str = ""

    def as_error(self, key: str, link: str = "") -> ServiceError:
        """What to do about it; `key` and `link` do not appear in its text."""
        text = f"{self.service} answered {self.status}"
        said = masked(self.message, key, link)
        message = f"{text}: {said}" if said else text
        if self._refuses_the_key():
            return ServiceError(message, key_refused=True)
        if self.status in _TRY_AGAIN or self.status >= 500:
            return ServiceError(message, retry_after=_retry_after(self.headers))
        return ServiceError(message, permanent=True, unknown=self.status == 404)

    def _refuses_the_key(self) -> bool:
        return (
            self.status in _KEY_REFUSED
            or self.code in _KEY_REFUSED_CODES
            or (self.status == 400 and _NO_MONEY in self.message.lower())
        )


def no_answer(service: str, error: Exception, key: str) -> ServiceError:
    """For a connection that failed or took too long."""
    why = masked(str(error.__cause__ or error), key) or type(error).__name__
    return ServiceError(f"{service} did not answer: {why}")


def masked(text: str, key: str, link: str = "") -> str:
    """One line of what a service said, without the key, parts of it, or the link."""
    for secret in filter(None, (link, key)):
        text = text.replace(secret, "***")
    text = _WORD.sub(lambda word: "***" if word[0] in key else word[0], text)
    text = _TOKEN.sub(r"\1***", _HALF_HIDDEN.sub("***", text))
    return " ".join(text.replace("\x00", "").split())[:_LONGEST_MESSAGE]


def _retry_after(headers: Mapping[str, str]) -> dt.timedelta | None:
    """Seconds, or a date, which is taken relative to the answer's own (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return dt.timedelta(seconds=min(int(text[:9]), 10**6))
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return max(wait, dt.timedelta())
