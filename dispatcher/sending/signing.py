"""Signs what is sent: Standard Webhooks v1, and Webex' older X-Spark-Signature.

Reads no clock and draws no random bytes: both are arguments. Verifies nothing.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix, not a password


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,<base64>`, the HMAC-SHA256 of `id.timestamp.body`.

    `timestamp` is in unix seconds; `body` is the raw body, or for GET the query string
    as sent, without `?` (PAYLOADS, common to all styles).
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    digest = hmac.digest(_key(secret), signed, "sha256")
    return "v1," + b64encode(digest).decode("ascii")


def spark_signature(secret: str, body: bytes) -> str:
    """Return the hex HMAC-SHA1 of the raw body, the secret's text as key (webex.txt)."""
    return hmac.digest(secret.encode(), body, "sha1").hex()


def new_secret(random_bytes: bytes) -> str:
    """Return the `whsec_` form of a key; 24 to 64 bytes, else ValueError."""
    if not 24 <= len(random_bytes) <= 64:
        raise ValueError("a signing key has 24 to 64 bytes")
    return SECRET_PREFIX + b64encode(random_bytes).decode("ascii")


def _key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        # Someone's own text that only happens to begin like one of ours.
        return secret.encode()
