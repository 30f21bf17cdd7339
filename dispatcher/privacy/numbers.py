"""Telephone numbers: when two texts are the same one, and where one stands in a text.

Compared are digits. A number with its country code is the same with `+`, with `00` and
with neither, however it is grouped; one without its country code is another number, for
nothing here knows the country. Judges no number to be valid.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Between the digits of one number; also what other scripts' keyboards put there.
_BETWEEN: Final = r"[\s().\-/\u2010-\u2015\u2212\u2060\u200b]"
_SCHEME: Final = re.compile(r"\s*(?:sips?|tel|callto):", re.IGNORECASE)
_TRUNK_ZERO: Final = re.compile(r"(?<=\d)\s*\(0\)")
# The fewest digits that can be told from other digits in a text.
FEWEST: Final = 7
NUMBER_IN_TEXT: Final = re.compile(
    rf"(?<![^\W_])\+?\(?\d(?:{_BETWEEN}*\d){{{FEWEST - 1},}}(?![^\W_])"
)


def split(text: str) -> tuple[str, str, str]:
    """What stands before a number, the number, and what stands behind it.

    >>> split("sip:+442031703746@host;user=phone")
    ('sip:', '+442031703746', '@host;user=phone')
    """
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    end = next((at for at in range(start, len(text)) if text[at] in "@;"), len(text))
    return text[:start], text[start:end], text[end:]


def digits_of(text: str) -> str:
    """Its digits, of whatever script, as 0 to 9; without a trunk zero in brackets."""
    text = _TRUNK_ZERO.sub("", text) if "(0)" in text else text
    if text.isascii():
        return "".join(filter(str.isdigit, text))
    return "".join(str(unicodedata.decimal(one)) for one in text if one.isdecimal())


def canonical(number: str) -> str:
    """The digits by which numbers are compared: without `+` and without `00`.

    >>> canonical("+44 (0)20 3170-3746"), canonical("00442031703746")
    ('442031703746', '442031703746')
    """
    digits = digits_of(split(number)[1])
    return digits[2:] if digits.startswith("00") else digits


def pattern_of(digits: str) -> re.Pattern[str]:
    """Finds a number in any text, given as `canonical` has it: whole, never a part.

    With or without `+` or `00`, grouped in any way. A short one is found only where
    neither digits nor letters touch it.
    """
    # A trunk zero may stand behind the country code, wherever that ends.
    between = rf"(?:\s*\(0\))?{_BETWEEN}*"
    touching = r"\d" if len(digits) >= FEWEST else r"[^\W_]"
    prefix = rf"(?:\+{_BETWEEN}*|00{_BETWEEN}*)?"
    return re.compile(rf"(?<!{touching}){prefix}{between.join(digits)}(?!{touching})")
