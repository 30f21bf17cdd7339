"""The one door through which webhooks' requests leave: `requests`, hardened.

A transport adapter for `requests` that makes one request, once. It has no proxies, no
.netrc, no environment, no cookies and no redirects: those live in `requests.Session`,
which is not used. Deadline and caps belong to the exchange, addresses to the policy;
certificates are always verified. Judges no status.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import certifi
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from dispatcher.sending.connection import Connection, RefusedError, SecureConnection
from dispatcher.sending.endpoint import Endpoint, parse
from dispatcher.sending.exchange import DeadlineTLSSocket, EarlyCloseError, current
from dispatcher.sending.idle import IdleConnections
from dispatcher.sending.policy import SendPolicy, refusal
from dispatcher.sending.resolver import Resolver

if TYPE_CHECKING:
    from dispatcher.sending.reply import Reply


class WebhookRequest(PreparedRequest):
    """A request whose bytes are settled: no part of it is quoted or merged again.

    `target` is path and query as signed; `headers` values are encoded.
    """

    body: bytes | None

    def __init__(
        self,
        method: str,
        endpoint: Endpoint,
        target: str,
        headers: dict[str, Any],
        body: bytes | None,
    ) -> None:
        super().__init__()
        self.method = method
        self.endpoint = endpoint
        self.target = target
        self.url = f"{endpoint.scheme}://{endpoint.host}:{endpoint.port}{target}"
        self.wire_headers = headers
        self.body = body


class Door(HTTPAdapter):
    """One per process, shared by its threads; make it after any fork.

    `ssl_context` replaces the one that trusts certifi's authorities (for a private
    authority, or tests); it must verify. It is changed: its sockets get the deadline.
    """

    def __init__(
        self,
        policy: SendPolicy,
        *,
        ssl_context: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        super().__init__(max_retries=0)
        self.policy = policy
        self._ssl_context = _hardened(ssl_context or _public_authorities())
        self._resolver = resolver or Resolver()
        self._idle = IdleConnections(policy.max_idle)

    def endpoint(self, url: str) -> Endpoint:
        """Return where `url` leads. RefusedError when the policy does not allow it."""
        if (reason := refusal(url, self.policy)) is not None:
            raise RefusedError(reason)
        return parse(url)

    def send(  # type: ignore[override]  # settings that must not be loosened are gone
        self, request: WebhookRequest, **_: Any
    ) -> Response:
        """Make `request` in the current exchange; return once its headers are complete.

        The body is unread (`Response.raw`); close the response when done with it.
        Raises what `Connection.ask` raises, unwrapped: callers classify the cause.
        """
        return _response(request, self._ask(request))

    def close(self) -> None:
        """Close the connections that wait to be used again."""
        self._idle.close()
        super().close()

    def _ask(self, request: WebhookRequest) -> Reply:
        endpoint = request.endpoint
        kept = self._idle.take((endpoint.scheme, endpoint.host, endpoint.port))
        if kept is not None:
            try:
                return _ask(kept, request)
            except (EarlyCloseError, BrokenPipeError):
                if current().received or not kept.never_reached():
                    raise
        return _ask(self._new(endpoint), request)

    def _new(self, endpoint: Endpoint) -> Connection:
        common = (endpoint, self.policy, self._resolver, self._idle.give)
        if endpoint.scheme == "https":
            return SecureConnection(*common, ssl_context=self._ssl_context)
        return Connection(*common)


def _ask(connection: Connection, request: WebhookRequest) -> Reply:
    try:
        return connection.ask(
            str(request.method), request.target, request.wire_headers, request.body
        )
    except BaseException:
        connection.close()
        raise


def _response(request: WebhookRequest, reply: Reply) -> Response:
    response = Response()
    response.status_code = reply.status
    response.headers = CaseInsensitiveDict(reply.header_items)
    response.raw = reply
    response.url = str(request.url)
    response.request = request
    return response


def _public_authorities() -> ssl.SSLContext:
    # ssl.create_default_context would write session keys to $SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    return context


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("the TLS context of webhooks must verify certificates")
    context.sslsocket_class = DeadlineTLSSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
