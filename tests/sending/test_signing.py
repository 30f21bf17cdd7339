"""Signatures, checked with the public library that receivers use."""

import base64
import datetime as dt
import hashlib
import hmac

import pytest
from standardwebhooks import Webhook

from dispatcher.sending.signing import new_secret, sign, spark_signature

MESSAGE_ID = "0198b6a0-0000-7000-8000-000000000001"


def now():
    return int(dt.datetime.now(dt.UTC).timestamp())


def headers(signature, timestamp):
    return {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


@pytest.mark.parametrize("body", [b'{"a": 1}', b"{}", '{"n": "J\u00f6rg"}'.encode()])
def test_the_public_library_verifies_what_we_sign(body):
    secret, timestamp = new_secret(bytes(range(32))), now()
    signature = sign(secret, MESSAGE_ID, timestamp, body)
    assert Webhook(secret).verify(body, headers(signature, timestamp)) is not None


@pytest.mark.parametrize("secret", ["any text", "p\u00e4ss", "whsec_not base64!", "x"])
def test_a_secret_that_is_not_ours_is_used_as_text(secret):
    timestamp = now()
    signature = sign(secret, MESSAGE_ID, timestamp, b"{}")
    library = Webhook(secret.encode())
    assert library.verify(b"{}", headers(signature, timestamp)) == {}


def test_a_new_secret_is_standard_webhooks_form():
    secret = new_secret(b"\xff" * 32)
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret[6:]) == b"\xff" * 32


@pytest.mark.parametrize("length", [0, 23, 65])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(ValueError, match="24 to 64"):
        new_secret(bytes(length))


def test_the_spark_signature_is_the_hex_sha1_hmac_of_the_body():
    expected = hmac.new(b"s\xc3\xa4cret", b"{}", hashlib.sha1).hexdigest()
    assert spark_signature("s\u00e4cret", b"{}") == expected
