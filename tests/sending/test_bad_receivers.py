"""Receivers that misbehave: how each try ends, in what time, and what is kept of it.

Each row is gone through from the test call of a real webhook to the attempt in the
database, with a deadline of 0.7 s in place of 10 s. Some rows have tests of their own in
test_answers, test_deadline, test_failures and test_tls that look closer.
"""

from __future__ import annotations

import datetime as dt
import gzip
import ssl
import threading
import tracemalloc
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dispatcher.models import Attempt, Webhook
from dispatcher.pipeline import outbound
from dispatcher.pipeline.record import Ended, record
from dispatcher.pipeline.test_call import prepare_test_call
from dispatcher.sending.client import Door
from tests.sending.conftest import POLICY, attempt
from tests.sending.receiver import (
    Receiver,
    answer,
    close,
    drip,
    endless,
    hang,
    reset,
    then_close,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.sending.receiver import Behaviour

    Certificate = Callable[[trustme.CA], trustme.LeafCert]

# On one database only, for it takes long: what is kept of an attempt is the same on both.
pytestmark = pytest.mark.django_db

DEADLINE = dt.timedelta(seconds=0.7)
OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(gzip.compress(bytes(200_000_000)))
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
FAR_OFF = dt.datetime(2090, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Row:
    """A receiver, and how a try to send to it ends.

    `error_class` is empty where it is delivered, two where it is a race; `says` is in the reason, `keeps` at the
    beginning of the body that is stored. `at_once`: it acts before it reads.
    """

    name: str
    behaviour: Behaviour
    error_class: str = ""
    says: str = ""
    status: int | None = None
    keeps: bytes = b""
    at_once: bool = False
    certificate: Certificate | None = None


# What receivers do ------------------------------------------------------------------


def reset_mid_request(receiver: Receiver, conn: socket.socket) -> None:
    conn.recv(64)
    reset(receiver, conn)


def reset_after(data: bytes) -> Behaviour:
    def behave(receiver: Receiver, conn: socket.socket) -> None:
        conn.sendall(data)
        reset(receiver, conn)

    return behave


def then_hang(data: bytes) -> Behaviour:
    def behave(receiver: Receiver, conn: socket.socket) -> None:
        conn.sendall(data)
        hang(receiver, conn)

    return behave


def issued(*names: str, **settings: Any) -> Certificate:
    return lambda authority: authority.issue_cert(*(names or ["127.0.0.1"]), **settings)


def stranger(_: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


def redirect(status: int, where: str) -> bytes:
    return answer(status, f"Location: {where}", body=b"")


def many(count: int) -> bytes:
    return OK + b"".join(b"X-%d: y\r\n" % n for n in range(count)) + b"\r\n"


NO_ANSWER = "response headers never completed"
NOT_HTTP = "does not begin with an HTTP/1 status line"
NO_TLS = "connected, the TLS handshake never completed"
GONE = "the receiver closed the connection after the request was sent"
HANDSHAKE = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(200)
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HUNDRED_MB = b"Content-Length: 104857600\r\n\r\n"
LATIN = "caf\u00e9".encode("latin-1")
FORBIDDEN = b"\x00\xff\xfe\xc3\x28\xed\xa0\x80\r\x1b[2J"

ROWS = [
    # Connections that break.
    Row("resets at once", reset, "connect or reset", at_once=True),
    Row("closes at once", close, "reset", at_once=True),
    Row("resets while it is sent to", reset_mid_request, "reset", at_once=True),
    Row("resets instead of an answer", reset, "reset", GONE),
    Row("closes instead of an answer", close, "reset", GONE),
    Row("resets in its status line", reset_after(b"HTTP/1."), "reset", GONE),
    Row("resets in its headers", reset_after(OK + b"Content-Le"), "reset", GONE),
    Row("closes in its headers", then_close(OK + b"Content-Le"), "reset", GONE),
    Row("closes after its headers, no empty line", then_close(OK), "reset", GONE),
    # Silence.
    Row("never reads", hang, "timeout", NO_ANSWER, at_once=True),
    Row("never answers", hang, "timeout", "no byte"),
    Row("stops in its status line", then_hang(b"HTTP/1.1 2"), "timeout", NO_ANSWER),
    Row("stops in its headers", then_hang(OK + b"X: y\r\n"), "timeout", NO_ANSWER),
    Row("drips its headers", drip(OK + b"X: " + b"y" * 99), "timeout", NO_ANSWER),
    Row("stops before its body", then_hang(OK + HUNDRED_MB), status=200),
    Row("drips its body", drip(OK + HUNDRED_MB + b"z" * 90, 0.003), status=200),
    Row(
        "fails, then drips its body",
        drip(b"HTTP/1.1 500 X\r\n" + HUNDRED_MB + b"z" * 900, 0.002),
        "status",
        "answered 500",
        status=500,
        keeps=b"z",
    ),
    # What is no answer.
    Row("HTTP/0.9", then_close(b"<html>\nok"), "protocol", NOT_HTTP),
    Row("HTTP/0.9 in one line", then_close(b"ok"), "reset", GONE),
    Row("HTTP/2", then_close(b"\x00\x00\x12\x04\x00\x00\n"), "protocol", NOT_HTTP),
    Row("SSH", then_close(b"SSH-2.0-OpenSSH_9\r\n"), "protocol", NOT_HTTP),
    Row("TLS on a plain port", then_close(b"\x15\x03\x01\x00\x02\x02\n"), "protocol"),
    Row("random bytes", then_close(bytes(range(256)) * 99), "protocol", NOT_HTTP),
    Row("NUL bytes without end", endless(b"", bytes(65536)), "protocol", NOT_HTTP),
    Row("a status of two digits", then_close(b"HTTP/1.1 20 X\r\n\r\n"), "protocol"),
    Row("a status of four digits", then_close(b"HTTP/1.1 2000\r\n\r\n"), "protocol"),
    Row("a negative status", then_close(b"HTTP/1.1 -20 X\r\n\r\n"), "protocol"),
    Row(
        "a status in other digits",
        then_close(b"HTTP/1.1 \xb2\xb0\xb0\r\n\r\n"),
        "protocol",
    ),
    # Too much of it.
    Row("10,000 headers", then_close(many(10_000)), "protocol", "more than 256"),
    Row("a header of 1 MB", then_close(OK + b"X: " + b"y" * 2**20), "protocol"),
    Row("headers without end", endless(OK, b"X: y\r\n" * 4096), "protocol"),
    Row("one header without end", endless(OK, b"y" * 65536), "protocol"),
    Row(
        "a status line without end", endless(b"HTTP/1.1 200 ", b"y" * 65536), "protocol"
    ),
    Row("a storm of 1xx", endless(b"", b"HTTP/1.1 102 X\r\n\r\n" * 99), "protocol"),
    Row("some 1xx, then 200", b"HTTP/1.1 103 X\r\n\r\n" * 20 + answer(200), status=200),
    Row("101", answer(101, "Upgrade: h2c"), "status", "answered 101", status=101),
    Row(
        "100 MB", endless(OK + HUNDRED_MB, b"z" * 65536), status=200, keeps=b"z" * 4096
    ),
    Row(
        "a failure of 100 MB",
        endless(b"HTTP/1.1 500 X\r\n" + HUNDRED_MB, b"z" * 65536),
        "status",
        status=500,
        keeps=b"z" * 4096,
    ),
    Row(
        "chunks without end",
        endless(CHUNKED, b"4000\r\n" + b"z" * 16384 + b"\r\n"),
        status=200,
        keeps=b"z" * 4096,
    ),
    Row("empty lines as chunks", endless(CHUNKED, b"\r\n" * 999), status=200),
    Row("a chunk of 16 EB", then_close(CHUNKED + b"f" * 16 + b"\r\nzz"), status=200),
    Row("a chunk size without end", endless(CHUNKED, b"0" * 65536), status=200),
    Row(
        "trailers without end",
        endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 99),
        status=200,
    ),
    Row(
        "a gzip bomb",
        answer(200, "Content-Encoding: gzip", body=BOMB),
        status=200,
        keeps=BOMB[:4096],
    ),
    # Bytes that no text has.
    Row(
        "no UTF-8",
        answer(200, body=FORBIDDEN).replace(
            b"X\r\n", LATIN + b"\r\nX-A: \xff\xc3(\r\n"
        ),
        status=200,
        keeps=FORBIDDEN,
    ),
    Row(
        "NUL bytes",
        answer(200, body=b"a\0b").replace(b"X\r\n", b"\0\r\nX-\0A: \0b\0\r\n\0\r\n"),
        status=200,
        keeps=b"a\0b",
    ),
    Row("control characters", answer(500, "X: \x1b[2J\x07\x7f"), "status", status=500),
    # Lengths that lie.
    Row("a body cut short", then_close(OK + HUNDRED_MB + b"z"), status=200, keeps=b"z"),
    Row(
        "a body too long",
        answer(200, body=b"z") + b"HTTP/1.1 500 X\r\n\r\n",
        status=200,
    ),
    Row("two lengths", then_close(answer(200, "Content-Length: 9")), status=200),
    Row(
        "a negative length", then_close(OK + b"Content-Length: -1\r\n\r\nz"), status=200
    ),
    Row(
        "a length of words",
        then_close(OK + b"Content-Length: ten\r\n\r\nz"),
        status=200,
    ),
    Row(
        "a length of 5,000 digits",
        then_close(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nz"),
        status=200,
    ),
    Row(
        "length and chunks",
        then_close(answer(200, "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
        status=200,
    ),
    Row("a body with 204", answer(204, body=b"zzz"), "status", status=204),
    # Redirects.
    *(
        Row(
            f"{status} to {where}",
            redirect(status, where),
            "status",
            "not followed",
            status,
        )
        for status, where in (
            (301, "http://127.0.0.1:9/"),
            (302, "http://169.254.169.254/latest/meta-data/"),
            (303, "http://[::1]/"),
            (307, "//10.0.0.1/"),
            (308, "https://localhost/"),
            (302, "file:///etc/passwd"),
            (302, "gopher://127.0.0.1:6379/_x"),
            (302, "http://x/" + "y" * 5000),
            (302, "\x1b]0;x\x07"),
        )
    ),
    Row(
        "a retry after ever",
        answer(503, "Retry-After: " + "9" * 400),
        "status",
        status=503,
    ),
    # TLS.
    Row("never shakes hands", hang, "timeout", NO_TLS, None, b"", True, issued()),
    Row(
        "drips its handshake",
        drip(HANDSHAKE),
        "timeout",
        NO_TLS,
        None,
        b"",
        True,
        issued(),
    ),
    Row(
        "garbage for TLS",
        then_close(b"HTTP/1.1 200 OK\r\n\r\n"),
        "tls",
        "",
        None,
        b"",
        True,
        issued(),
    ),
    Row(
        "resets in its handshake",
        reset_mid_request,
        "tls",
        "",
        None,
        b"",
        True,
        issued(),
    ),
    Row(
        "drips over TLS",
        drip(OK + b"y" * 99),
        "timeout",
        NO_ANSWER,
        certificate=issued(),
    ),
    Row(
        "100 MB over TLS",
        endless(OK + HUNDRED_MB, b"z" * 65536),
        status=200,
        certificate=issued(),
    ),
    Row(
        "an expired certificate",
        answer(200),
        "tls",
        "has expired",
        certificate=issued(not_before=LONG_AGO, not_after=LONG_AGO),
    ),
    Row(
        "a certificate of tomorrow",
        answer(200),
        "tls",
        "is not valid yet",
        certificate=issued(
            not_before=FAR_OFF, not_after=FAR_OFF + dt.timedelta(days=9)
        ),
    ),
    Row(
        "another's certificate",
        answer(200),
        "tls",
        "is for another address",
        certificate=issued("other.example"),
    ),
    Row(
        "a stranger's certificate",
        answer(200),
        "tls",
        "is not known",
        certificate=stranger,
    ),
]


# How each ends ----------------------------------------------------------------------


@pytest.fixture
def receiving(authority: trustme.CA) -> Iterator[Callable[[Row], Receiver]]:
    started: list[Receiver] = []

    def start(row: Row) -> Receiver:
        tls = None
        if row.certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            row.certificate(authority).configure_cert(tls)
        at_once = row.behaviour if row.at_once else None
        started.append(Receiver([row.behaviour], tls, at_once=at_once))
        return started[-1]

    yield start
    for receiver in started:
        receiver.__exit__()


@pytest.fixture
def short_door(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Door]:
    """The process' own, with a deadline that tests can wait for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    door = Door(replace(POLICY, deadline=DEADLINE), ssl_context=context)
    monkeypatch.setattr(outbound, "_door", lambda: door)
    yield door
    door.close()


@pytest.fixture
def tried(acme, now, receiving, short_door) -> Callable[[Row], Attempt]:
    """The attempt, as it is stored, of a test call to a row's receiver."""

    def make(row: Row) -> Attempt:
        webhook = Webhook.objects.create(tenant=acme, url=receiving(row).url())
        claimed = prepare_test_call(webhook, outbound.utc_now())
        record([Ended(claimed, outbound.send_out(claimed.outgoing))], now=now)
        stored = Attempt.objects.select_related("delivery").get()
        state = "failed" if stored.error_class else "delivered"
        assert stored.delivery.state == state
        return stored

    return make


def by_name(rows: list[Row]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name[:40])


@by_name(ROWS)
def test_every_try_ends_in_time_with_its_reason_and_is_stored(tried, row):
    stored = tried(row)

    assert stored.error_class in row.error_class.split(" or ")
    assert stored.status_code == row.status
    assert row.says in stored.error
    assert bool(stored.error) == bool(row.error_class)
    assert stored.duration_ms < 1000
    assert (stored.ended_at - stored.started_at).total_seconds() < 1
    assert bytes(stored.response_body).startswith(row.keeps)
    assert len(stored.response_body) <= 4096
    assert sum(len(n) + len(v) for n, v in stored.response_headers) <= 8192
    assert "\0" not in str(stored.response_headers)


LARGE = [
    row for row in ROWS if "MB" in row.name or "end" in row.name or "bomb" in row.name
]


@by_name(LARGE)
def test_a_large_answer_takes_little_memory(receiving, short_door, row):
    url = receiving(row).url()
    attempt(short_door, url)  # what is loaded once
    tracemalloc.start()
    attempt(short_door, url)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The receiver, in this process too, has a piece of at most 64 KiB in its hands.
    assert peak < 1_500_000


@by_name([row for row in ROWS if row.error_class == "timeout"])
def test_the_next_webhook_is_served_meanwhile(receiving, short_door, receive, row):
    bad, good = receiving(row), receive(answer(200))
    thread = threading.Thread(target=attempt, args=(short_door, bad.url()))
    thread.start()
    outcomes = [attempt(short_door, good.url()) for _ in range(3)]
    assert thread.is_alive(), "the bad one ended before the good one was served"
    assert [outcome.verdict for outcome in outcomes] == ["delivered"] * 3
    thread.join()


@by_name([row for row in ROWS if row.name in {"a body too long", "a body with 204"}])
def test_what_is_left_on_a_connection_answers_no_other_request(
    receiving, short_door, row
):
    receiver = receiving(row)
    statuses = {attempt(short_door, receiver.url()).status_code for _ in range(3)}
    assert statuses == {row.status}
