"""Takes a webhook's URL apart, once: what is judged is what is dialled and sent.

Refuses everything that two URL parsers read differently (`http://a\\@b/`), instead of
trying to agree with one of them. Resolves no names.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import idna

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")
# Browsers read a host that ends so as an IPv4 address, or not at all.
NUMBER_AT_THE_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
PRINTABLE_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


class BadUrlError(ValueError):
    """The URL cannot be used; the message is a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a webhook's requests go.

    `host` is lower-case ASCII, without brackets; `target` is path and query as they
    are sent; `literal` is the address when the host is one.
    """

    scheme: str
    host: str
    port: int
    target: str
    literal: IPv4Address | IPv6Address | None


@lru_cache(maxsize=4096)
def parse(url: str) -> Endpoint:
    """Return the parts of `url`. BadUrlError when it is not a clean http or https URL."""
    _check_characters(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrlError("The URL has an invalid host or port.") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise BadUrlError(
            "The URL must begin with https:// (or http://, where allowed)."
        )
    if "@" in parts.netloc:
        raise BadUrlError("The URL must not contain a user name or password.")
    if port == 0 or parts.netloc.endswith(":"):
        raise BadUrlError("The URL has an invalid port.")
    host = _ascii_host(parts.hostname or "")
    literal = _literal(host)
    if ("[" in parts.netloc) != (literal is not None and literal.version == 6):
        raise BadUrlError("The URL has an invalid host.")
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    return Endpoint(parts.scheme, host, port, _target(parts), literal)


def _check_characters(url: str) -> None:
    if "\\" in url:
        raise BadUrlError("The URL must not contain a backslash.")
    for character in url:
        # C: control and format characters, lone surrogates; Z: all kinds of space
        if unicodedata.category(character)[0] in "CZ":
            raise BadUrlError("The URL must not contain spaces or control characters.")


def _ascii_host(host: str) -> str:
    if not host:
        raise BadUrlError("The URL has no host.")
    if ":" in host:
        return host
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise BadUrlError("The URL's host is not a valid host name.") from None
    if len(host) > 254 or not HOST_NAME.fullmatch(host):
        raise BadUrlError("The URL's host is not a valid host name.")
    return host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `host` is, in any of the spellings resolvers accept."""
    if ":" in host:
        return _ipv6(host)
    if NUMBER_AT_THE_END.fullmatch(host):
        return _ipv4(host.removesuffix("."))
    return None


def _ipv6(host: str) -> IPv6Address:
    try:
        if "%" in host:
            # A zone (fe80::1%eth0) would be a second way to spell an address.
            raise ValueError(host)
        return IPv6Address(host)
    except ValueError:
        raise BadUrlError("The URL's host is not a valid IPv6 address.") from None


def _ipv4(host: str) -> IPv4Address:
    try:
        # getaddrinfo takes 127.1, 0x7f000001 and 017700000001 too: read them as it does.
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        raise BadUrlError("The URL's host is not a valid IPv4 address.") from None


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    return quote(target, safe=PRINTABLE_ASCII)
