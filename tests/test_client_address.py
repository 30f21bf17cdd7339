"""Which address counts as the client's, and whose word is taken for it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import RequestFactory

from dispatcher.client_address import client_address, subscriber_address

PROXIES = [ip_network("127.0.0.0/8"), ip_network("2001:db8:1::/48")]


@pytest.fixture(autouse=True)
def proxies(settings: Any) -> None:
    settings.CDRHOOK_TRUSTED_PROXIES = PROXIES


def request_from(peer: str, forwarded: str = "") -> Any:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    return RequestFactory(headers=headers).get("/", REMOTE_ADDR=peer)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        # Whoever is no proxy of ours speaks for nobody else.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        # What the client made up stands to the left of what the proxy wrote.
        ("127.0.0.1", "10.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 2001:db8:1::5", "198.51.100.1"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.1, 2001:db8:1::5", "198.51.100.1"),
        ("127.0.0.1", "127.0.0.5, 198.51.100.1, 127.0.0.9", "198.51.100.1"),
        # With a port, as some write it.
        ("127.0.0.1", "198.51.100.1:5060", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8:2::1]:5060", "2001:db8:2::1"),
        ("::ffff:203.0.113.9", "", "203.0.113.9"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        # What is no address is nobody's: the proxy's own stands.
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, <script>", "127.0.0.1"),
        ("127.0.0.1", ",", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.2, 127.0.0.3", "127.0.0.2"),
        ("", "198.51.100.1", None),
    ],
)
def test_the_address_is_the_nearest_that_no_proxy_of_ours_has(
    peer: str, forwarded: str, client: str | None
) -> None:
    assert client_address(request_from(peer, forwarded)) == client


@pytest.mark.parametrize(
    ("peer", "subscriber"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:2:3:4:5:6:7", "2001:db8:2:3::"),
        ("2001:db8:2:3::1", "2001:db8:2:3::"),
        ("", None),
    ],
)
def test_a_subscriber_of_ipv6_is_a_network(peer: str, subscriber: str | None) -> None:
    assert subscriber_address(request_from(peer)) == subscriber
