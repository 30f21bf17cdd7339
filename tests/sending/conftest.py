"""What every test of the room needs: a door with a short deadline, something to send."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import trustme

from dispatcher.sending.client import Door
from dispatcher.sending.policy import SendPolicy
from dispatcher.sending.send import send
from dispatcher.values import Outcome, Outgoing, RenderedRequest
from tests.sending.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sending.receiver import Behaviour

LOOPBACK = ip_network("127.0.0.0/8")
STARTED_AT = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
POLICY = SendPolicy(
    allow_http=True,
    allowed_networks=(LOOPBACK,),
    user_agent="cdrhook/1.2.3",
    deadline=dt.timedelta(seconds=1),
    delivered_body_time=dt.timedelta(seconds=0.3),
)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def door(authority: trustme.CA) -> Iterator[Door]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    door = Door(POLICY, ssl_context=context)
    yield door
    door.close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    started: list[Receiver] = []

    def start(*script: Behaviour, tls: ssl.SSLContext | None = None) -> Receiver:
        started.append(Receiver(list(script), tls))
        return started[-1]

    yield start
    for receiver in started:
        receiver.__exit__()


def outgoing(url: str, body: bytes = b'{"a": 1}', **changes: Any) -> Outgoing:
    """A POST of JSON; `method` and the fields of Outgoing can be changed."""
    method = changes.pop("method", "POST")
    content_type = "" if method == "GET" else "application/json"
    post = RenderedRequest(method=method, content_type=content_type, body=body)
    delivery_id = UUID("0198b6a0-0000-7000-8000-000000000001")
    return replace(Outgoing(delivery_id=delivery_id, url=url, request=post), **changes)


def attempt(door: Door, url: str, **changes: Any) -> Outcome:
    return send(door, outgoing(url, **changes), clock=lambda: STARTED_AT)


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "hooks.example").configure_cert(context)
    return context
