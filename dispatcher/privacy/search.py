"""Whether a call, or a text, holds a number that is looked for. Changes neither."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from dispatcher.privacy.numbers import FEWEST, canonical, pattern_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What E.164 allows, and the fewest digits that cannot be a duration or a code.
MOST: Final = 15
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
# What mod_json_cdr and its like post: `cdr=`, and base64 to the end.
_BASE64: Final = re.compile(rb"(?:^|&)\w{1,40}=([A-Za-z0-9+/ ]{16,})={0,2}\s*(?:&|$)")
_ENCODED_TIMES: Final = 2
_pattern = lru_cache(maxsize=16)(pattern_of)


class BadNumberError(ValueError):
    """The text is no number that can be looked for; says why."""


def wanted(number: str) -> str:
    """The digits to look for: with the country code, `+` and `00` or not.

    Raises BadNumberError unless it has 7 to 15 digits.
    """
    digits = canonical(number)
    if not FEWEST <= len(digits) <= MOST or any(map(str.isalpha, number)):
        raise BadNumberError(
            f"must be a number of {FEWEST} to {MOST} digits with its country code,"
            " such as +442031703746"
        )
    return digits


def in_text(text: str, digits: str) -> bool:
    """Whether the whole number stands somewhere in a text; a date is no number."""
    if not text.isascii():
        text = "".join(
            str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text
        )
    found = _pattern(digits).finditer(text)
    return any(_DATE.fullmatch(match[0]) is None for match in found)


def in_bytes(body: bytes, digits: str) -> bool:
    """Whether it stands in what was sent to us, as it is or encoded as PBXs do.

    Percent-encoded, once or twice (FreeSWITCH encodes values, and then the form that
    holds them); in base64 behind a form's `=`, with either of these within.
    """
    return any(in_text(text, digits) for text in _decoded(body))


def _decoded(body: bytes) -> Iterator[str]:
    yield from _unquoted(body.decode("utf-8", "replace"))
    for found in _BASE64.finditer(body):
        # A form's decoding may have made spaces of its `+`.
        packed = found[1].replace(b" ", b"+")
        try:
            inner = base64.b64decode(packed + b"=" * (-len(packed) % 4))
        except binascii.Error:
            continue
        yield from _unquoted(inner.decode("utf-8", "replace"))


def _unquoted(text: str) -> Iterator[str]:
    yield text
    for _ in range(_ENCODED_TIMES):
        if "%" not in text:
            return
        text = unquote_plus(text)
        yield text


def may_be_in(record: str, digits: str) -> bool:
    """Whether a stored record need be read: false for nearly all, and quick to say."""
    return _pattern(digits).search(record) is not None or not record.isascii()


def in_call(part: Any, digits: str) -> bool:
    """Whether a CDR holds the number in any of its texts, as a number or among words."""
    return any(in_text(text, digits) for text in _texts(part))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int):
        yield str(value)
    else:
        for inner in _within(value):
            yield from _texts(inner)


def _within(value: Any) -> Iterable[Any]:
    """What a value is made of; nothing, where it is a time or a cost."""
    if is_dataclass(value):
        return [getattr(value, entry.name) for entry in fields(value)]
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()
