"""What goes over the wire, byte by byte, and what does not."""

import datetime as dt
import hmac
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from dispatcher.sending.send import send
from dispatcher.sending.signing import new_secret
from tests.sending.conftest import attempt, outgoing
from tests.sending.receiver import answer

SECRET, OLD_SECRET = new_secret(b"n" * 32), new_secret(b"o" * 32)


def test_a_post_carries_exactly_the_frozen_bytes(door, receive):
    receiver = receive(answer(200))
    body = '{"name": "J\u00f6rg \\u2713"}\r\n\0'.encode()
    attempt(door, receiver.url("/a/../b//c?x=%7e&y=a+b"), body=body)
    (request,) = receiver.requests
    assert request.line == "POST /a/../b//c?x=%7e&y=a+b HTTP/1.1"
    assert request.body == body


def test_the_headers_are_ours_and_the_webhooks_own(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), headers={"X-Api-Key": "k", "X-Name": "J\u00f6rg"})
    assert receiver.requests[0].headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "accept-encoding": "identity",
        "content-length": "8",
        "user-agent": "cdrhook/1.2.3",
        "webhook-id": "0198b6a0-0000-7000-8000-000000000001",
        "webhook-timestamp": "1772600767",
        "content-type": "application/json",
        "x-api-key": "k",
        "x-name": "J\u00f6rg",
    }


def test_a_test_call_is_marked(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), test=True)
    assert receiver.requests[0].headers["cdrhook-test"] == "1"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_receivers_verify_the_signature_of_a_body(door, receive, method):
    receiver = receive(answer(200))
    request = outgoing(receiver.url(), method=method, secrets=(SECRET, OLD_SECRET))
    send(door, request, clock=lambda: dt.datetime.now(dt.UTC))
    (got,) = receiver.requests
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(got.body, got.headers) == {"a": 1}
    assert got.line.startswith(method)


def test_a_feed_bears_the_spark_signature_of_the_oldest_secret_that_holds(
    door, receive
):
    receiver = receive(answer(200), answer(200))
    for secrets in ((SECRET, OLD_SECRET), (SECRET,)):
        attempt(door, receiver.url(), secrets=secrets, spark=True)
    assert [got.headers["x-spark-signature"] for got in receiver.requests] == [
        hmac.new(secret.encode(), got.body, "sha1").hexdigest()
        for secret, got in zip((OLD_SECRET, SECRET), receiver.requests, strict=True)
    ]


def test_no_other_style_bears_a_spark_signature(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), secrets=(SECRET,))
    assert "x-spark-signature" not in receiver.requests[0].headers


def test_the_headers_of_a_style_are_sent(door, receive):
    receiver = receive(answer(200))
    outgoing_request = outgoing(receiver.url())
    rendered = replace(outgoing_request.request, headers={"cdrhook-count": "3"})
    send(
        door,
        replace(outgoing_request, request=rendered),
        clock=lambda: dt.datetime.now(dt.UTC),
    )
    assert receiver.requests[0].headers["cdrhook-count"] == "3"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/hook", "/hook?cdr[id]=7&n=J%C3%B6rg"),
        ("/hook?key=a%2fb", "/hook?key=a%2fb&cdr[id]=7&n=J%C3%B6rg"),
        ("/hook?", "/hook?cdr[id]=7&n=J%C3%B6rg"),
        ("/hook?a&", "/hook?a&cdr[id]=7&n=J%C3%B6rg"),
        ("/h\u00f6\u00f6k?\u00e4=1", "/h%C3%B6%C3%B6k?%C3%A4=1&cdr[id]=7&n=J%C3%B6rg"),
    ],
)
def test_a_get_adds_its_payload_to_the_query(door, receive, path, sent):
    receiver = receive(answer(200))
    payload = b"cdr[id]=7&n=J%C3%B6rg"
    attempt(door, receiver.url(path), method="GET", body=payload)
    (request,) = receiver.requests
    assert request.line == f"GET {sent} HTTP/1.1"
    assert request.body == b""
    assert "content-length" not in request.headers
    assert "content-type" not in request.headers


def test_receivers_verify_the_signature_of_a_query_as_sent(door, receive):
    receiver = receive(answer(200))
    request = outgoing(
        receiver.url("/hook?z=%41"), b"q=%22a%22", method="GET", secrets=(SECRET,)
    )
    send(door, request, clock=lambda: dt.datetime.now(dt.UTC))
    (got,) = receiver.requests
    query = got.target.partition("?")[2]
    assert query == "z=%41&q=%22a%22"
    library = Webhook(SECRET)
    timestamp = dt.datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), dt.UTC)
    expected = library.sign(got.headers["webhook-id"], timestamp, query)
    assert got.headers["webhook-signature"] == expected


def test_cookies_are_not_kept_between_requests(door, receive):
    receiver = receive(answer(200, "Set-Cookie: session=1; Path=/"))
    attempt(door, receiver.url())
    attempt(door, receiver.url())
    assert "cookie" not in receiver.requests[1].headers


def test_proxies_and_netrc_of_the_environment_are_ignored(
    door, receive, monkeypatch, tmp_path
):
    proxy, receiver = receive(answer(200)), receive(answer(200))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url(""))
    assert attempt(door, receiver.url()).verdict == "delivered"
    assert proxy.connections == 0
    assert "authorization" not in receiver.requests[0].headers


def test_an_url_that_parsers_read_differently_goes_nowhere(door, receive):
    receiver = receive(answer(200))
    for url in (f"http://a\\@127.0.0.1:{receiver.port}/", "http://u@127.0.0.1/"):
        assert attempt(door, url).verdict == "blocked"
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "headers", [{"Host": "other"}, {"X-A": "b\r\nX-B: c"}, {"content-length": "0"}]
)
def test_headers_that_would_change_the_request_are_not_sent(door, receive, headers):
    receiver = receive(answer(200))
    outcome = attempt(door, receiver.url(), headers=headers)
    assert (outcome.verdict, outcome.error_class) == ("blocked", "blocked")
    assert receiver.connections == 0


def test_headers_of_a_payload_style_are_sent(door, receive):
    receiver = receive(answer(200))
    attempt(door, receiver.url(), headers={"cdrhook-sequence": "7"})
    assert receiver.requests[0].headers["cdrhook-sequence"] == "7"


def test_http_is_refused_when_sending_too_unless_allowed(door, receive):
    receiver = receive(answer(200))
    door.policy = replace(door.policy, allow_http=False)
    outcome = attempt(door, receiver.url())
    assert (outcome.verdict, receiver.connections) == ("blocked", 0)
