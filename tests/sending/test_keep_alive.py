"""Connections are used again, and never at the price of an attempt."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.sending import idle
from dispatcher.sending.client import Door
from tests.sending.conftest import POLICY, attempt
from tests.sending.receiver import answer, close, reset, then_close

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "data", [answer(200), answer(500), answer(204, body=b""), CHUNKED]
)
def test_a_small_answer_keeps_the_connection(door, receive, data):
    receiver = receive(data)
    for _ in range(5):
        assert attempt(door, receiver.url()).status_code in {200, 204, 500}
    assert (receiver.connections, len(receiver.requests)) == (1, 5)


@pytest.mark.parametrize(
    "data",
    [
        answer(200, "Connection: close"),
        answer(200).replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: x\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
)
def test_a_connection_whose_answer_has_no_sure_end_is_not_used_again(
    door, receive, data
):
    receiver = receive(then_close(data))
    for _ in range(2):
        outcome = attempt(door, receiver.url())
        assert (outcome.verdict, outcome.response_body[:2]) == ("delivered", b"ok")
    assert receiver.connections == 2


def test_connections_are_shared_by_threads(door, receive):
    receiver = receive(answer(200))
    for _ in range(4):
        thread = threading.Thread(target=attempt, args=(door, receiver.url()))
        thread.start()
        thread.join()
    assert (receiver.connections, len(receiver.requests)) == (1, 4)


def test_a_connection_that_waited_too_long_is_not_used_again(
    door, receive, monkeypatch
):
    receiver = receive(answer(200))
    attempt(door, receiver.url())
    later = time.monotonic() + 1.1
    monkeypatch.setattr(idle, "monotonic", lambda: later)
    assert attempt(door, receiver.url()).verdict == "delivered"
    assert receiver.connections == 2


def test_old_connections_are_closed_when_others_are_used(receive):
    quiet, busy = receive(answer(200)), receive(answer(200))
    door = Door(replace(POLICY, max_idle=timedelta(milliseconds=20)))
    attempt(door, quiet.url())
    until = time.monotonic() + 2
    while not quiet.closed.is_set() and time.monotonic() < until:
        attempt(door, busy.url())
    assert quiet.closed.is_set()
    door.close()


def test_a_connection_closed_meanwhile_is_not_used_again(door, receive):
    receiver = receive(then_close(answer(200)))
    attempt(door, receiver.url())
    receiver.closed.wait(2)
    assert attempt(door, receiver.url()).verdict == "delivered"
    assert (receiver.connections, len(receiver.requests)) == (2, 2)


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_connection_closed_at_that_very_moment_costs_no_attempt(
    door, receive, monkeypatch, server_tls, over_tls
):
    # The close arrives after the look at the connection and before the request does.
    monkeypatch.setattr(idle, "is_connection_dropped", lambda connection: False)
    receiver = receive(then_close(answer(200)), tls=server_tls if over_tls else None)
    attempt(door, receiver.url())
    receiver.closed.wait(2)
    assert attempt(door, receiver.url()).verdict == "delivered"
    assert (receiver.connections, len(receiver.requests)) == (2, 2)


@pytest.mark.parametrize("ending", [reset, close])
def test_a_request_that_was_received_is_not_made_twice_in_one_attempt(
    door, receive, ending
):
    receiver = receive(answer(200), ending, answer(200))
    attempt(door, receiver.url())
    assert attempt(door, receiver.url()).error_class == "reset"
    assert len(receiver.requests) == 2
