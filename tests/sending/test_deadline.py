"""10 s means 10 s: one deadline over look-up, connect, TLS, send and wait."""

import socket
import threading

import pytest

from dispatcher.sending.client import Door
from dispatcher.sending.resolver import Resolver
from tests.sending.conftest import POLICY, attempt
from tests.sending.receiver import answer, drip, endless, hang

IN_TIME = range(990, 1300)


def assert_timed_out(outcome, phase_words):
    assert (outcome.verdict, outcome.error_class) == ("retry", "timeout")
    assert outcome.error.startswith("no complete answer within 1 s: ")
    assert phase_words in outcome.error
    assert outcome.duration_ms in IN_TIME


def test_a_receiver_that_never_answers_is_given_up_at_the_deadline(door, receive):
    outcome = attempt(door, receive(hang).url())
    assert_timed_out(
        outcome, "request sent, response headers never completed (no byte)"
    )
    assert (outcome.phases.wait_ms or 0) > 900
    assert outcome.phases.tls_ms is None


def test_dripped_headers_do_not_stretch_the_deadline(door, receive):
    dripped = drip(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 400)
    outcome = attempt(door, receive(dripped).url())
    assert_timed_out(outcome, "response headers never completed")


def test_the_deadline_starts_anew_on_a_connection_used_again(door, receive):
    receiver = receive(answer(200), hang)
    assert attempt(door, receiver.url()).verdict == "delivered"
    assert_timed_out(attempt(door, receiver.url()), "request sent")
    assert receiver.connections == 1


def test_endless_interim_answers_end_at_the_deadline_or_the_cap(door, receive):
    outcome = attempt(door, receive(endless(b"", b"HTTP/1.1 102 X\r\n\r\n")).url())
    assert outcome.error_class == "protocol"


def test_a_receiver_that_does_not_read_is_given_up_at_the_deadline(door):
    with socket.create_server(("127.0.0.1", 0)) as never_accepting:
        url = f"http://127.0.0.1:{never_accepting.getsockname()[1]}/"
        outcome = attempt(door, url, body=b"x" * 20_000_000)
    assert_timed_out(outcome, "connected, the request could not be sent in full")


def test_a_tls_handshake_that_never_comes_ends_at_the_deadline(door):
    with socket.create_server(("127.0.0.1", 0)) as never_accepting:
        port = never_accepting.getsockname()[1]
        outcome = attempt(door, f"https://127.0.0.1:{port}/")
    assert_timed_out(outcome, "connected, the TLS handshake never completed")
    assert (outcome.phases.tls_ms or 0) > 900


def test_a_dripped_tls_handshake_ends_at_the_deadline(door):
    record = b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(200)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def serve():
            conn, _ = listening.accept()
            with conn:
                for byte in record:
                    conn.sendall(bytes([byte]))
                    if done.wait(0.05):
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = attempt(door, f"https://127.0.0.1:{listening.getsockname()[1]}/")
        done.set()
        thread.join()
    assert_timed_out(outcome, "TLS handshake")


def test_dripped_headers_over_tls_do_not_stretch_the_deadline(
    door, receive, server_tls
):
    receiver = receive(drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400), tls=server_tls)
    assert_timed_out(attempt(door, receiver.url()), "response headers never completed")


def test_a_look_up_that_hangs_is_given_up_at_the_deadline():
    never = threading.Event()

    def hang_until_the_end(host):
        never.wait(5)
        return ()

    door = Door(POLICY, resolver=Resolver(hang_until_the_end))
    outcome = attempt(door, "http://hanging.example/")
    never.set()
    assert_timed_out(outcome, "the look-up of the host name did not finish")
    assert outcome.phases.connect_ms is None


@pytest.mark.parametrize("status", [500, 302])
def test_the_body_of_a_failure_is_read_no_longer_than_the_deadline(
    door, receive, status
):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 900\r\n\r\n".encode()
    outcome = attempt(door, receive(drip(head + b"y" * 400, 0.01)).url())
    assert outcome.error_class == "status"
    assert outcome.response_body.startswith(b"yy")
    assert (outcome.ended_at - outcome.started_at).total_seconds() < 1.3
