"""A webhook's own authorities, client certificate and login, at real receivers."""

from __future__ import annotations

import ssl
import tempfile
from base64 import b64decode
from pathlib import Path

import pytest
import trustme

from dispatcher.sending import trust
from dispatcher.sending.client import Door
from dispatcher.values import Identity
from tests.sending.conftest import POLICY, attempt, outgoing
from tests.sending.identities import identity_of, key_of
from tests.sending.receiver import answer

ALICE = Identity(basic_username="alice", basic_password="caf\u00e9:1")
BOB = Identity(basic_username="bob", basic_password="2")


@pytest.fixture(scope="session")
def stranger():
    return trustme.CA()


@pytest.fixture
def public_door():
    door = Door(POLICY)
    yield door
    door.close()


@pytest.fixture
def demanding(authority, server_tls):
    """A receiver's TLS that lets in whom the authority has certified."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    return server_tls


def test_an_authority_of_its_own_is_trusted_for_that_webhook_alone(
    public_door, receive, authority, server_tls
):
    receiver = receive(answer(200), tls=server_tls)
    own = attempt(public_door, receiver.url(), identity=identity_of(authority))
    other = attempt(public_door, receiver.url())
    assert (own.verdict, other.error_class) == ("delivered", "tls")


def test_an_authority_of_its_own_replaces_those_of_the_system(
    door, receive, stranger, server_tls
):
    receiver = receive(answer(200), tls=server_tls)
    outcome = attempt(door, receiver.url(), identity=identity_of(stranger))
    assert outcome.error_class == "tls"
    assert "is not known" in outcome.error
    assert receiver.requests == []


def test_the_receivers_own_certificate_may_stand_for_an_authority(
    public_door, receive, authority
):
    leaf = authority.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    pinned = Identity(ca_certificates=leaf.cert_chain_pems[0].bytes().decode())
    receiver = receive(answer(200), tls=context)
    outcome = attempt(public_door, receiver.url(), identity=pinned)
    assert outcome.verdict == "delivered"


def test_a_name_that_is_not_the_receivers_is_refused_with_any_authority(
    public_door, receive, authority
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    receiver = receive(answer(200), tls=context)
    outcome = attempt(public_door, receiver.url(), identity=identity_of(authority))
    assert outcome.error == "the receiver's certificate is for another address"


@pytest.mark.parametrize("key_type", list(trustme.KeyType), ids=lambda kind: kind.name)
def test_a_client_certificate_is_shown_to_who_demands_it(
    public_door, receive, authority, demanding, key_type
):
    client = authority.issue_cert("client.example", key_type=key_type)
    receiver = receive(answer(200), tls=demanding)
    identity = identity_of(authority, client)
    outcome = attempt(public_door, receiver.url(), identity=identity)
    assert outcome.verdict == "delivered"


def test_without_a_client_certificate_the_reason_says_so(
    public_door, receive, authority, demanding
):
    receiver = receive(answer(200), tls=demanding)
    outcome = attempt(public_door, receiver.url(), identity=identity_of(authority))
    assert outcome.error_class == "tls"
    assert outcome.error == "the receiver demands a client certificate"
    assert receiver.requests == []


def test_a_client_certificate_of_a_stranger_lets_nobody_in(
    public_door, receive, authority, stranger, demanding
):
    receiver = receive(answer(200), tls=demanding)
    identity = identity_of(authority, stranger.issue_cert("client.example"))
    outcome = attempt(public_door, receiver.url(), identity=identity)
    assert outcome.error == "the receiver does not trust the client certificate"
    assert receiver.requests == []


def test_a_new_certificate_works_for_the_next_request(
    public_door, receive, authority, stranger, demanding
):
    receiver = receive(answer(200), tls=demanding)
    verdicts = [
        attempt(
            public_door,
            receiver.url(),
            identity=identity_of(authority, ca.issue_cert("client.example")),
        ).verdict
        for ca in (stranger, authority, stranger)
    ]
    assert verdicts == ["retry", "delivered", "retry"]


def test_a_login_is_sent_as_basic_auth(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), identity=ALICE, headers={"X-A": "b"})
    kind, credentials = receiver.requests[0].headers["authorization"].split()
    assert (kind, b64decode(credentials).decode()) == ("Basic", "alice:caf\u00e9:1")
    assert receiver.requests[0].headers["x-a"] == "b"


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION"])
def test_a_login_is_not_overridden_by_a_header(door, receive, name):
    receiver = receive(answer(200))
    outcome = attempt(door, receiver.url(), identity=ALICE, headers={name: "Bearer x"})
    assert (outcome.error_class, receiver.connections) == ("blocked", 0)


def test_without_a_login_a_header_of_its_own_may_authorize(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), headers={"Authorization": "Bearer x"})
    assert receiver.requests[0].headers["authorization"] == "Bearer x"


def test_connections_are_not_shared_between_identities(door, receive):
    receiver = receive(answer(200))
    for identity in (None, ALICE, BOB, ALICE, None, BOB):
        attempt(door, receiver.url(), identity=identity)
    assert receiver.connections == 3
    users = [got.headers.get("authorization", "") for got in receiver.requests]
    assert users[1] == users[3] != users[2] == users[5]


def test_a_connection_that_shows_a_certificate_serves_no_other_webhook(
    public_door, receive, authority, demanding
):
    receiver = receive(answer(200), tls=demanding)
    one, other = (authority.issue_cert(f"{n}.example") for n in ("one", "other"))
    for client in (one, other, one):
        identity = identity_of(authority, client)
        attempt(public_door, receiver.url(), identity=identity)
    assert (len(receiver.requests), receiver.connections) == (3, 2)


def test_nothing_secret_stands_in_what_is_logged(authority):
    client = authority.issue_cert("client.example")
    identity = identity_of(authority, client, basic_password="hunter2")
    request = outgoing(
        "https://hooks.example/",
        identity=identity,
        secrets=("whsec_x",),
        headers={"x-api-key": "k3y"},
    )
    for secret in ("PRIVATE", "CERTIFICATE", "hunter2", "whsec_x", "k3y"):
        assert secret not in repr(request)


@pytest.mark.parametrize(
    "broken",
    [
        {"client_certificate": "x", "client_key": "y"},
        {
            "ca_certificates": "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
        },
        {"client_certificate": "\ud800", "client_key": "\ud800"},
    ],
)
def test_what_was_broken_in_the_database_is_not_sent_with(door, receive, broken):
    receiver = receive(answer(200))
    url = receiver.url().replace("http:", "https:")
    outcome = attempt(door, url, identity=Identity(**broken))
    assert outcome.error_class == "blocked"
    assert outcome.error == f"not sent: {trust.UNUSABLE}"
    assert receiver.requests == []


def test_a_key_is_never_on_the_disk_as_it_is(authority, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load, seen = ssl.SSLContext.load_cert_chain, []

    def look_and_load(context, path, **password):
        seen.append(Path(path).read_text())
        return load(context, path, **password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", look_and_load)
    client = authority.issue_cert("client.example")
    trust.context_of(identity_of(authority, client))
    (text,) = seen
    assert "ENCRYPTED PRIVATE KEY" in text
    assert key_of(client).splitlines()[1] not in text
    assert list(tmp_path.iterdir()) == []


def test_contexts_are_kept_by_content(authority):
    identity = identity_of(authority)
    again = identity_of(authority)
    assert trust.context_of(identity) is trust.context_of(again)
    assert trust.context_of(ALICE) is None
