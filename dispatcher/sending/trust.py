"""TLS contexts: whom a request trusts, and the certificate it shows.

All verify the receiver's certificate and name, and give their sockets the deadline of
the exchange. A webhook's own authorities replace the public ones for it alone.
A private key touches no disk unencrypted: OpenSSL reads it from a file, so it is
written there encrypted with a passphrase that is drawn for that moment.
"""

from __future__ import annotations

import secrets
import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final

import certifi
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dispatcher.sending.exchange import DeadlineTLSSocket

if TYPE_CHECKING:
    from dispatcher.values import Identity

# About 1 MB each, where the public authorities are in it.
MOST_CONTEXTS: Final = 128
UNUSABLE: Final = "the webhook's certificates or its key cannot be used"


class BadIdentityError(ValueError):
    """Certificates and key that make no TLS context; the message names none of them."""


def public_authorities() -> ssl.SSLContext:
    """Return a context that trusts certifi's authorities."""
    # ssl.create_default_context would write session keys to $SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    return context


def hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    """Change `context` for the door's use. ValueError when it does not verify."""
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("the TLS context of webhooks must verify certificates")
    context.sslsocket_class = DeadlineTLSSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def context_of(identity: Identity) -> ssl.SSLContext | None:
    """Return the context of an identity; None: it has no certificates of its own.

    Kept by content, so that a change works for the next connection. BadIdentityError.
    """
    ca, certificate = identity.ca_certificates, identity.client_certificate
    if not (ca or certificate):
        return None
    return _context(ca, certificate, identity.client_key)


@lru_cache(maxsize=MOST_CONTEXTS)
def _context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    try:
        context = hardened(_trusting(ca) if ca else public_authorities())
        if certificate:
            _show(context, certificate, key)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        # Not the cause: it may quote what it could not read.
        raise BadIdentityError(UNUSABLE) from None
    return context


def _trusting(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    # An authority in the middle, or the receiver's own certificate, may stand there.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    passphrase = secrets.token_hex(32).encode()
    encrypted = load_pem_private_key(key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    with NamedTemporaryFile(prefix="cdrhook-") as file:
        file.write(encrypted + certificate.encode())
        file.flush()
        context.load_cert_chain(file.name, password=passphrase)
