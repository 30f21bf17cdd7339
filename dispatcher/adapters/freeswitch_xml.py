"""Reads the XML of FreeSWITCH's mod_xml_cdr and mod_format_cdr as the document in JSON.

Both describe a leg alike (switch_ivr.c), so that from here on one reading serves both.
Of the XML's few parts that a CDR is made of, the rest is passed over.
Refuses document types, and with them entities, and everything else that begins with
`<!`: FreeSWITCH writes none, but does not escape the text of a caller's name from there
on (switch_xml_ampencode), so that a caller could write elements of their own.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn
from xml.parsers import expat

from dispatcher.adapters.base import BadCdr
from dispatcher.values import FieldError

# A dialplan that runs extension in extension nests as deep; each costs a few bytes.
MAX_DEPTH: Final = 10_000
# How FreeSWITCH writes a variable of several values where it has only one text for it.
ARRAY: Final = "ARRAY::"
ARRAY_SEPARATOR: Final = "|:"

_NAME: Final = rb"[A-Za-z_:\x80-\xff][-.0-9A-Za-z_:\x80-\xff]*+"
# Variables that a dialplan gave a name which XML does not know: `<set x>1</set x>`.
_UNNAMEABLE: Final = re.compile(
    rb"<(?!" + _NAME + rb"[ \t\r\n]*+>)([^<>/!?][^<>]*+)>[^<>]*+</\1[ \t\r\n]*+>"
)
# XML has no way to write these; JSON's are exchanged for the same (freeswitch_document).
_CONTROL: Final = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_REPLACEMENT: Final = "\ufffd".encode()


def read_xml(text: bytes, reason: str) -> dict[str, Any]:
    """The document, shaped as that of mod_json_cdr; BadCdr says what is wrong.

    `reason` is said of what is not well-formed.
    A variable of several values becomes `ARRAY::a|:b`, as JSON has it. One whose name
    is no XML name is left out. The texts of variables stay as they are encoded.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    reader = _Reader()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_markup
    parser.CommentHandler = _refuse_markup
    parser.StartCdataSectionHandler = _refuse_markup
    parser.ProcessingInstructionHandler = _refuse_markup
    try:
        parser.Parse(_UNNAMEABLE.sub(b"", _CONTROL.sub(_REPLACEMENT, text)), True)
    except expat.ExpatError as error:
        _refuse(f"{reason} ({error})")
    except (LookupError, ValueError):
        _refuse("XML in an encoding that is unknown")
    return reader.finished()


class _Reader:
    """Collects what a CDR is made of, while expat goes through the elements."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {}
        self._variables: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text.clear()
        if len(self._path) > MAX_DEPTH:
            _refuse("XML nested too deeply")
        match self._path:
            case ["cdr"]:
                self._document.update(attributes, callflow=[])
            case [_]:
                _refuse(f"XML of another kind: <{name[:100]}>, not <cdr>")
            case [_, "variables" | "channel_data"]:
                _put(self._document, name, {})
            case [_, "callflow"]:
                self._document["callflow"].append({})
            case [_, "callflow", "caller_profile"]:
                _put(self._document["callflow"][-1], name, {})
            case _:
                pass

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        text = "".join(self._text)
        match self._path:
            case [_, "variables", _]:
                self._variables.setdefault(name, []).append(text)
            case [_, "channel_data", _]:
                _put(self._document["channel_data"], name, text)
            case [_, "callflow", "caller_profile", _]:
                profile = self._document["callflow"][-1]["caller_profile"]
                _put(profile, name, text)
            case _:
                pass
        self._path.pop()
        self._text.clear()

    def finished(self) -> dict[str, Any]:
        if "variables" in self._document:
            self._document["variables"] = {
                name: _joined(values) for name, values in self._variables.items()
            }
        return self._document


def _joined(values: list[str]) -> str:
    return values[0] if len(values) == 1 else ARRAY + ARRAY_SEPARATOR.join(values)


def _put(place: dict[str, Any], name: str, value: object) -> None:
    """Refuses what stands twice, as in JSON: FreeSWITCH writes it once."""
    if name in place:
        _refuse(f"the element {name[:100]!r} stands twice")
    place[name] = value


def _refuse_markup(*_: object) -> None:
    _refuse("XML with markup that FreeSWITCH does not write: <! or <?")


def _refuse(reason: str) -> NoReturn:
    raise BadCdr(FieldError("body", reason))
