"""Says what is wrong with a webhook's certificates, key and login. Opens no sockets.

Fields are the names of the webhook's settings. No text repeats a key or a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from dispatcher.sending.trust import BadIdentityError, context_of
from dispatcher.values import FieldError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

    from dispatcher.values import Identity

MAX_PEM: Final = 64 * 1024
MAX_PASSWORD: Final = 1000
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
PRIVATE: Final = "PRIVATE KEY-----"


def refusals(identity: Identity, now: dt.datetime | None) -> list[FieldError]:
    """Why a webhook may not have these; `now` None: dates are not judged."""
    errors = [
        *_login_refusals(identity),
        *_authority_refusals(identity.ca_certificates, now),
        *_client_refusals(identity, now),
    ]
    return errors or list(_together(identity))


def _login_refusals(identity: Identity) -> Iterator[FieldError]:
    if ":" in identity.basic_username:
        yield FieldError("basic_username", "must not contain a colon")
    for name in ("basic_username", "basic_password"):
        if CONTROL.search(getattr(identity, name)):
            yield FieldError(name, "must not contain control characters")


def _authority_refusals(text: str, now: dt.datetime | None) -> Iterator[FieldError]:
    if not text:
        return
    try:
        certificates = _certificates(text)
    except ValueError as bad:
        yield FieldError("ca_certificates", str(bad))
        return
    if now and all(one.not_valid_after_utc < now for one in certificates):
        yield FieldError("ca_certificates", "has expired, all of it")


def _client_refusals(
    identity: Identity, now: dt.datetime | None
) -> Iterator[FieldError]:
    text, key_text = identity.client_certificate, identity.client_key
    if text and not key_text:
        yield FieldError("client_key", "is needed for the client certificate")
    if key_text and not text:
        yield FieldError("client_certificate", "is needed for the client key")
    if not (text and key_text):
        return
    try:
        certificate = _certificates(text)[0]
    except ValueError as bad:
        yield FieldError("client_certificate", str(bad))
        return
    if now is not None:
        yield from _date_refusals(certificate, now)
    try:
        fits = certificate.public_key() == _key(key_text).public_key()
    except ValueError as bad:
        yield FieldError("client_key", str(bad))
        return
    if not fits:
        yield FieldError("client_key", "does not fit the client certificate")


def _date_refusals(certificate: Certificate, now: dt.datetime) -> Iterator[FieldError]:
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if end < now:
        yield FieldError("client_certificate", f"expired on {end:%Y-%m-%d}")
    if now < begin:
        yield FieldError("client_certificate", f"is not valid before {begin:%Y-%m-%d}")


def _together(identity: Identity) -> Iterator[FieldError]:
    """What OpenSSL itself has against them: a key that is too short, say."""
    try:
        context_of(identity)
    except BadIdentityError:
        at = "client_certificate" if identity.client_certificate else "ca_certificates"
        yield FieldError(at, "cannot be used for TLS")


def _certificates(text: str) -> list[Certificate]:
    if PRIVATE in text:
        # It is shown to whoever may see the webhook.
        raise ValueError("contains a private key, which belongs into client_key alone")
    try:
        return load_pem_x509_certificates(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no certificate in PEM form") from None


def _key(text: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(text.encode(), None)
    except TypeError:
        raise ValueError("is encrypted: give it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no private key in PEM form") from None
