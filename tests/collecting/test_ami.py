"""A session of Asterisk's manager interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dispatcher.collecting import ami
from dispatcher.collecting.ami import Session, address_of
from dispatcher.collecting.trouble import Trouble
from tests.ami_server import AmiServer, recorded_events

if TYPE_CHECKING:
    from collections.abc import Iterator

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
