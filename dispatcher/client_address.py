"""From where a request came, for limits, locks and logs. Decides nothing by it.

`X-Forwarded-For` is believed from the proxies of CDRHOOK_TRUSTED_PROXIES only, and read
from its right end, where they write: what a client made up stands to the left of that,
so that nobody evades a limit, or has another run into one, by a header.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest

    Address = IPv4Address | IPv6Address

# One subscriber has at least so much of IPv6, and may use a new address each time.
SUBSCRIBER_PREFIX: Final = 64


def client_address(request: HttpRequest) -> str | None:
    """The client's address; that of the nearest machine whose word is not taken."""
    address = _client(request)
    return None if address is None else str(address)


def subscriber_address(request: HttpRequest) -> str | None:
    """What stands for the client in limits: its address, of IPv6 the /64's first."""
    address = _client(request)
    if isinstance(address, IPv6Address):
        network = ip_network((address, SUBSCRIBER_PREFIX), strict=False)
        return str(network.network_address)
    return None if address is None else str(address)


def _client(request: HttpRequest) -> Address | None:
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    while hops and address is not None and _is_trusted(address):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def _is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.CDRHOOK_TRUSTED_PROXIES)


def _parsed(text: str) -> Address | None:
    """An address, also with a port behind it; None for what is none (a Unix socket)."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
