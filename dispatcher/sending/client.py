"""The one door through which webhooks' requests leave: `requests`, hardened.

A transport adapter for `requests` that makes one request, once. It has no proxies, no
.netrc, no environment, no cookies and no redirects: those live in `requests.Session`,
which is not used. Deadline and caps belong to the exchange, addresses to the policy;
certificates are always verified. Judges no status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from dispatcher.sending import trust
from dispatcher.sending.connection import Connection, RefusedError, SecureConnection
from dispatcher.sending.endpoint import Endpoint, parse
from dispatcher.sending.exchange import EarlyCloseError, current
from dispatcher.sending.idle import IdleConnections, origin_of
from dispatcher.sending.policy import SendPolicy, refusal
from dispatcher.sending.resolver import Resolver

if TYPE_CHECKING:
    import ssl

    from dispatcher.sending.reply import Reply
    from dispatcher.values import Identity


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
        identity: Identity | None = None,
    ) -> None:
        super().__init__()
        self.method = method
        self.endpoint = endpoint
        self.target = target
        self.url = f"{endpoint.scheme}://{endpoint.host}:{endpoint.port}{target}"
        self.wire_headers = headers
        self.body = body
        self.identity = identity


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
        self._ssl_context = trust.hardened(ssl_context or trust.public_authorities())
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
        kept = self._idle.take(origin_of(request.endpoint, request.identity))
        if kept is not None:
            try:
                return _ask(kept, request)
            except (EarlyCloseError, BrokenPipeError):
                if current().received or not kept.never_reached():
                    raise
        return _ask(self._new(request.endpoint, request.identity), request)

    def _new(self, endpoint: Endpoint, identity: Identity | None) -> Connection:
        common = (endpoint, self.policy, self._resolver, self._idle.give, identity)
        if endpoint.scheme == "https":
            return SecureConnection(*common, ssl_context=self._context(identity))
        return Connection(*common)

    def _context(self, identity: Identity | None) -> ssl.SSLContext:
        if identity is None:
            return self._ssl_context
        try:
            return trust.context_of(identity) or self._ssl_context
        except trust.BadIdentityError as bad:
            raise RefusedError(str(bad)) from None


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
