"""The bundled receiver, asked over real connections."""

from __future__ import annotations

import http.client
import queue
import time
from typing import TYPE_CHECKING

import pytest

from cdrhook.receiver import Answer, Received, Receiver, check_signature, parse_answers
from dispatcher.sending.signing import new_secret, sign, spark_signature

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = new_secret(b"k" * 32)


class Trial:
    """A receiver that answers by script, and what it told of."""

    def __init__(self, *answers: Answer, secret: str = "") -> None:
        self.told: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self.receiver = Receiver(
            0, tell=self.told.put, answers=answers or (200,), secret=secret
        )
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", self.receiver.port, timeout=5
        )

    def __enter__(self) -> Trial:
        self.receiver.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.receiver.stop()

    def send(
        self,
        body: bytes = b"{}",
        *,
        method: str = "POST",
        path: str = "/hook",
        **headers: str,
    ) -> int:
        """The status that was answered."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        response = self.connection.getresponse()
        response.read()
        return response.status

    def last(self) -> Received:
        """What it told of next."""
        return self.told.get(timeout=5)


@pytest.fixture
def trial() -> Iterator[Trial]:
    with Trial() as running:
        yield running


def test_it_tells_what_came_and_answers_200(trial: Trial) -> None:
    status = trial.send('{"ü": 1}'.encode(), path="/a?b=c", webhook_id="w-1")
    received = trial.last()
    assert status == received.answered == 200
    assert (received.method, received.path, received.query) == ("POST", "/a", "b=c")
    assert received.body.decode() == '{"ü": 1}'
    assert received.webhook_id == received.headers["webhook-id"] == "w-1"
    assert received.signature == "none"


def test_it_answers_in_order_for_each_webhook_id_and_repeats_the_last() -> None:
    with Trial(500, 503, 200) as trial:
        first = [trial.send(webhook_id="one") for _ in range(4)]
        second = [trial.send(webhook_id="two") for _ in range(2)]
    assert first == [500, 503, 200, 200]
    assert second == [500, 503]


def test_a_connection_serves_many_requests(trial: Trial) -> None:
    trial.send()
    socket = trial.connection.sock
    for status in [trial.send() for _ in range(3)]:
        assert status == 200
    assert trial.connection.sock is socket


def test_204_has_no_body_and_the_connection_stays() -> None:
    with Trial(204, 200) as trial:
        assert [trial.send(), trial.send()] == [204, 200]


def test_hang_answers_nothing_and_ends_with_the_sender() -> None:
    with Trial("hang") as trial:
        trial.connection.timeout = 0.3
        with pytest.raises(TimeoutError):
            trial.send()
        assert trial.last().answered == "hang"


def test_drip_sends_headers_that_never_end() -> None:
    with Trial("drip") as trial:
        trial.connection.connect()
        trial.connection.sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while not text.endswith(b"..."):
            text += trial.connection.sock.recv(100)
    assert text.startswith(b"HTTP/1.1 200 OK\r\nX-Drip: ...")
    assert b"\r\n\r\n" not in text


def test_it_stops_although_a_request_hangs() -> None:
    with Trial("hang") as trial:
        trial.connection.request("POST", "/", b"")
        trial.last()
        began = time.monotonic()
        trial.receiver.stop()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("secret", "expected"), [(SECRET, "valid"), ("", "unchecked"), ("other", "invalid")]
)
def test_it_verifies_what_we_sign(secret: str, expected: str) -> None:
    now = int(time.time())
    with Trial(secret=secret) as trial:
        trial.send(
            b'{"a": 1}',
            webhook_id="w-1",
            webhook_timestamp=str(now),
            webhook_signature=sign(SECRET, "w-1", now, b'{"a": 1}'),
        )
        assert trial.last().signature == expected


def test_of_a_get_the_query_string_is_what_is_signed() -> None:
    now = int(time.time())
    with Trial(secret="any text") as trial:
        trial.send(
            b"",
            method="GET",
            path="/hook?a=1&b=%C3%BC",
            webhook_id="w-1",
            webhook_timestamp=str(now),
            webhook_signature=sign("any text", "w-1", now, b"a=1&b=%C3%BC"),
        )
        assert trial.last().signature == "valid"


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [("1000", "valid"), ("699", "invalid"), ("1301", "invalid"), ("x", "invalid")],
)
def test_a_timestamp_is_good_for_five_minutes(timestamp: str, expected: str) -> None:
    moment = int(timestamp) if timestamp.isdecimal() else 0
    headers = {
        "webhook-id": "w-1",
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(SECRET, "w-1", moment, b"body"),
    }
    assert check_signature(SECRET, headers, b"body", now=1000.0) == expected


def test_one_good_signature_of_several_will_do() -> None:
    good = sign(SECRET, "w-1", 1000, b"body")
    headers = {
        "webhook-id": "w-1",
        "webhook-timestamp": "1000",
        "webhook-signature": f"v1,b2xk {good}",
    }
    assert check_signature(SECRET, headers, b"body", now=1000.0) == "valid"


@pytest.mark.parametrize(
    ("secret", "expected"), [(SECRET, "valid"), ("", "unchecked"), ("other", "invalid")]
)
def test_it_verifies_x_spark_signature_as_well(secret: str, expected: str) -> None:
    with Trial(secret=secret) as trial:
        trial.send(
            b'{"items": []}',
            x_spark_signature=spark_signature(SECRET, b'{"items": []}'),
        )
        received = trial.last()
    assert (received.spark_signature, received.signature) == (expected, "none")


def test_without_x_spark_signature_there_is_nothing_to_verify() -> None:
    with Trial(secret=SECRET) as trial:
        trial.send()
        assert trial.last().spark_signature == "none"


def test_answers_are_read_from_text() -> None:
    assert parse_answers("200, 500,hang,drip") == (200, 500, "hang", "drip")


@pytest.mark.parametrize("text", ["", "abc", "100", "600", "200,,500", "²⁰⁰"])
def test_what_is_no_answer_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="neither a status"):
        parse_answers(text)
