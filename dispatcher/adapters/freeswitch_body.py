"""Reads the bodies of FreeSWITCH's mod_json_cdr, mod_xml_cdr and mod_format_cdr.

Looks at the bytes only: modules send JSON as a form and forms as JSON (TELECOM.md 1.1).
Reads raw JSON and XML; `cdr=` with either raw, percent-encoded or in base64; and what
the modules leave in their err-log-dir, encoded without `cdr=`. Refuses CSV, and the
double encoding of mod_json_cdr's shipped configuration: it loses what it encodes, and
a guess would bill somebody.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.freeswitch_xml import read_xml
from dispatcher.values import FieldError

# `cdr`, which FreeSWITCH sends alone; those who pass it on put their own before it.
_FIELD: Final = re.compile(rb"(?:[\w.-]{1,50}=[^&=]{0,500}&){0,10}cdr=")
# Older releases wrote one `callflow` object per caller profile instead of a list.
REPEATABLE_KEY: Final = "callflow"

_PADDING: Final = b" \t\r\n\0"
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{2,}={0,2}")

WHAT_TO_SET: Final = (
    "set encode=false, or encode-values=false, or encode=base64"
    " in the module's configuration"
)
_DOUBLE_ENCODING: Final = (
    "percent-encoded, but not valid JSON once decoded: with encode=true and"
    f" encode-values=true FreeSWITCH sends what cannot be undone; {WHAT_TO_SET}"
)
_OLD_ENCODING: Final = (
    "percent-encoded, but not well-formed XML once decoded: with encode=true FreeSWITCH"
    " before 1.6 sends what cannot be undone; set encode=textxml or encode=base64 in the"
    " module's configuration"
)


class Body(NamedTuple):
    """The document, and whether it came as XML: its variables are always encoded."""

    document: dict[str, Any]
    is_xml: bool


def read_body(body: bytes) -> Body:
    """Return the document; BadCdr's field is `body` and its message says what to do."""
    content = body.removeprefix(b"\xef\xbb\xbf").strip(_PADDING)
    if not content:
        _refuse("empty")
    if field := _FIELD.match(content):
        return _read_value(content[field.end() :].lstrip(_PADDING))
    if content.startswith((b"{", b"%", b"<")) or _from_base64(content) is not None:
        return _read_value(content)
    _refuse(_guess_format(content))


def _read_value(value: bytes) -> Body:
    """What stands after `cdr=`, or a body without it."""
    if value.startswith(b"%"):
        return _read_percent(value)
    if value.startswith((b"{", b"<")):
        return _read_text(value)
    decoded = _from_base64(value)
    if decoded is None:
        _refuse("neither JSON, XML nor base64 after cdr=")
    return _read_text(decoded, " in base64")


def _read_percent(value: bytes) -> Body:
    # FreeSWITCH writes a space as %20 and a plus as %2B; other form encoders do not.
    decoded = unquote_to_bytes(value.partition(b"&")[0].replace(b"+", b" "))
    decoded = decoded.strip(_PADDING)
    if decoded.startswith(b"<"):
        whole = decoded.endswith(b"</cdr>")
        reason = _OLD_ENCODING if whole else "percent-encoded XML, cut off"
        return Body(read_xml(decoded, reason), is_xml=True)
    whole = decoded.endswith(b"}")
    reason = _DOUBLE_ENCODING if whole else "percent-encoded JSON, cut off"
    return Body(_read_json(decoded, reason), is_xml=False)


def _read_text(text: bytes, where: str = "") -> Body:
    if text.startswith(b"<"):
        return Body(read_xml(text, f"not well-formed XML{where}"), is_xml=True)
    return Body(_read_json(text, f"not valid JSON{where}"), is_xml=False)


def _from_base64(value: bytes) -> bytes | None:
    """What base64 hides, if it is a document; None if it is not.

    FreeSWITCH escapes nothing, so that a form decoder on the way may have made spaces
    of the plus signs and cut the padding off.
    """
    value = unquote_to_bytes(value.partition(b"&")[0]).replace(b" ", b"+")
    value = value.translate(None, b"\r\n\t")
    if not _BASE64.fullmatch(value):
        return None
    value = value.rstrip(b"=")
    try:
        decoded = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return None
    decoded = decoded.strip(_PADDING)
    return decoded if decoded[:1] in (b"{", b"<") else None


def _read_json(text: bytes, reason: str) -> dict[str, Any]:
    try:
        document = json.loads(
            text.strip(_PADDING).decode(),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8 at byte {error.start} of the JSON")
    except RecursionError:
        _refuse("JSON nested too deeply")
    except ValueError as error:
        _refuse(f"{reason} ({error})")
    if not isinstance(document, dict):
        _refuse("must be a JSON object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a key that stands twice: FreeSWITCH writes none.

    A caller's name that broke out of its quotes (double encoding) could have.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
        elif key != REPEATABLE_KEY:
            message = f"the key {key[:100]!r} stands twice"
            raise ValueError(message)
    return found


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _guess_format(content: bytes) -> str:
    if content.startswith(b'"') and content.partition(b"\n")[0].count(b",") >= 3:
        return "CSV (mod_cdr_csv): import it as a file, format freeswitch-csv"
    if content.startswith(b"["):
        return "a list: hand over one leg at a time, as FreeSWITCH does"
    if content.startswith(b"\x1f\x8b"):
        return "compressed (gzip): FreeSWITCH sends its records as they are"
    return "neither JSON, XML nor a form with cdr="


def _refuse(reason: str) -> NoReturn:
    raise BadCdr(FieldError("body", reason))
