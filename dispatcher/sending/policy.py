"""Says where webhooks may go and what they may send along. Opens no sockets.

A URL is judged when a webhook is saved (`refusal`) and again when it is used; a host
name's addresses are judged each time a connection is made (`address_refusal`), because
only the address that is dialled tells where a request goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from dispatcher.sending.addresses import judge
from dispatcher.sending.endpoint import BadUrlError, Endpoint, parse

KIB: Final = 1024
HOW_TO_ALLOW: Final = "CDRHOOK_ALLOWED_NETWORKS can admit it"


@dataclass(frozen=True)
class SendPolicy:
    """What a request may cost and where it may go; one for the whole process.

    `deadline` bounds the whole request: resolve, connect, TLS, send and wait.
    `delivered_body_time` bounds what is spent on the body of a confirmed delivery.
    `max_idle` is the age at which an unused connection is not used again: well below
    what receivers allow, so that a request does not meet a connection being closed.
    `kept_*` bound what is stored of an answer.
    """

    allow_http: bool = False
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    user_agent: str = "cdrhook"
    deadline: timedelta = timedelta(seconds=10)
    delivered_body_time: timedelta = timedelta(seconds=1)
    connect_share: timedelta = timedelta(seconds=3)
    max_idle: timedelta = timedelta(seconds=1)
    max_header_bytes: int = 64 * KIB
    max_body_bytes: int = 64 * KIB
    kept_body_bytes: int = 4 * KIB
    kept_header_bytes: int = 8 * KIB


# Names that stand for this machine or for metadata before anybody has looked them up.
LOOPBACK_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}
)
METADATA_NAMES: Final = frozenset(
    {"metadata.google.internal", "metadata.goog", "metadata", "instance-data"}
)

# Where what listens may take lines of an HTTP request for commands: the bad ports of
# the Fetch standard without 1 and 9, and Redis and memcached.
# fmt: off
OTHER_SERVICES: Final = frozenset({
    7, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179,
    389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
    601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
})
# fmt: on


def refusal(url: str, policy: SendPolicy) -> str | None:
    """Return why a webhook may not have this URL, as a sentence, or None if it may.

    Judges the text and, where the host is an address, the address. Resolves nothing:
    a name may point elsewhere by the time it is used.
    """
    try:
        endpoint = parse(url)
    except BadUrlError as bad:
        return str(bad)
    if endpoint.scheme == "http" and not policy.allow_http:
        return "The URL must begin with https:// (CDRHOOK_ALLOW_HTTP admits http://)."
    if endpoint.port in OTHER_SERVICES:
        return f"The URL's port {endpoint.port} is that of another service than HTTP."
    if (ip := _known_address(endpoint)) is None:
        return None
    reason = address_refusal(ip, policy)
    return f"The URL's host may not be reached: {reason}." if reason else None


def _known_address(endpoint: Endpoint) -> IPv4Address | IPv6Address | None:
    """Where it leads, as far as its text tells."""
    name = endpoint.host.rstrip(".")
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    if name in METADATA_NAMES:
        return IPv4Address("169.254.169.254")
    return endpoint.literal


def address_refusal(ip: IPv4Address | IPv6Address, policy: SendPolicy) -> str | None:
    """Return why no webhook may reach `ip`, as a phrase, or None if it may.

    Cloud metadata addresses are refused whatever `policy.allowed_networks` lists.
    """
    reason = judge(ip, policy.allowed_networks)
    if reason is None or "metadata" in reason:
        return reason
    return f"{reason} ({HOW_TO_ALLOW})"


# Headers --------------------------------------------------------------------------

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MAX_HEADER_VALUE: Final = 4 * KIB

TRANSPORT_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)


def header_refusal(name: str, value: str) -> str | None:
    """Return why a webhook may not have this header of its own, or None if it may."""
    lower = name.lower()
    if lower == "x-spark-signature" or lower.startswith("cdrhook-"):
        return f"The header {name} is set by cdrhook itself."
    return transport_refusal(name, value)


@lru_cache(maxsize=4096)
def transport_refusal(name: str, value: str) -> str | None:
    """Return why no request may carry this header beside the door's own, or None.

    Looser than `header_refusal`: payload styles add cdrhook-* headers to a delivery.
    """
    if not TOKEN.fullmatch(name):
        return "A header name may only contain letters, digits and !#$%&'*+-.^_`|~."
    if name.lower() in TRANSPORT_HEADERS:
        return f"The header {name} is set by cdrhook itself."
    if CONTROL.search(value) or not _encodable(value):
        return f"The value of the header {name} contains control characters."
    if len(value) > MAX_HEADER_VALUE:
        return f"The value of the header {name} is longer than {MAX_HEADER_VALUE}."
    return None


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
