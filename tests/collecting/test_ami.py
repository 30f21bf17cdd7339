"""A session of Asterisk's manager interface."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from dispatcher.collecting import ami
from dispatcher.collecting.ami import Session, address_of
from dispatcher.collecting.trouble import Trouble
from tests.ami_server import AmiServer, recorded_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS = recorded_events()


@pytest.fixture
def asterisk() -> Iterator[AmiServer]:
    """One that sends what a real one sent."""
    server = AmiServer(EVENTS)
    yield server
    server.close()


def heard(session: Session, count: int) -> list[ami.Message]:
    messages: list[ami.Message] = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += session.calls(0.5)
    return messages


def test_every_event_comes_byte_for_byte(asterisk):
    with Session(address_of(asterisk.url)) as session:
        assert [one.raw for one in heard(session, len(EVENTS))] == EVENTS


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[AmiServer, Path]]:
    """One that speaks TLS, and the authority that its certificate is of."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = AmiServer(EVENTS, tls=context)
    yield server, tmp_path / "authority.pem"
    server.close()


def test_every_event_comes_over_tls_as_well(encrypted, monkeypatch):
    server, authority = encrypted
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with Session(address_of(server.url)) as session:
        assert [one.raw for one in heard(session, len(EVENTS))] == EVENTS


def test_a_certificate_that_nobody_vouches_for_is_trouble(encrypted):
    server, _ = encrypted
    with pytest.raises(Trouble, match=r"(?i)certificate"):
        Session(address_of(server.url))
    assert server.logins == []


def test_fields_are_read_as_asterisk_names_them(asterisk):
    with Session(address_of(asterisk.url)) as session:
        first = heard(session, 1)[0].fields
    assert first["CallerID"] == '"Dave, Jr." <1004>'
    assert first["AnswerTime"] == ""


def test_a_wrong_secret_is_trouble(asterisk):
    url = asterisk.url.replace("pa%3Ass", "other")
    with pytest.raises(Trouble, match="refuses the login"):
        Session(address_of(url))


def test_nobody_there_is_trouble(asterisk):
    asterisk.close()
    with pytest.raises(Trouble, match="cannot be reached: Connection refused"):
        Session(address_of(asterisk.url))


def test_a_connection_that_is_closed_is_trouble():
    server = AmiServer([], [])
    session = Session(address_of(server.url))
    with pytest.raises(Trouble, match="closed the connection"):
        heard(session, 1)
    session.close()
    server.close()


def test_a_silent_connection_is_asked_for_a_sign_of_life(asterisk, monkeypatch):
    monkeypatch.setattr(ami, "PING_AFTER_SECONDS", 0.0)
    with Session(address_of(asterisk.url)) as session:
        heard(session, len(EVENTS))
        session.calls(0.1)
        asterisk.wait_for_pings(1)


def test_a_connection_that_stays_silent_is_dead(monkeypatch):
    server = AmiServer([], pongs=False)
    with Session(address_of(server.url)) as session:
        session.calls(0.1)
        monkeypatch.setattr(ami, "DEAD_AFTER_SECONDS", 0.0)
        with pytest.raises(Trouble, match="does not answer any more"):
            heard(session, 1)
    server.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ami://pbx", "must read ami://"),
        ("ami://user:secret@", "must read ami://"),
        ("ami://user:secret@pbx:port", "is no URL"),
        ("ami://user:a%0D%0AAction:%20Command@pbx", "cannot hold line breaks"),
    ],
)
def test_a_connection_that_is_none_is_said_so(url, reason):
    with pytest.raises(Trouble, match=reason):
        address_of(url)


def test_tls_has_a_port_of_its_own():
    assert address_of("ami://u:s@pbx").port == 5038
    assert address_of("amis://u:s@pbx").port == 5039
