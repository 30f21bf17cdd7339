"""Which answers confirm a receipt, and what is kept of them for the log."""

import gzip

import pytest

from tests.sending.conftest import attempt
from tests.sending.receiver import answer, close, endless, then_close


@pytest.mark.parametrize("status", [200, 201])
def test_it_is_delivered_when_the_receiver_answers_200_or_201(door, receive, status):
    receiver = receive(answer(status, "X-Trace: 7", body=b"thanks"))
    outcome = attempt(door, receiver.url())
    assert (outcome.verdict, outcome.status_code) == ("delivered", status)
    assert (outcome.error_class, outcome.error) == ("", "")
    assert outcome.response_body == b"thanks"
    assert ("X-Trace", "7") in outcome.response_headers
    assert outcome.address == "127.0.0.1"


@pytest.mark.parametrize("status", [202, 204, 301, 304, 400, 404, 410, 500, 503, 999])
def test_no_other_status_confirms_a_receipt(door, receive, status):
    outcome = attempt(door, receive(answer(status, body=b"")).url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "status")
    assert outcome.error == f"answered {status}; only 200 and 201 confirm receipt"


def test_it_is_delivered_when_the_webhook_also_accepts_the_status(door, receive):
    receiver = receive(answer(202), answer(500))
    accepting = {"also_accept": frozenset({202})}
    assert attempt(door, receiver.url(), **accepting).verdict == "delivered"
    refused = attempt(door, receiver.url(), **accepting)
    assert refused.error == "answered 500; only 200, 201 and 202 confirm receipt"


def test_a_redirect_is_a_failure_and_is_not_followed(door, receive):
    elsewhere = receive(answer(200))
    receiver = receive(answer(302, f"Location: {elsewhere.url('/elsewhere')}"))
    outcome = attempt(door, receiver.url())
    assert (outcome.verdict, outcome.status_code) == ("retry", 302)
    assert "redirecting to http://127.0.0.1" in outcome.error
    assert elsewhere.connections == 0


@pytest.mark.parametrize("interim", [b"100 Continue", b"103 Early Hints\r\nLink: x"])
def test_interim_answers_are_skipped(door, receive, interim):
    receiver = receive(b"HTTP/1.1 " + interim + b"\r\n\r\n" + answer(201))
    assert attempt(door, receiver.url()).status_code == 201


def test_a_head_that_breaks_off_is_not_a_receipt(door, receive):
    receiver = receive(then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"))
    outcome = attempt(door, receiver.url())
    assert (outcome.verdict, outcome.error_class) == ("retry", "reset")


def test_a_compressed_body_is_kept_as_it_came(door, receive):
    bomb = gzip.compress(bytes(20_000_000))
    receiver = receive(answer(200, "Content-Encoding: gzip", body=bomb))
    outcome = attempt(door, receiver.url())
    assert outcome.verdict == "delivered"
    assert outcome.response_body == bomb[:4096]


@pytest.mark.parametrize(
    "length", ["Content-Length: 999", "Transfer-Encoding: chunked"]
)
def test_a_body_that_breaks_off_changes_nothing(door, receive, length):
    head = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode()
    outcome = attempt(door, receive(then_close(head + b"5\r\nabc")).url())
    assert outcome.verdict == "delivered"
    assert outcome.error_class == ""


def test_an_endless_body_of_a_receipt_is_left_alone_after_64_kib(door, receive):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"
    receiver = receive(endless(head, b"x" * 65536))
    outcome = attempt(door, receiver.url())
    assert outcome.verdict == "delivered"
    assert outcome.response_body == b"x" * 4096
    assert receiver.closed.wait(2), "the connection was not closed"


def test_a_body_that_never_comes_does_not_hold_up_a_receipt_for_long(door, receive):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    receiver = receive(endless(head, b""))
    outcome = attempt(door, receiver.url())
    assert outcome.verdict == "delivered"
    assert outcome.duration_ms < 250
    assert 250 <= (outcome.phases.body_ms or 0) < 600
    assert (outcome.ended_at - outcome.started_at).total_seconds() >= 0.25


def test_a_receiver_that_closes_without_a_word_is_named_so(door, receive):
    outcome = attempt(door, receive(close).url())
    assert outcome.error_class == "reset"
    assert "after the request was sent" in outcome.error


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 60.0),
        ("Wed, 04 Mar 2026 05:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(door, receive, value, seconds):
    outcome = attempt(door, receive(answer(503, f"Retry-After: {value}")).url())
    assert outcome.retry_after == seconds
