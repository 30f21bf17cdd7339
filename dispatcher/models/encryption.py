"""Text that is encrypted at rest: signing secrets and values of custom headers.

Fernet (AES-128-CBC with HMAC-SHA256). The keys are FIELD_ENCRYPTION_KEYS, newest
first; without any, one is derived from SECRET_KEY. Reading tries all of them.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    TextBase = models.TextField[str, str]
else:
    TextBase = models.TextField


class UndecryptableError(Exception):
    """A stored secret was encrypted with a key that is not configured any more."""


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...], secret_key: str) -> MultiFernet:
    material = keys or (f"secret-key:{secret_key}",)
    return MultiFernet([Fernet(_fernet_key(text)) for text in material])


def _fernet_key(text: str) -> bytes:
    """Any text makes a key, so that operators need no key generator of ours."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cdrhook field")
    return base64.urlsafe_b64encode(hkdf.derive(text.encode()))


def _cipher() -> MultiFernet:
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS), settings.SECRET_KEY)


def is_of_first_key(stored: str) -> bool:
    """Whether a stored text is encrypted with the key that new ones are."""
    first = _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS[:1]), settings.SECRET_KEY)
    try:
        first.decrypt(stored.encode())
    except InvalidToken:
        return False
    return True


class Unreadable(str):
    """A stored secret that no configured key fits: still encrypted.

    Rows that hold one can be listed, changed and saved; whoever needs the text itself
    asks `readable`.
    """


def readable(value: str) -> str:
    """The text of an encrypted field. Raises UndecryptableError for Unreadable."""
    if isinstance(value, Unreadable):
        raise UndecryptableError(
            "a stored secret cannot be decrypted: FIELD_ENCRYPTION_KEYS (or, without"
            " it, SECRET_KEY) has changed; put the former key back, behind the new one"
        )
    return value


class EncryptedTextField(TextBase):
    """A text that the database only ever sees encrypted; empty stays empty."""

    description = "encrypted text"

    def get_prep_value(self, value: Any) -> Any:
        """Encrypts what goes to the database."""
        if not value or isinstance(value, Unreadable):
            return value
        return _cipher().encrypt(str(value).encode()).decode()

    def from_db_value(
        self, value: str | None, _expression: Any, _connection: BaseDatabaseWrapper
    ) -> str | None:
        """Decrypts what comes from the database."""
        if not value:
            return value
        try:
            return _cipher().decrypt(value.encode()).decode()
        except InvalidToken:
            return Unreadable(value)
