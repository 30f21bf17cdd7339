"""What tenants write into headers and custom data adds nothing to a request's head."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from urllib.parse import parse_qsl
from uuid import UUID

import pytest

from dispatcher.payloads.registry import STYLES, style
from dispatcher.sending.send import send
from dispatcher.values import CarriedCdr, Cdr, Subscription
from tests.sending.conftest import STARTED_AT, outgoing
from tests.sending.receiver import answer

EVIL = [
    "x\r\nX-Injected: 1",
    "x\nX-Injected: 1",
    "x\r\n\r\nPOST /other HTTP/1.1\r\nHost: inner",
    "x HTTP/1.1\r\nX-Injected: 1\r\n\r\n",
    "x&id=other&injected=1",
    "x#fragment",
    "x\0y",
    "\u560d\u560aX-Injected: 1",  # whose low bytes are CR and LF
    '"}, "injected": {"a": "1',
]
WAYS = [
    ("envelope", "GET", "json"),
    ("envelope", "GET", "form"),
    ("envelope", "POST", "form"),
    ("envelope", "PUT", "json"),
    ("flat", "POST", "form"),
    ("batch", "POST", "json"),
]
CALL = CarriedCdr(
    id=UUID(int=7), cdr=Cdr(uid="call-1", started_at=STARTED_AT, ended_at=STARTED_AT)
)


def sent(door, receiver, name, method, format, custom_data):
    """What came over the wire of a call that bears this custom data."""
    subscription = Subscription(
        webhook_id=UUID(int=1),
        tenant_external_id="acme",
        method=method,
        format=format,
        custom_data=custom_data,
    )
    request = style(name).render(subscription, [CALL])
    wish = replace(outgoing(receiver.url("/hook")), request=request)
    outcome = send(door, wish, clock=lambda: dt.datetime.now(dt.UTC))
    assert outcome.verdict == "delivered"
    return receiver.requests[-1]


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize(("name", "method", "format"), WAYS)
def test_custom_data_stays_in_its_place(door, receive, name, method, format, text):
    receiver = receive(answer(200))
    plain = sent(door, receiver, name, method, format, {"k": "harmless"})
    evil = sent(door, receiver, name, method, format, {"k": text})
    assert evil.headers.keys() == plain.headers.keys()
    assert evil.line.split(" ")[::2] == [method, "HTTP/1.1"]
    assert evil.target.partition("?")[0] == "/hook"
    assert (len(receiver.requests), receiver.connections) == (2, 1)


@pytest.mark.parametrize("text", EVIL)
def test_custom_data_adds_no_parameter_to_a_query(door, receive, text):
    receiver = receive(answer(200))
    plain = sent(door, receiver, "envelope", "GET", "form", {"k": "harmless"})
    evil = sent(door, receiver, "envelope", "GET", "form", {"k": text})
    names = [
        [name for name, _ in parse_qsl(got.target.partition("?")[2], True)]
        for got in (plain, evil)
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("text", EVIL[:4])
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_header_that_ends_a_line_is_not_sent(door, receive, text, where):
    receiver = receive(answer(200))
    headers = {"X-A": text} if where == "value" else {text: "x"}
    wish = outgoing(receiver.url(), headers=headers)
    outcome = send(door, wish, clock=lambda: STARTED_AT)
    assert (outcome.error_class, receiver.connections) == ("blocked", 0)


def test_every_style_that_has_custom_data_is_tried():
    assert {name for name, *_ in WAYS} >= {
        name for name, each in STYLES.items() if each.custom_data
    }
