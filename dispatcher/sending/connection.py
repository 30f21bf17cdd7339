"""Connections to receivers: judged addresses, deadlines, one segment per request.

The address that was judged is the one that is dialled: there is no second look-up.
Serialising requests (and refusing header injection) is left to urllib3; waiting, TLS
and reading answers are not, because there the deadline and the caps must hold.
Follows no redirects, knows no proxies, keeps no cookies.
"""

from __future__ import annotations

import socket
import struct
from http.client import HTTPConnection as StdlibConnection
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from urllib3.connection import HTTPConnection

from dispatcher.sending.addresses import is_inner
from dispatcher.sending.exchange import DeadlineSocket, Exchange, current
from dispatcher.sending.policy import SendPolicy, address_refusal
from dispatcher.sending.reply import Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Address, IPv6Address

    from dispatcher.sending.endpoint import Endpoint
    from dispatcher.sending.resolver import Addresses, Resolver
    from dispatcher.values import Identity

# One text for every name that leads where nothing may be sent: which kind of address
# that is, tells what the inner name server knows.
LEADS_INSIDE: Final = (
    "leads to an address that webhooks may not reach"
    " (CDRHOOK_ALLOWED_NETWORKS can admit what is not public)"
)
LINUX_BYTES_ACKED: Final = 120  # offset of tcpi_bytes_acked in struct tcp_info


class RefusedError(Exception):
    """The request was not made: the policy does not allow it. Says why, as a phrase.

    `detail` is for the operator alone: what a name led to.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class Connection(HTTPConnection):
    """A connection to one endpoint as one identity; used by one exchange at a time."""

    response_class = Reply

    def __init__(
        self,
        endpoint: Endpoint,
        policy: SendPolicy,
        resolver: Resolver,
        on_release: Callable[[Connection], None],
        identity: Identity | None = None,
    ) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self.endpoint = endpoint
        self.identity = identity
        self.policy = policy
        self.idle_since = 0.0
        self._resolver = resolver
        self._on_release = on_release
        self._unsent: list[bytes] = []
        self._address = ""
        self._acked_before: int | None = None
        self._acked_at_close: int | None = None

    def ask(
        self, method: str, target: str, headers: Mapping[str, Any], body: bytes | None
    ) -> Reply:
        """Make the current exchange's request and return its answer, headers complete.

        RefusedError, gaierror, OSError (TimeoutError, ssl.SSLError), BadHeadError,
        TooManyBytesError.
        """
        exchange = current()
        if self.sock is None:
            self._acked_before = None
            self.connect()
        else:
            self._acked_before = _acked(self.sock)
            exchange.address = self._address
        exchange.enter("send")
        self.request(method, target, body=body, headers=headers)
        broken = self._flush()
        if broken is None:
            exchange.enter("wait")
        try:
            # urllib3's own getresponse would wrap the answer in a costly second one
            reply = cast("Reply", StdlibConnection.getresponse(self))
        except ConnectionError as error:
            raise broken or error from None
        reply.connection = self
        return reply

    def send(self, data: Any) -> None:
        """Keep what urllib3 would send in pieces, to send it in one."""
        self._unsent.append(data)

    def _flush(self) -> ConnectionError | None:
        data, self._unsent = b"".join(self._unsent), []
        try:
            self.sock.sendall(data)
        except ConnectionError as error:
            # The receiver may have answered before it closed: read on.
            return error
        return None

    def never_reached(self) -> bool:
        """Tell whether the receiver's system has not taken one byte of the request.

        A receiver may close a kept connection at the very moment it is used again; then
        nothing was delivered, and asking anew on a fresh connection repeats nothing.
        Means something after an orderly close only: a FIN acknowledges what came before
        it, but Linux takes no acknowledgement from a reset.
        False on a fresh connection, and where the system cannot tell. Ask after close.
        """
        before = self._acked_before
        return before is not None and before == self._acked_at_close

    def close(self) -> None:
        if self._acked_before is not None and self.sock is not None:
            self._acked_at_close = _acked(self.sock)
        super().close()

    def release(self, intact: bool) -> None:
        """Give the connection back for another request, or close it."""
        if not intact or self.sock is None:
            self.close()
            return
        self.idle_since = monotonic()
        self._on_release(self)

    # Connecting -------------------------------------------------------------------

    def _new_conn(self) -> socket.socket:
        exchange = current()
        exchange.enter("resolve")
        allowed = self._judged(self._addresses(exchange))
        exchange.enter("connect")
        for left_to_try in range(len(allowed) - 1, 0, -1):
            share = self.policy.connect_share.total_seconds()
            try:
                return self._dial(
                    allowed[-1 - left_to_try], min(share, exchange.left() / 2)
                )
            except OSError:
                # TimeoutError of this share included; another address may answer
                continue
        return self._dial(allowed[-1], exchange.left())

    def _addresses(self, exchange: Exchange) -> Addresses:
        if self.endpoint.literal is not None:
            return (self.endpoint.literal,)
        return self._resolver.resolve(self.endpoint.host, exchange.left())

    def _judged(self, addresses: Addresses) -> Addresses:
        """Those of a name's addresses that may be dialled; RefusedError: none of them."""
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        refused = {a: address_refusal(a, self.policy) for a in addresses}
        allowed = tuple(a for a, reason in refused.items() if reason is None)
        if not allowed:
            detail = ", ".join(f"{ip} is {why}" for ip, why in refused.items())
            raise RefusedError(f"{self.endpoint.host} {LEADS_INSIDE}", detail)
        return allowed

    def _dial(self, ip: IPv4Address | IPv6Address, timeout: float) -> DeadlineSocket:
        exchange, address = current(), str(ip)
        exchange.address = self._address = address
        exchange.inner = exchange.inner or is_inner(ip)
        family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
        sock = DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect((address, self.endpoint.port))
        except BaseException:
            sock.close()
            raise
        return sock


class SecureConnection(Connection):
    """The same over TLS, the certificate verified against the host's name."""

    default_port = 443  # type: ignore[misc]  # a class variable in urllib3 too

    def __init__(self, *args: Any, ssl_context: ssl.SSLContext) -> None:
        super().__init__(*args)
        self._ssl_context = ssl_context

    def connect(self) -> None:
        plain = self._new_conn()
        current().enter("tls")
        try:
            self.sock = self._ssl_context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.is_verified = True


def _acked(sock: socket.socket) -> int | None:
    """Return how many bytes the other end's system has acknowledged, where known."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    if len(info) < LINUX_BYTES_ACKED + 8:
        return None
    acked: int = struct.unpack_from("@Q", info, LINUX_BYTES_ACKED)[0]
    return acked
