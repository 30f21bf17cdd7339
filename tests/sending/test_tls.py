"""Certificates are verified, and what is wrong with one is said in words."""

import datetime as dt
import os
import socket
import ssl
import threading

import pytest
import trustme

from dispatcher.sending.client import Door
from tests.sending.conftest import POLICY, attempt
from tests.sending.receiver import answer, close


def serving(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_it_delivers_over_tls_and_uses_the_connection_again(door, receive, server_tls):
    receiver = receive(answer(200), tls=server_tls)
    outcomes = [attempt(door, receiver.url()) for _ in range(3)]
    assert [each.verdict for each in outcomes] == ["delivered"] * 3
    assert outcomes[0].phases.tls_ms is not None
    assert outcomes[1].phases.tls_ms is None
    assert receiver.connections == 1


def test_an_expired_certificate_is_named_so(door, receive, authority):
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    expired = authority.issue_cert("127.0.0.1", not_before=past, not_after=past)
    outcome = attempt(door, receive(answer(200), tls=serving(expired)).url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "tls")
    assert outcome.error == "the receiver's certificate has expired"


def test_a_certificate_of_another_host_is_named_so(door, receive, authority):
    other = authority.issue_cert("other.example")
    outcome = attempt(door, receive(answer(200), tls=serving(other)).url())
    assert outcome.error == "the receiver's certificate is for another address"


def test_a_certificate_of_an_unknown_authority_is_named_so(door, receive):
    stranger = trustme.CA().issue_cert("127.0.0.1")
    receiver = receive(answer(200), tls=serving(stranger))
    outcome = attempt(door, receiver.url())
    assert "is not known" in outcome.error
    assert receiver.requests == []


def test_the_public_authorities_are_trusted_by_default_and_no_other(
    receive, server_tls
):
    receiver = receive(answer(200), tls=server_tls)
    assert attempt(Door(POLICY), receiver.url()).error_class == "tls"


def test_a_receiver_without_tls_is_a_tls_failure(door):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse():
            conn, _ = listening.accept()
            with conn:
                conn.recv(10_000)
                conn.sendall(answer(400))

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        outcome = attempt(door, url)
        thread.join()
    assert outcome.error_class == "tls"
    assert outcome.error.startswith("the TLS connection failed: ")


def test_a_reset_after_the_handshake_is_a_reset(door, receive, server_tls):
    outcome = attempt(door, receive(close, tls=server_tls).url())
    assert outcome.error_class == "reset"


def test_a_context_that_does_not_verify_is_refused():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with pytest.raises(ValueError, match="must verify"):
        Door(POLICY, ssl_context=context)


def test_session_keys_are_not_written_to_a_log(monkeypatch, tmp_path):
    log = tmp_path / "keys"
    monkeypatch.setitem(os.environ, "SSLKEYLOGFILE", str(log))
    Door(POLICY)
    assert not log.exists()
