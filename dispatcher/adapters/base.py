"""What every adapter speaks: `Adapter`, `Undecodable`, `BadCdr`, `safe_uid`.

Refuses to know any PBX, to keep anything, and to guess: what an adapter cannot read
with certainty it hands back byte for byte, for the quarantine.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import Cdr, FieldError

UID_MAX_CHARS: Final = 200
UID_CHARS: Final = r"[A-Za-z0-9._:@+-]"
_FOREIGN_CHAR: Final = re.compile(UID_CHARS.replace("[", "[^", 1))
_DIGEST_CHARS: Final = 8


class BadCdr(Exception):  # noqa: N818 - the house's word for it
    """A record that is refused; `errors` says which fields are at fault and why."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors: tuple[FieldError, ...] = errors
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Bytes that an adapter could not turn into a record.

    `reason` is a sentence for an administrator, `body` exactly what came in. `errors`
    names the PBX's own fields where the bytes could be read and a value was at fault.
    """

    reason: str
    body: bytes
    errors: tuple[FieldError, ...] = ()


class Adapter(Protocol):
    """Reads what one kind of PBX sends."""

    @property
    def name(self) -> str:
        """The word in `/ingest/{name}/...`."""

    def decode(
        self, body: bytes, *, content_type: str = "", query: str = ""
    ) -> Sequence[Cdr | Undecodable]:
        """Turn one request's body into its records, in order; raises nothing.

        `content_type` and `query` are as received and may be wrong. At least one
        item comes back; the bodies of the undecodable ones together hold every byte
        that did not become a Cdr.
        """


def safe_uid(text: str) -> str:
    """Turn a PBX's id into a uid; ids that are fit already stay as they are.

    Each character other than `[A-Za-z0-9._:@+-]` becomes `_`, then `-` and 8 hex
    digits of the id's SHA-256 are appended, so that two ids never become one
    (PAYLOADS.md). An id of over 200 characters is cut and marked in the same way.
    """
    uid = _FOREIGN_CHAR.sub("_", text)
    if uid == text and len(text) <= UID_MAX_CHARS:
        return text
    # A lone surrogate cannot be encoded, and an id must never fail.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    kept = UID_MAX_CHARS - _DIGEST_CHARS - 1
    return f"{uid[:kept]}-{digest[:_DIGEST_CHARS]}"
