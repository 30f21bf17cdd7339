"""What every adapter and format speaks: `Read`, `Undecodable`, `BadCdr`, `safe_uid`.

Refuses to know any PBX, to keep anything, and to guess: what an adapter cannot read
with certainty it hands back byte for byte, for the quarantine.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

from dispatcher.values import SourceRules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import Cdr, FieldError

UID_MAX_CHARS: Final = 200
UID_CHARS: Final = r"[A-Za-z0-9._:@+-]"
_FIT: Final = re.compile(f"{UID_CHARS}{{0,{UID_MAX_CHARS}}}")
_FOREIGN_CHAR: Final = re.compile(UID_CHARS.replace("[", "[^", 1))
_DIGEST_CHARS: Final = 8
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


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


class WrongSignature(Exception):  # noqa: N818 - what it says is all there is
    """A request whose source has a secret, and which was not signed with it.

    Nothing of it is kept: whoever sent it is not the PBX. The message is fit to be shown.
    """


class Read(NamedTuple):
    """A record that could be read, and the bytes that it was read from.

    `raw` is what an administrator is shown beside it, and what could be read again:
    a record's own bytes where many came together. Empty: there is nothing but the Cdr.
    `is_excerpt`: it was made from an excerpt of what the PBX tells elsewhere, so that of
    a uid that is known it is a duplicate, whatever is in it.
    """

    cdr: Cdr
    raw: bytes = b""
    is_excerpt: bool = False


PLAIN: Final = SourceRules()


class Adapter(Protocol):
    """Reads what one kind of PBX sends."""

    @property
    def name(self) -> str:
        """The word in `/ingest/{name}/...`."""

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """Turn one request's body into its records, in order.

        Raises nothing, but WrongSignature where `rules` have a secret that the PBX signs
        with, and the request's signature is missing or not of these bytes.
        `content_type`, `query` and `headers` (lower-case names) are as received and may
        be wrong. At least one item comes back; the bodies of the undecodable ones
        together hold every byte that did not become a Cdr.
        """


@runtime_checkable
class OwnHttp(Protocol):
    """What an adapter has as well whose PBX knows other HTTP than POST and 202."""

    @property
    def methods(self) -> frozenset[str]:
        """The methods that its records come by; with GET, they are in the query."""

    def success_status(self, headers: Mapping[str, str]) -> int:
        """The status that the sender of these headers takes for success."""


class FileFormat(Protocol):
    """Reads a kind of file that PBXs write; one line of formats.FORMATS each.

    A file is cut into records first, so that a file that grows can be followed, and its
    place be remembered as an offset in bytes.
    """

    @property
    def name(self) -> str:
        """The word in `import_cdrs --format`."""

    @property
    def pbx(self) -> str:
        """What the records' source is called: an adapter's name, where there is one."""

    @property
    def head_records(self) -> int:
        """How many records at the file's start only say what the others mean."""

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """The whole records that `data` begins with, and how many bytes they took.

        Together they are exactly those bytes. `is_end`: no more will come after `data`,
        so that what is left over is a record, too. A format of one document a file gives
        nothing before the end.
        """

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """Turns records into calls, in order; raises nothing.

        A record may give none (an empty line, a record of another kind), one or many.
        Where the head is none but a record itself, its calls come first, each time.
        """


@runtime_checkable
class MappedFormat(FileFormat, Protocol):
    """A format of which a source's mapping says how it is cut, and how long its head is."""

    def under(self, rules: SourceRules) -> FileFormat:
        """The format as it is in files of a source with these rules; raises nothing."""


def safe_uid(text: str) -> str:
    """Turn a PBX's id into a uid; ids that are fit already stay as they are.

    Each character other than `[A-Za-z0-9._:@+-]` becomes `_`, then `-` and 8 hex
    digits of the id's SHA-256 are appended, so that two ids never become one
    (PAYLOADS.md). An id of over 200 characters is cut and marked in the same way.
    """
    if _FIT.fullmatch(text):
        return text
    uid = _FOREIGN_CHAR.sub("_", text)
    # A lone surrogate cannot be encoded, and an id must never fail.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    kept = UID_MAX_CHARS - _DIGEST_CHARS - 1
    return f"{uid[:kept]}-{digest[:_DIGEST_CHARS]}"
