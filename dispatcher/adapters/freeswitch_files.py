"""Files of FreeSWITCH's documents: `[a_]<uuid>.cdr.json` and `.cdr.xml` in an err-log-dir.

The modules leave there what they could not post, one leg a file: JSON or XML as it is,
or encoded as it would have been posted, without `cdr=`. A file may hold many, one a line
or, where they go over lines, one behind the other. They are read by the adapter itself,
so that a leg gives the same record from a file and from the wire.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import PLAIN
from dispatcher.adapters.freeswitch import read_leg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.adapters.base import Read, Undecodable
    from dispatcher.values import SourceRules

# As much as a leg may take that is posted.
MAX_LEG_BYTES: Final = 5 * 1024 * 1024
# How a leg begins, at the beginning of a line.
_BEGINNINGS: Final = (b"{", b"<?xml", b"<cdr", b"cdr=", b"%7B", b"%3C")
# What ends a leg that goes over lines: a line that begins so.
_ENDS: Final = {b"{": b"}", b"<": b"</cdr>"}
_BLANK: Final = b" \t\r\n\0"
_BLANKS: Final = re.compile(rb"[ \t\r\n\0]*+")


class Documents:
    """`freeswitch-json` and `freeswitch-xml`: what is in a file is seen by its bytes."""

    pbx: Final = "freeswitch"
    head_records: Final = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """A leg a record, blank lines before it included; what is no leg, by the line.

        Of nothing but blank lines it cuts nothing before the end: that is how a file of
        one leg, which mod_xml_cdr does not end with a line, is known for a document.
        """
        records: list[bytes] = []
        start = 0
        while start < len(data):
            end = _end_of_leg(data, start, is_end=is_end)
            if not end:
                break
            records.append(data[start:end])
            start = end
        return records, start

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """One leg a record, none of a blank line."""
        return [read_leg(record) for record in records if record.strip(_BLANK)]


def _end_of_leg(data: bytes, start: int, *, is_end: bool) -> int:
    """Where the leg ends that is next at `start`; 0 if more bytes must tell."""
    start = _BLANKS.match(data, start).end()  # type: ignore[union-attr]  # it always does
    limit = start + MAX_LEG_BYTES
    first = data.find(b"\n", start, limit) + 1
    if first and (last := _last_line(data[start:first])):
        end = _behind(data, first, limit, last)
        if end or len(data) < limit:
            return end or (len(data) if is_end else 0)
        # Without an end: a line of it at a time, so that the next leg is found.
        return first
    if not first and len(data) >= limit:
        return limit
    return first or (len(data) if is_end else 0)


def _last_line(first: bytes) -> bytes:
    """How the last line of a leg begins that begins with this line; "" if it is both."""
    first = first.removeprefix(b"\xef\xbb\xbf").removeprefix(b"cdr=").strip(_BLANK)
    last = _ENDS.get(first[:1], b"")
    return b"" if last and first.endswith(last) else last


def _behind(data: bytes, start: int, limit: int, last: bytes) -> int:
    """Where the leg ends: behind its last line, or before another begins; 0: not yet."""
    while end := data.find(b"\n", start, limit) + 1:
        if data.startswith(last, start):
            return end
        # The element itself stands on a line of its own behind `<?xml`.
        if data.startswith(_BEGINNINGS, start) and not data.startswith(b"<cdr", start):
            return start
        start = end
    return 0
