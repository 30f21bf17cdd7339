"""The values of a FreeSWITCH document (TELECOM.md 1.1), with its quirks taken off.

Texts that may be percent-encoded, numbers that are texts, "0" that means never. Knows
nothing of a Cdr, and does not know JSON from XML but by how variables are encoded.
Refuses what is no text or number by FreeSWITCH's name for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.freeswitch_body import WHAT_TO_SET, Body
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The end of the year 9998: later ones do not fit every zone's calendar.
LATEST_US: Final = 253_370_764_799_999_999

_WHOLE: Final = re.compile(r"[0-9]{1,17}")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ONLY_ESCAPES: Final = re.compile(r"(?:%[0-9A-F]{2})++")
_CUT_OFF: Final = "unexpected end of data"
# What XML has no way to write; NUL stays, for it is refused.
_CONTROL: Final = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_PLAIN_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_ENCODED_STAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\d%20\d\d%3A\d\d%3A\d\d", re.ASCII | re.IGNORECASE
)


class Document:
    """The document with its quirks taken off; every reader may raise BadCdr."""

    def __init__(self, body: Body) -> None:
        self.top = document = body.document
        variables = document.get("variables")
        if not isinstance(variables, dict):
            raise BadCdr(FieldError("variables", "required"))
        self._variables = variables
        self._decode = _value_decoder(variables, is_xml=body.is_xml)
        flow = document.get("callflow")
        flows = flow if isinstance(flow, list) else [flow]
        profiles = [f.get("caller_profile") for f in flows if isinstance(f, dict)]
        # Newest first.
        self.profiles = [p for p in profiles if isinstance(p, dict)]

    def variable(self, name: str) -> str | None:
        """A channel variable; None if it is absent or empty."""
        value = text_of(self._variables.get(name), f"variables.{name}")
        if value is None:
            return None
        try:
            return self._decode(value) or None
        except UnicodeError:
            problem = "not UTF-8 once percent-decoded"
        except ValueError as error:
            problem = str(error)
        raise BadCdr(FieldError(f"variables.{name}", problem))

    def first(self, *names: str) -> str | None:
        """The first variable of these that is known."""
        return next(filter(None, map(self.variable, names)), None)

    def channel(self, name: str) -> str | None:
        """A value of `channel_data`."""
        data = self.top.get("channel_data")
        if not isinstance(data, dict):
            return None
        return text_of(data.get(name), f"channel_data.{name}")

    def profile(self, name: str, index: int = 0) -> str | None:
        """A value of a caller profile (0: newest); profiles are never encoded."""
        if not self.profiles:
            return None
        return text_of(self.profiles[index].get(name), f"caller_profile.{name}")

    def whole(self, name: str) -> int | None:
        """A variable that is a whole number."""
        value = self.variable(name)
        if value is None:
            return None
        if not _WHOLE.fullmatch(value):
            raise BadCdr(FieldError(f"variables.{name}", "must be a whole number"))
        return int(value)

    def moment_us(self, name: str) -> int | None:
        """When something happened, in µs since 1970; FreeSWITCH's 0 means never."""
        micros = self.whole(f"{name}_uepoch")
        if not micros:
            micros = (self.whole(f"{name}_epoch") or 0) * 1_000_000
        if micros > LATEST_US:
            raise BadCdr(
                FieldError(f"variables.{name}_epoch", "must be seconds since 1970")
            )
        return micros or None


def text_of(value: object, field: str) -> str | None:
    """Texts, and numbers that should have been texts; None if empty or unknown."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise BadCdr(FieldError(field, "must be text"))
    if value is None or value == "":
        return None
    return _CONTROL.sub("\ufffd", str(value))


def _value_decoder(
    variables: Mapping[str, Any], *, is_xml: bool
) -> Callable[[str], str]:
    """How to read the texts in `variables`: as they are, or percent-decoded.

    mod_json_cdr's `encode-values` is on by default. The stamps tell: they always hold
    a space and colons. Without any stamp those of XML are encoded, and of JSON only
    texts that read the same either way are accepted. The result raises ValueError
    where a text cannot be decoded.
    """
    stamps = [v for k, v in variables.items() if k.endswith("_stamp")]
    for stamp in stamps:
        if isinstance(stamp, str) and _PLAIN_STAMP.fullmatch(stamp):
            return str
        if isinstance(stamp, str) and _ENCODED_STAMP.fullmatch(stamp):
            return _percent_decoded
    return _percent_decoded if is_xml else _same_either_way


def _percent_decoded(text: str) -> str:
    decoded = unquote_to_bytes(text)
    try:
        return decoded.decode()
    except UnicodeDecodeError as error:
        # FreeSWITCH reserves a byte too little for JSON's: of a text that is nothing
        # but escapes, a name in Greek for one, the last escape is missing.
        if error.reason != _CUT_OFF or not _ONLY_ESCAPES.fullmatch(text):
            raise
        return decoded[: error.start].decode() + "\ufffd"


def _same_either_way(text: str) -> str:
    if _PERCENT.search(text):
        message = f"percent-encoded or not? No *_stamp tells; {WHAT_TO_SET}"
        raise ValueError(message)
    return text
