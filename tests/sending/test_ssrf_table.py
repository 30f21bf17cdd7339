"""Every published trick to have a server call where it should not: none of them works.

`tricks` is the table. It is gone through when a webhook is saved (tests/api), when a
request is made, and once more with every address as the answer of a name server.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from dispatcher.sending import exchange
from dispatcher.sending.client import Door
from dispatcher.sending.endpoint import BadUrlError, parse
from dispatcher.sending.policy import SendPolicy, refusal
from dispatcher.sending.resolver import Resolver
from tests.sending import tricks
from tests.sending.conftest import attempt

if TYPE_CHECKING:
    from collections.abc import Iterable


def literals(urls: Iterable[str]) -> list[str]:
    """The addresses among the hosts of these URLs."""
    found: dict[str, None] = {}
    for url in urls:
        try:
            literal = parse(url).literal
        except BadUrlError:
            continue
        if literal is not None:
            found[str(literal)] = None
    return list(found)


INNER = literals(url for url, _ in tricks.REFUSED)
METADATA = literals(tricks.METADATA)
# To load the real ones for each door would take the longest time of all.
NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PUBLIC = literals(url for url, *_ in tricks.ALLOWED)


class NotDialledError(OSError):
    """Stands for a connection: nothing leaves this machine."""


@pytest.fixture
def dialled(monkeypatch) -> list[tuple[str, int]]:
    """Where connections were begun."""
    addresses: list[tuple[str, int]] = []

    def connect(_, address):
        addresses.append(address)
        raise NotDialledError

    monkeypatch.setattr(exchange.DeadlineSocket, "connect", connect)
    return addresses


def door(*answers: str, policy: SendPolicy = tricks.STRICT) -> Door:
    """One for which every name has these addresses; without any, no name is known."""
    found = tuple(ip_address(text) for text in answers)
    return Door(policy, ssl_context=NO_AUTHORITY, resolver=Resolver(lambda _: found))


@pytest.mark.parametrize(("url", "word"), tricks.REFUSED)
def test_a_trick_is_refused_with_its_reason(url, word):
    assert word in str(refusal(url, tricks.STRICT))


@pytest.mark.parametrize(("url", "word"), tricks.REFUSED)
def test_a_trick_that_was_saved_somehow_is_not_sent(dialled, url, word):
    outcome = attempt(door("8.8.8.8"), url)
    assert (outcome.verdict, outcome.error_class) == ("blocked", "blocked")
    assert word in outcome.error
    assert dialled == []


@pytest.mark.parametrize("address", INNER)
def test_a_name_that_leads_inside_is_not_connected_to(dialled, address):
    outcome = attempt(door(address), "http://hooks.example/")
    assert outcome.error_class == "blocked"
    assert outcome.error == (
        "not sent: hooks.example leads to an address that webhooks may not reach"
        " (CDRHOOK_ALLOWED_NETWORKS can admit what is not public)"
    )
    assert (dialled, outcome.address) == ([], "")


@pytest.mark.parametrize("address", INNER)
def test_a_name_with_one_good_address_leads_there_alone(dialled, address):
    attempt(door(address, "8.8.8.8", address), "http://hooks.example/")
    assert dialled == [("8.8.8.8", 80)]


@pytest.mark.parametrize("address", METADATA)
def test_no_allowance_opens_metadata_to_a_name(dialled, address):
    outcome = attempt(door(address, policy=tricks.EVERYTHING), "http://hooks.example/")
    assert (outcome.error_class, dialled) == ("blocked", [])


@pytest.mark.parametrize("url", tricks.METADATA)
def test_no_allowance_opens_metadata(dialled, url):
    assert "metadata" in str(refusal(url, tricks.EVERYTHING))
    attempt(door(policy=tricks.EVERYTHING), url)
    assert dialled == []


@pytest.mark.parametrize(("url", "address", "port"), tricks.ALLOWED)
def test_what_is_public_may_be_reached(dialled, url, address, port):
    assert refusal(url, tricks.STRICT) is None
    attempt(door("9.9.9.9"), url)
    assert dialled == [(address or "9.9.9.9", port)]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_name_with_a_public_address_may_be_reached(dialled, address):
    attempt(door(address), "https://hooks.example/")
    assert dialled == [(address, 443)]


def test_the_table_has_the_addresses_of_every_kind():
    assert len(INNER) > 60
    assert len(METADATA) > 20
    assert len(PUBLIC) > 10
