"""Downloads through the door: streamed, bounded in time and size, to allowed places."""

import threading
import time
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.sending.client import Door
from dispatcher.sending.fetch import CHUNK_BYTES, FetchError, Limits, fetch
from tests.sending.conftest import POLICY
from tests.sending.receiver import answer, close, drip, endless, hang, then_close

MIB = 1024**2
HASTY = Limits(silence=timedelta(seconds=0.3), total=timedelta(seconds=1))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def stream(pieces, head):
    """Answer with `head` and then the pieces, then close."""

    def behave(receiver, conn):
        conn.sendall(head)
        for piece in pieces:
            conn.sendall(piece)

    return behave


def head(*headers, status=200):
    return "\r\n".join([f"HTTP/1.1 {status} X", *headers, "", ""]).encode()


def failure(door, url, limits=HASTY):
    """What goes wrong with the head."""
    with pytest.raises(FetchError) as caught:
        fetch(door, url, {}, limits)
    return caught.value


def broken(fetched):
    """What goes wrong with the body."""
    with pytest.raises(FetchError) as caught:
        b"".join(fetched)
    return caught.value


def test_it_hands_over_status_headers_and_body(door, receive):
    receiver = receive(answer(206, "Content-Range: bytes 0-3/9", body=b"RIFF"))
    fetched = fetch(door, receiver.url(), {"Range": "bytes=0-3"})
    assert (fetched.status, fetched.length) == (206, 4)
    assert fetched.headers["content-range"] == "bytes 0-3/9"
    assert b"".join(fetched) == b"RIFF"


def test_it_sends_the_given_headers_and_no_others_of_anyone(door, receive):
    receiver = receive(answer(200))
    fetch(door, receiver.url("/a?b=c"), {"Range": "bytes=1-"}).close()
    (request,) = receiver.requests
    assert request.line == "GET /a?b=c HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "cdrhook/1.2.3",
        "accept-encoding": "identity",
        "range": "bytes=1-",
    }


def test_it_follows_no_redirect(door, receive):
    elsewhere = receive(answer(200))
    receiver = receive(answer(302, f"Location: {elsewhere.url()}"))
    fetched = fetch(door, receiver.url(), {})
    fetched.close()
    assert fetched.status == 302
    assert elsewhere.requests == []


def test_50_mb_pass_through_little_memory(door, receive):
    piece, count = b"x" * MIB, 50
    length = f"Content-Length: {count * MIB}"
    receiver = receive(stream([piece] * count, head(length)))
    fetched = fetch(door, receiver.url(), {})
    tracemalloc.start()
    total = longest = 0
    for chunk in fetched:
        total += len(chunk)
        longest = max(longest, len(chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == count * MIB
    assert longest <= CHUNK_BYTES
    assert peak < MIB


def test_the_first_bytes_are_there_before_the_last_are_sent(door, receive):
    go_on = threading.Event()

    def behave(receiver, conn):
        conn.sendall(head("Content-Length: 6") + b"abc")
        go_on.wait(5)
        conn.sendall(b"def")

    chunks = iter(fetch(door, receive(behave).url(), {}))
    first = next(chunks)
    go_on.set()
    assert (first, b"".join(chunks)) == (b"abc", b"def")


def test_a_chunked_body_has_no_length_and_is_complete(door, receive):
    receiver = receive(stream([b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"], CHUNKED))
    fetched = fetch(door, receiver.url(), {})
    assert fetched.length is None
    assert b"".join(fetched) == b"abcde"


def test_a_body_may_end_with_the_connection(door, receive):
    fetched = fetch(door, receive(then_close(head() + b"abc")).url(), {})
    assert fetched.length is None
    assert b"".join(fetched) == b"abc"


def test_it_streams_over_tls(door, receive, server_tls):
    body = b"x" * (3 * CHUNK_BYTES + 1)
    receiver = receive(answer(200, body=body), tls=server_tls)
    assert b"".join(fetch(door, receiver.url(), {})) == body


def test_the_chunks_may_be_asked_for_in_another_thread(door, receive):
    fetched = fetch(door, receive(answer(200, body=b"abc")).url(), {})
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.extend(fetched))
    thread.start()
    thread.join()
    assert read == [b"abc"]


def test_a_body_may_take_longer_than_the_deadline_of_the_head(receive):
    hasty = Door(replace(POLICY, deadline=timedelta(seconds=0.3)))
    body = b"x" * 8

    def behave(receiver, conn):
        conn.sendall(head("Content-Length: 8"))
        for byte in body:
            receiver.stopping.wait(0.07)
            conn.sendall(bytes([byte]))

    receiver = receive(behave)
    assert b"".join(fetch(hasty, receiver.url(), {})) == body


# Failures -------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://169.254.169.254/a", "http://10.0.0.1/a"])
def test_a_refused_address_is_not_asked(door, url):
    error = failure(door, url)
    assert (error.error_class, error.blocked) == ("blocked", True)


@pytest.mark.parametrize(
    "url",
    ["/var/spool/a.wav", "file:///etc/passwd", "ftp://127.0.0.1/a", "http://a@b/"],
)
def test_what_is_no_clean_http_url_is_not_asked(door, url):
    assert failure(door, url).blocked


def test_plain_http_is_refused_unless_the_policy_admits_it(receive):
    receiver = receive(answer(200))
    door = Door(replace(POLICY, allow_http=False))
    assert failure(door, receiver.url()).blocked
    assert receiver.connections == 0


def test_no_answer_in_time_is_a_timeout(door, receive):
    started = time.monotonic()
    error = failure(door, receive(hang).url())
    assert (error.error_class, error.blocked) == ("timeout", False)
    assert time.monotonic() - started < 1.5


def test_a_head_that_drips_is_a_timeout(door, receive):
    assert failure(door, receive(drip(head(), 0.1)).url()).error_class == "timeout"


def test_a_close_without_a_word_is_a_reset(door, receive):
    assert failure(door, receive(close).url()).error_class == "reset"


def test_what_is_no_http_is_a_protocol_failure(door, receive):
    receiver = receive(then_close(b"RIFF\r\n\r\n"))
    assert failure(door, receiver.url()).error_class == "protocol"


def test_a_body_that_falls_silent_is_given_up(door, receive):
    def behave(receiver, conn):
        conn.sendall(head("Content-Length: 9") + b"abc")
        hang(receiver, conn)

    error = broken(fetch(door, receive(behave).url(), {}, HASTY))
    assert (error.error_class, str(error)) == ("timeout", "nothing came for 0.3 s")


def test_a_body_that_drips_is_given_up_in_the_end(door, receive):
    receiver = receive(drip(head("Content-Length: 9999") + b"x" * 9999, 0.005))
    limits = Limits(silence=timedelta(seconds=9), total=timedelta(seconds=0.6))
    error = broken(fetch(door, receiver.url(), {}, limits))
    assert (error.error_class, str(error)) == ("timeout", "not complete after 0.6 s")


def test_a_body_that_ends_too_early_is_noticed(door, receive):
    receiver = receive(then_close(head("Content-Length: 9") + b"abc"))
    error = broken(fetch(door, receiver.url(), {}))
    assert error.error_class == "reset"


def test_a_chunked_body_that_ends_too_early_is_noticed(door, receive):
    receiver = receive(then_close(CHUNKED + b"3\r\nabc\r\n"))
    error = broken(fetch(door, receiver.url(), {}))
    assert error.error_class == "protocol"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(door, receive):
    receiver = receive(answer(200, body=b"x" * 101))
    error = failure(door, receiver.url(), replace(HASTY, max_bytes=100))
    assert error.error_class == "too_large"


def test_an_endless_body_is_cut_off(door, receive):
    receiver = receive(endless(head(), b"x" * 4096))
    limits = replace(HASTY, max_bytes=MIB)
    error = broken(fetch(door, receiver.url(), {}, limits))
    assert error.error_class == "too_large"


def test_a_body_of_exactly_the_limit_is_taken(door, receive):
    receiver = receive(answer(200, body=b"x" * 100))
    fetched = fetch(door, receiver.url(), {}, replace(HASTY, max_bytes=100))
    assert b"".join(fetched) == b"x" * 100


def test_who_stops_reading_closes_the_connection(door, receive):
    receiver = receive(endless(head(), b"x" * 4096))
    fetched = fetch(door, receiver.url(), {})
    next(iter(fetched))
    fetched.close()
    assert receiver.closed.wait(5)
