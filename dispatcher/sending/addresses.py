"""Judges IP addresses: which may a webhook reach?

Only what is globally routable, plus what the operator lists; never the metadata service
of a cloud. Stricter than `ipaddress.is_global`, which in Python 3.11 calls
`64:ff9b::7f00:1`, `2002:7f00:1::1`, 192.0.0.192 and 168.63.129.16 global.
Resolves no names and opens no sockets.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.0.23",  # Tencent
        "169.254.10.10",
        "169.254.42.42",  # Scaleway
        "168.63.129.16",  # Azure wire server: a public address
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        "fe80::a9fe:a9fe",  # OpenStack
    )
)
METADATA_NETWORKS: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "169.254.169.0/24",  # AWS, Azure, Google, Oracle, OpenStack, DigitalOcean, ...
        "169.254.170.0/24",  # AWS credentials of tasks and pods
        "fd00:ec2::/32",  # AWS
    )
)

GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
NOT_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "2001::/23",  # IETF protocol assignments; Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, withdrawn: whoever relays it reaches an IPv4 address
        "3fff::/20",  # documentation
    )
)

MAPPED: Final = IPv6Network("::ffff:0:0/96")
NAT64: Final = IPv6Network("64:ff9b::/96")
LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
LAST_32_BITS: Final = (
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated
    MAPPED,
    NAT64,
    LOCAL_NAT64,
)
SIX_TO_FOUR: Final = IPv6Network("2002::/16")
TEREDO: Final = IPv6Network("2001::/32")
ISATAP_MARKS: Final = frozenset({0x00005EFE, 0x02005EFE})


@lru_cache(maxsize=4096)
def judge(ip: Address, allowed: tuple[Network, ...]) -> str | None:
    """Return why a webhook may not reach `ip`, as a phrase, or None when it may.

    `allowed` lists networks that may be reached although they are not public. IPv4
    addresses inside IPv6 ones are judged too, whatever the way they are wrapped.
    """
    inner = tuple(_embedded(ip)) if isinstance(ip, IPv6Address) else ()
    if any(map(_is_metadata, (_unscoped(ip), *inner))):
        return "a cloud metadata address"
    if _listed(ip, allowed):
        return None
    if isinstance(ip, IPv6Address) and ip in MAPPED:
        return judge(inner[-1], allowed)
    if isinstance(ip, IPv6Address) and ip in NAT64:
        # What is listed is reached from here, not from where the gateway stands.
        return judge(inner[-1], ())
    reasons = [_why_not_public(ip), *(judge(inside, allowed) for inside in inner)]
    return next(filter(None, reasons), None)


def _listed(ip: Address, networks: tuple[Network, ...]) -> bool:
    return any(ip.version == net.version and ip in net for net in networks)


def is_inner(ip: Address) -> bool:
    """Whether it can only be reached because the operator listed it."""
    return judge(ip, ()) is not None


def _is_metadata(ip: Address) -> bool:
    return ip in METADATA or _listed(ip, METADATA_NETWORKS)


def _why_not_public(ip: Address) -> str | None:
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_link_local:
        return "a link-local address"
    if not ip.is_global or ip.is_reserved or _listed(ip, NOT_PUBLIC):
        return "not a public address"
    if isinstance(ip, IPv6Address) and ip not in GLOBAL_UNICAST:
        return "not a public address"
    return None


def _unscoped(ip: Address) -> Address:
    return IPv6Address(int(ip)) if isinstance(ip, IPv6Address) else ip


def _embedded(ip: IPv6Address) -> Iterator[IPv4Address]:
    """Yield every IPv4 address that `ip` may stand for; the last 32 bits come last."""
    bits = int(ip)
    if ip in SIX_TO_FOUR:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if ip in TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~bits & 0xFFFFFFFF)
    if ip in LOCAL_NAT64:
        # RFC 6052: under a /48 the address stands around the reserved bits 64 to 71.
        yield IPv4Address((bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF)
    if bits >> 32 & 0xFFFFFFFF in ISATAP_MARKS or any(ip in n for n in LAST_32_BITS):
        yield IPv4Address(bits & 0xFFFFFFFF)
