"""Bytes as people read them: bodies that were sent, answered or not understood.

Returns plain text that templates escape; it never raises over what a sender or a
receiver wrote. Shortens, and says so.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import parse_qsl

SHOWN_TEXT: Final = 64 * 1024
SHOWN_HEX: Final = 4 * 1024
LAID_OUT: Final = 512 * 1024
_ROW: Final = 16
_STRUCTURE: Final = frozenset("{}[],:")
_PIECES: Final = re.compile(
    r""""(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}\[\],:]|[^\s{}\[\],:"]+"""
)


def text(body: bytes, limit: int = SHOWN_TEXT) -> str:
    """UTF-8 where it is; other bytes, and control characters, as `\\x1b`."""
    shown = body[:limit].decode("utf-8", "backslashreplace")
    readable = "".join(
        char if char.isprintable() or char in "\n\t" else _escaped(char)
        for char in shown.replace("\r\n", "\n")
    )
    return readable + _rest(len(body), limit)


def _escaped(char: str) -> str:
    """A control character, or one that turns the direction of the text, by number."""
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _rest(length: int, limit: int) -> str:
    return f"\n… {length - limit:,} more bytes" if length > limit else ""


def is_text(body: bytes) -> bool:
    """True for UTF-8 without control characters but line ends and tabs."""
    try:
        decoded = body.decode()
    except UnicodeDecodeError:
        return False
    return all(char >= " " or char in "\r\n\t" for char in decoded)


def hex_view(body: bytes, limit: int = SHOWN_HEX) -> str:
    """Offset, 16 bytes in hex, and as ASCII, a line for each 16 bytes."""
    shown = body[:limit]
    lines = [
        _hex_line(start, shown[start : start + _ROW])
        for start in range(0, len(shown), _ROW)
    ]
    return "\n".join(lines) + _rest(len(body), limit)


def _hex_line(start: int, row: bytes) -> str:
    ascii_text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{start:08x}  {row.hex(' '):<{_ROW * 3}} {ascii_text}"


def json_text(document: str) -> str:
    """JSON indented, with numbers digit for digit; as it is if it is no JSON."""
    try:
        json.loads(document)
        written = _indented(document)
    except (ValueError, RecursionError):
        written = document
    return text(written.encode("utf-8", "replace"))


def _indented(document: str) -> str:
    """Valid JSON with a line for each value; `json` would rewrite the numbers."""
    depth, parts = 0, []
    for piece in _PIECES.findall(document):
        if piece not in _STRUCTURE:
            parts.append(_decoded(piece))
            continue
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(piece, 0)
        parts.append(_laid_out(piece, "\n" + "  " * depth))
    return "".join(parts)


def _laid_out(piece: str, line: str) -> str:
    if piece == ":":
        return ": "
    return line + piece if piece in "}]" else piece + line


def _decoded(piece: str) -> str:
    """A text without its `\\u00e9`; anything else as it stands."""
    if not piece.startswith('"'):
        return "".join(piece.split())
    return json.dumps(json.loads(piece), ensure_ascii=False)


def form_text(body: bytes) -> str:
    """Form data, decoded, a `name = value` line for each pair."""
    pairs = parse_qsl(body.decode("utf-8", "backslashreplace"), keep_blank_values=True)
    lines = "\n".join(f"{name} = {value}" for name, value in pairs)
    return text(lines.encode("utf-8", "replace"))


def payload_text(content_type: str, body: bytes) -> str:
    """A payload that was sent, laid out by its kind; GET (no type) is form data.

    A body over LAID_OUT bytes is shown as it is: laying it out would take too long.
    """
    if len(body) > LAID_OUT:
        return text(body)
    if content_type.startswith("application/json"):
        return json_text(body.decode("utf-8", "backslashreplace"))
    return form_text(body)
