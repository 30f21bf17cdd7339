"""Names how an attempt failed: a stable word, and a sentence for an administrator.

Words: status, timeout, dns, connect, tls, reset, protocol, blocked, internal. Tenants
read the sentences. Therefore they never tell what kind of refused address a name leads
to, nor apart a closed, a silent and a missing host at an address that is not public:
that is in `detail`, which is for the operator alone.
Decides nothing about retries beyond the verdict.
"""

from __future__ import annotations

import datetime as dt
import errno
import re
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

from dispatcher.sending.connection import RefusedError
from dispatcher.sending.exchange import Exchange, Phase, TooManyBytesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.sending.policy import SendPolicy
    from dispatcher.values import Verdict

CONFIRMING: Final = frozenset({200, 201})
LONGEST_LOCATION: Final = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not deliver; `detail` is no tenant's to read."""

    error_class: str
    error: str
    verdict: Verdict = "retry"
    detail: str = ""


# Answers --------------------------------------------------------------------------


def accepted(status: int, also_accept: frozenset[int]) -> bool:
    """Tell whether a status confirms the receipt: 200, 201 (thehub.txt), or opted in."""
    return status in CONFIRMING or status in also_accept


def by_status(status: int, location: str, also_accept: frozenset[int]) -> Failure:
    """Return the failure of a complete answer whose status confirms nothing."""
    if 300 <= status < 400 and location:
        where = "".join(c if c.isprintable() else "?" for c in location)
        where = where[:LONGEST_LOCATION]
        text = f"answered {status} redirecting to {where}; redirects are not followed"
        return Failure("status", text)
    *most, last = sorted(CONFIRMING | also_accept)
    confirming = f"{', '.join(map(str, most))} and {last}"
    return Failure("status", f"answered {status}; only {confirming} confirm receipt")


def retry_after_seconds(value: str, now: dt.datetime) -> float | None:
    """Return what a Retry-After header asks for, in seconds from `now`, at least 0.

    RFC 9110, 10.2.3: a number of seconds, or an HTTP date. None when it is neither.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=dt.UTC)
    return max(0.0, (date - now).total_seconds())


# No answer ------------------------------------------------------------------------

UNFINISHED: Final[dict[Phase | None, str]] = {
    "resolve": "the look-up of the host name did not finish",
    "connect": "no connection came about",
    "tls": "connected, the TLS handshake never completed",
    "send": "connected, the request could not be sent in full",
    "wait": "connected, request sent, response headers never completed",
}
REACHED: Final[dict[Phase | None, str]] = {
    "send": "while the request was sent",
    "wait": "after the request was sent, before the response headers were complete",
}
CERTIFICATE: Final = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "comes from an authority that is not trusted (self-signed in its chain)",
    20: "comes from an authority that is not known (or its chain is incomplete)",
    21: "comes from an authority that is not known (or its chain is incomplete)",
    23: "has been revoked",
    62: "is for another host name",
    64: "is for another address",
}
# What the receiver says of ours; OpenSSL's names of the alerts.
CLIENT_CERTIFICATE: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "demands a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "does not trust the client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "does not take the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that the client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "says that the client certificate was revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "does not take the client certificate",
}
UNREACHABLE: Final = {
    errno.ECONNREFUSED: "refused the connection",
    errno.EHOSTUNREACH: "cannot be reached: no route to the host",
    errno.ENETUNREACH: "cannot be reached: no route to its network",
    errno.ETIMEDOUT: "did not answer the connection request",
}
# What a connection that did not come about inside would tell about who is there.
UNSAID: Final = frozenset({"connect", "timeout"})
OUT_OF_REACH: Final = "the receiver cannot be reached: no connection came about"
OUR_OWN: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


def by_error(error: Exception, exchange: Exchange, policy: SendPolicy) -> Failure:
    """Return the failure that an exception means at this point of the exchange."""
    if isinstance(error, RefusedError):
        return Failure("blocked", f"not sent: {error}", "blocked", error.detail)
    failure = _described(error, exchange, policy)
    if exchange.inner and exchange.phase == "connect" and failure.error_class in UNSAID:
        return Failure("connect", OUT_OF_REACH, detail=failure.error)
    return failure


def _described(error: Exception, exchange: Exchange, policy: SendPolicy) -> Failure:
    if isinstance(error, TimeoutError) and (
        exchange.expired or exchange.phase != "connect"
    ):
        return _timeout(exchange, policy)
    for kind, describe in DESCRIBE:
        if isinstance(error, kind):
            return describe(error, exchange, policy)
    return _internal(error)


def _timeout(exchange: Exchange, policy: SendPolicy) -> Failure:
    seconds = f"{policy.deadline.total_seconds():g} s"
    reached = UNFINISHED.get(exchange.phase, "the request was not begun")
    if exchange.phase == "wait" and not exchange.received:
        reached = "connected, request sent, response headers never completed (no byte)"
    return Failure("timeout", f"no complete answer within {seconds}: {reached}")


def _dns(error: Exception, _: Exchange, __: SendPolicy) -> Failure:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return Failure("dns", "the host name could not be looked up: no name server")
    return Failure("dns", "the host name does not exist or has no address")


def _tls(error: Exception, _: Exchange, __: SendPolicy) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        words = CERTIFICATE.get(
            error.verify_code, f"is not valid: {error.verify_message}"
        )
        return Failure("tls", f"the receiver's certificate {words}")
    reason = getattr(error, "reason", None) or "connection closed"
    if (says := CLIENT_CERTIFICATE.get(reason)) is not None:
        return Failure("tls", f"the receiver {says}")
    why = reason.replace("_", " ").lower()
    return Failure("tls", f"the TLS connection failed: {why}")


def _too_big(_: Exception, __: Exchange, policy: SendPolicy) -> Failure:
    text = f"the response headers are longer than {policy.max_header_bytes} bytes"
    return Failure("protocol", text)


def _protocol(error: Exception, _: Exchange, __: SendPolicy) -> Failure:
    return Failure("protocol", f"the answer is not valid HTTP: {error}")


def _network(error: Exception, exchange: Exchange, policy: SendPolicy) -> Failure:
    number = getattr(error, "errno", None)
    if number in OUR_OWN:
        return _internal(error)
    if exchange.phase == "connect":
        words = UNREACHABLE.get(number or 0, f"cannot be reached: {error}")
        return Failure("connect", f"{exchange.address} {words}")
    if exchange.phase == "tls":
        return _tls(error, exchange, policy)
    if (when := REACHED.get(exchange.phase)) is None:
        return _internal(error)
    if isinstance(error, ConnectionError):
        return Failure("reset", f"the receiver closed the connection {when}")
    return Failure("reset", f"the connection broke {when}: {error}")


def _internal(error: Exception) -> Failure:
    return Failure("internal", f"unexpected: {type(error).__name__}: {error}"[:500])


# In this order: gaierror and SSLError are OSErrors too.
DESCRIBE: Final[
    tuple[
        tuple[type[Exception], Callable[[Exception, Exchange, SendPolicy], Failure]],
        ...,
    ]
] = (
    (socket.gaierror, _dns),
    (UnicodeError, _dns),  # a label too long for the resolver
    (ssl.SSLError, _tls),
    (TooManyBytesError, _too_big),
    (HTTPException, _protocol),
    (OSError, _network),
)
