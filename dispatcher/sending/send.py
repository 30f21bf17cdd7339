"""Makes one attempt for one delivery and says how it ended. Never raises.

Builds the request (headers, signature, query), sends it through the door, keeps the
beginning of the answer for the log. Does not decide whether to try again.
"""

from __future__ import annotations

import datetime as dt
import logging
from base64 import b64encode
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from dispatcher.sending.classify import (
    Failure,
    accepted,
    by_error,
    by_status,
    retry_after_seconds,
)
from dispatcher.sending.client import Door, WebhookRequest
from dispatcher.sending.connection import RefusedError
from dispatcher.sending.endpoint import PRINTABLE_ASCII
from dispatcher.sending.exchange import Exchange
from dispatcher.sending.policy import SendPolicy, transport_refusal
from dispatcher.sending.signing import sign, spark_signature
from dispatcher.values import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.sending.reply import Headers, Reply
    from dispatcher.values import Identity, Outgoing

logger = logging.getLogger(__name__)


def send(
    door: Door, outgoing: Outgoing, *, clock: Callable[[], dt.datetime]
) -> Outcome:
    """Make one attempt; return when it is decided and its body read.

    `clock` gives the aware time of the start; the rest is measured, so that a clock
    that is set meanwhile changes no duration. Any failure is an Outcome.
    """
    started_at = clock()
    with Exchange(door.policy) as exchange:
        try:
            return _attempt(door, outgoing, started_at, exchange)
        except Exception as error:
            return _failed(error, started_at, exchange, door.policy)


def build(door: Door, outgoing: Outgoing, started_at: dt.datetime) -> WebhookRequest:
    """Return the request to make, signed. RefusedError when it may not be made.

    A GET carries its payload behind the query that the URL already has, and signs the
    whole query string as sent, without `?` (PAYLOADS, common to all styles).
    """
    endpoint = door.endpoint(outgoing.url)
    target, body = endpoint.target, outgoing.request.body
    signed = body
    if outgoing.request.method == "GET":
        target = _with_query(target, body)
        signed = target.partition("?")[2].encode("ascii")
    headers = _headers(outgoing, door.policy, int(started_at.timestamp()), signed)
    return WebhookRequest(
        outgoing.request.method,
        endpoint,
        target,
        headers,
        None if outgoing.request.method == "GET" else body,
        outgoing.identity,
    )


def _attempt(
    door: Door, outgoing: Outgoing, started_at: dt.datetime, exchange: Exchange
) -> Outcome:
    response = door.send(build(door, outgoing, started_at))
    duration_ms = round(exchange.elapsed() * 1000)
    reply = cast("Reply", response.raw)
    failure, retry_after = None, None
    if not accepted(reply.status, outgoing.also_accept):
        location = response.headers.get("Location", "")
        failure = by_status(reply.status, location, outgoing.also_accept)
        asked = response.headers.get("Retry-After", "")
        retry_after = retry_after_seconds(asked, started_at)
    body = _read_body(reply, exchange, door.policy, delivered=failure is None)
    response.close()
    return Outcome(
        verdict="delivered" if failure is None else failure.verdict,
        started_at=started_at,
        ended_at=_ended_at(started_at, exchange),
        duration_ms=duration_ms,
        phases=exchange.phases(),
        status_code=reply.status,
        error_class="" if failure is None else failure.error_class,
        error="" if failure is None else failure.error,
        response_headers=_kept(reply.header_items, door.policy.kept_header_bytes),
        response_body=body,
        address=exchange.address,
        retry_after=retry_after,
    )


def _failed(
    error: Exception, started_at: dt.datetime, exchange: Exchange, policy: SendPolicy
) -> Outcome:
    duration_ms = round(exchange.elapsed() * 1000)
    failure: Failure = by_error(error, exchange, policy)
    if failure.error_class == "internal":
        logger.error("an attempt failed unexpectedly", exc_info=error)
    exchange.enter(None)
    return Outcome(
        verdict=failure.verdict,
        started_at=started_at,
        ended_at=_ended_at(started_at, exchange),
        duration_ms=duration_ms,
        phases=exchange.phases(),
        error_class=failure.error_class,
        error=failure.error,
        address=exchange.address,
        detail=failure.detail,
    )


def _read_body(
    reply: Reply, exchange: Exchange, policy: SendPolicy, *, delivered: bool
) -> bytes:
    """Read for the log what fits; a delivered receipt is not held up for long."""
    most = policy.delivered_body_time if delivered else policy.deadline
    exchange.begin_body(policy.max_body_bytes, most.total_seconds())
    body = reply.read_kept(policy.kept_body_bytes)
    exchange.enter(None)
    return body


def _with_query(target: str, payload: bytes) -> str:
    query = quote(payload, safe=PRINTABLE_ASCII)
    if not query:
        return target
    if "?" not in target:
        return f"{target}?{query}"
    return f"{target}{query}" if target[-1] in "?&" else f"{target}&{query}"


def _headers(
    outgoing: Outgoing, policy: SendPolicy, timestamp: int, signed: bytes
) -> dict[str, str | bytes]:
    message_id = str(outgoing.delivery_id)
    headers: dict[str, str | bytes] = {
        "User-Agent": policy.user_agent,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
    }
    if outgoing.secrets:
        headers["webhook-signature"] = " ".join(
            sign(secret, message_id, timestamp, signed) for secret in outgoing.secrets
        )
        if outgoing.spark:
            # One value only: the former secret's until no receiver checks with it.
            oldest = outgoing.secrets[-1]
            headers["X-Spark-Signature"] = spark_signature(oldest, signed)
    headers.update(outgoing.request.headers)
    if outgoing.request.content_type:
        headers["Content-Type"] = outgoing.request.content_type
    if outgoing.test:
        headers["cdrhook-test"] = "1"
    for name, value in outgoing.headers.items():
        if (reason := transport_refusal(name, value)) is not None:
            raise RefusedError(reason)
        headers[name] = value.encode()
    if outgoing.identity is not None and outgoing.identity.has_basic:
        return _logged_in(headers, outgoing.identity)
    return headers


def _logged_in(
    headers: dict[str, str | bytes], identity: Identity
) -> dict[str, str | bytes]:
    """Adds Basic auth (RFC 7617, in UTF-8)."""
    if any(name.lower() == "authorization" for name in headers):
        raise RefusedError("the header Authorization is that of its Basic auth")
    pair = f"{identity.basic_username}:{identity.basic_password}"
    credentials = b64encode(pair.encode()).decode("ascii")
    return {**headers, "Authorization": f"Basic {credentials}"}


def _kept(headers: Headers, most_bytes: int) -> tuple[tuple[str, str], ...]:
    """Return the headers from the first on, as many as fit into `most_bytes`."""
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        most_bytes -= len(name) + len(value)
        if most_bytes < 0:
            break
        kept.append((name, value))
    return tuple(kept)


def _ended_at(started_at: dt.datetime, exchange: Exchange) -> dt.datetime:
    return started_at + dt.timedelta(seconds=exchange.elapsed())
