"""Takes a caller ID as Asterisk writes it apart: `"Name" <number>`.

In the name, quotes and backslashes are escaped by a backslash (ast_callerid_merge).
Refuses nothing: what has another form is a number, or a name, as a whole.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

# Most by far.
_PLAIN: Final = re.compile(r'"([^"\\<>]*)" <([^"\\<>]*)>')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9+*#().\s-]+", re.ASCII)


class CallerId(NamedTuple):
    """Name and number; "" where there is none."""

    name: str
    number: str


@lru_cache(maxsize=8192)
def parse_clid(clid: str) -> CallerId:
    r"""`"Ann \"A\" B" <1001>` -> name `Ann "A" B`, number `1001`."""
    plain = _PLAIN.fullmatch(clid)
    if plain is not None:
        return CallerId(plain[1].strip(), plain[2].strip())
    text = clid.strip()
    name, bracket, number = text.rpartition("<")
    if bracket and number.endswith(">"):
        return CallerId(_unquoted(name.strip()), number[:-1].strip())
    if _NUMBER.fullmatch(text):
        return CallerId("", text)
    # The number and the end may have been cut off: columns have their limits.
    return CallerId(_unquoted(text), "")


def _unquoted(name: str) -> str:
    if not name.startswith('"'):
        return name
    name = name[1:]
    # An escaped quote at the end belongs to a name that was cut off.
    backslashes = len(name) - 1 - len(name[:-1].rstrip("\\"))
    if name.endswith('"') and backslashes % 2 == 0:
        name = name[:-1]
    return _ESCAPED.sub(r"\1", name).strip()
