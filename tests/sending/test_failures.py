"""Every failure has a word, a sentence, and no connection where none is allowed."""

import errno
import logging
import socket
import threading
import time
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dispatcher.sending import exchange
from dispatcher.sending.client import Door
from dispatcher.sending.resolver import Resolver
from tests.sending.conftest import LOOPBACK, POLICY, attempt
from tests.sending.receiver import answer, endless, reset, then_close


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def resolving(*addresses):
    """Return a door for which every name has these addresses."""
    found = tuple(ip_address(text) for text in addresses)
    return Door(POLICY, resolver=Resolver(lambda host: found))


def failing(error):
    def look_up(host):
        raise error

    return Door(POLICY, resolver=Resolver(look_up))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "does not begin with an HTTP/1 status line"),
        (b"HTTP/2 200\r\n\r\n", "does not begin with an HTTP/1 status line"),
        (b"HTTP/1.1 20 X\r\n\r\n", "does not begin with an HTTP/1 status line"),
        (b"\x15\x03\x01\x00\x02\x02\x0a\n", "does not begin with"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000, "more than 256 headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 65_600, "longer than 65536 bytes"),
        (b"x" * 70_000, "does not begin with"),
    ],
)
def test_what_is_not_http_is_a_protocol_failure(door, receive, data, words):
    outcome = attempt(door, receive(then_close(data)).url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "protocol")
    assert words in outcome.error


def test_a_hundred_megabytes_of_headers_are_not_read(door, receive):
    head = b"HTTP/1.1 200 OK\r\n"
    receiver = receive(endless(head, (b"X: " + b"x" * 4000 + b"\r\n") * 16))
    outcome = attempt(door, receiver.url())
    assert outcome.error == "the response headers are longer than 65536 bytes"
    assert outcome.duration_ms < 900


@pytest.mark.parametrize("line", [b"no colon here", b" folded", b": nameless", b"\0"])
def test_a_sloppy_header_line_does_not_spoil_a_receipt(door, receive, line):
    data = b"HTTP/1.1 200 OK\r\nX: a\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n"
    outcome = attempt(door, receive(data).url())
    assert outcome.verdict == "delivered"
    assert not any("\0" in text for pair in outcome.response_headers for text in pair)


def test_a_reset_is_named_so(door, receive):
    outcome = attempt(door, receive(reset).url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "reset")
    assert outcome.address == "127.0.0.1"


def test_an_answer_counts_even_when_the_request_was_not_read_to_its_end(door):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse():
            conn, _ = listening.accept()
            with conn:
                conn.recv(1000)
                conn.sendall(answer(413, "Connection: close"))

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        outcome = attempt(door, url, body=b"x" * 20_000_000)
        thread.join()
    assert (outcome.error_class, outcome.status_code) == ("status", 413)


def test_a_closed_port_is_a_connect_failure(door):
    outcome = attempt(door, f"http://127.0.0.1:{closed_port()}/")
    assert (outcome.verdict, outcome.error_class) == ("retry", "connect")
    assert outcome.error == "the receiver cannot be reached: no connection came about"
    assert outcome.detail == "127.0.0.1 refused the connection"
    assert outcome.phases.connect_ms is not None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "does not exist"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no name server"),
        (UnicodeError("label too long"), "does not exist"),
    ],
)
def test_a_name_that_cannot_be_looked_up_is_a_dns_failure(error, words):
    outcome = attempt(failing(error), "http://missing.example/")
    assert (outcome.verdict, outcome.error_class) == ("retry", "dns")
    assert words in outcome.error


def test_a_name_without_addresses_is_a_dns_failure():
    assert attempt(resolving(), "http://empty.example/").error_class == "dns"


def test_a_name_that_leads_inside_is_blocked_whether_anyone_listens_or_not(receive):
    receiver = receive(answer(200))
    door = resolving("::1", "10.0.0.1", "::ffff:0:7f00:1", "169.254.169.254")
    urls = [receiver.url(host="inside.example"), "http://inside.example:1/"]
    first, second = (attempt(door, url) for url in urls)
    assert (first.verdict, first.error_class) == ("blocked", "blocked")
    assert first.error == second.error
    assert (first.address, first.phases.connect_ms) == ("", None)
    assert receiver.connections == 0


def test_a_refused_address_is_skipped_for_one_that_is_allowed(receive):
    receiver = receive(answer(200))
    door = resolving("10.0.0.1", "127.0.0.1")
    outcome = attempt(door, receiver.url(host="two.example"))
    assert (outcome.verdict, outcome.address) == ("delivered", "127.0.0.1")
    assert receiver.requests[0].headers["host"] == f"two.example:{receiver.port}"
    door.close()


def test_the_second_address_is_tried_when_the_first_is_dead(receive):
    receiver = receive(answer(200))
    policy = replace(POLICY, allowed_networks=(LOOPBACK, ip_network("::1")))
    found = (ip_address("::1"), ip_address("127.0.0.1"))
    door = Door(policy, resolver=Resolver(lambda host: found))
    outcome = attempt(door, receiver.url(host="two.example"))
    assert (outcome.verdict, outcome.address) == ("delivered", "127.0.0.1")
    door.close()


def test_a_name_is_looked_up_anew_for_every_connection(receive):
    receiver = receive(answer(200, "Connection: close"))
    answers = [("127.0.0.1",), ("10.0.0.1",)]
    door = Door(
        POLICY, resolver=Resolver(lambda _: tuple(map(ip_address, answers.pop(0))))
    )
    url = receiver.url(host="rebinding.example")
    verdicts = [attempt(door, url).verdict for _ in range(2)]
    assert verdicts == ["delivered", "blocked"]


def test_an_unexpected_error_becomes_an_outcome(door, receive, monkeypatch, caplog):
    receiver = receive(answer(200))
    monkeypatch.setattr(door, "send", lambda request: 1 / 0)
    with caplog.at_level(logging.ERROR):
        outcome = attempt(door, receiver.url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "internal")
    assert "ZeroDivisionError" in outcome.error
    assert "failed unexpectedly" in caplog.text


def test_running_out_of_sockets_is_not_blamed_on_the_receiver(door, monkeypatch):
    def exhausted(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("dispatcher.sending.connection.DeadlineSocket", exhausted)
    assert attempt(door, "http://127.0.0.1:1/").error_class == "internal"


NOBODY_THERE = [
    ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    OSError(errno.EHOSTUNREACH, "no route"),
    OSError(errno.ENETUNREACH, "no network"),
    OSError(errno.ECONNRESET, "reset"),
    OSError(errno.EACCES, "filtered"),
    TimeoutError("timed out"),
]


@pytest.fixture(params=NOBODY_THERE, ids=str)
def nobody_there(request, monkeypatch):
    def connect(*_):
        raise request.param

    monkeypatch.setattr(exchange.DeadlineSocket, "connect", connect)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://inside.example/"])
def test_an_inner_host_that_is_closed_looks_like_one_that_is_missing(nobody_there, url):
    outcome = attempt(resolving("127.0.0.1"), url)
    assert (outcome.verdict, outcome.error_class) == ("retry", "connect")
    assert outcome.error == "the receiver cannot be reached: no connection came about"


def test_an_inner_host_that_is_silent_looks_like_one_that_is_missing(monkeypatch):
    def connect(sock, _):
        time.sleep(sock.gettimeout())
        raise TimeoutError

    monkeypatch.setattr(exchange.DeadlineSocket, "connect", connect)
    outcome = attempt(resolving("127.0.0.1"), "http://inside.example/")
    assert outcome.error_class == "connect"
    assert outcome.error == "the receiver cannot be reached: no connection came about"
    assert outcome.detail.endswith("within 1 s: no connection came about")


def test_of_a_public_host_the_reason_says_more(nobody_there):
    outcome = attempt(resolving("93.184.215.14"), "http://hooks.example/")
    assert outcome.error_class == "connect"
    assert outcome.error.startswith("93.184.215.14 ")
