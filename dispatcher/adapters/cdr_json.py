"""The JSON of `POST /api/v1/cdrs` (PAYLOADS.md): strictly in, canonically out.

`parse` and `parse_many` are for what others send, `dump` and `load` for what we store.
Where an object has a key twice, the last one counts. Refuses to coerce, to judge how
values fit together (PBX clocks jump: an end before the start is accepted), and to
enforce a request's size in bytes (the caller's).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pydantic_core import ValidationError, from_json, to_json

from dispatcher.adapters import cdr_schema, cdr_text
from dispatcher.adapters.base import BadCdr
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatcher.values import Cdr

MAX_RECORD_BYTES: Final = 256 * 1024
MAX_ERRORS: Final = 20
_MAX_PATH_CHARS: Final = 200
_WHOLE: Final = "cdr"

_MESSAGES: Final = {
    "unexpected_keyword_argument": "unknown field",
    "missing": "required",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "string_unicode": "must not hold half a character (a lone surrogate)",
    "string_pattern_mismatch": "must not contain NUL (U+0000)",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "none_required": "must be null",
}


class MalformedJson(BadCdr):
    """The bytes are no JSON at all: invalid, NaN, not UTF-8, cut off, too deep."""


class TooMany(BadCdr):
    """The list holds more records than the caller allows."""


def parse(raw: object) -> Cdr:
    """Check one record: the JSON's bytes, or what they were decoded to.

    Raises BadCdr with every field at fault (at most 20), as dotted paths such as
    `recordings.0.id`; MalformedJson if bytes are no JSON.
    """
    if isinstance(raw, bytes):
        raw = _decoded(raw)
    if not isinstance(raw, dict):
        raise BadCdr(FieldError(_WHOLE, "must be an object"))
    # First, so that the number of errors is bounded too.
    if _size_bytes(raw) > MAX_RECORD_BYTES:
        raise BadCdr(
            FieldError(_WHOLE, f"must not be larger than {MAX_RECORD_BYTES} bytes")
        )
    try:
        cdr: Cdr = cdr_schema.validator.validate_python(raw)
    except ValidationError as error:
        raise _bad(error) from None
    return cdr


def parse_many(body: bytes, *, limit: int) -> list[Cdr | BadCdr]:
    """Check a request's body: one record, or `{"cdrs": [...]}` of 1 to `limit`.

    Returns a record or its error for each index. Raises MalformedJson, TooMany, or
    BadCdr where the body as a whole is at fault.
    """
    document = _decoded(body)
    if not isinstance(document, dict):
        raise BadCdr(
            FieldError("body", 'must be one record, or {"cdrs": [...]} with records')
        )
    return [_parsed(raw) for raw in _records(document, limit)]


def dump(cdr: Cdr) -> str:
    """The record as canonical JSON: compact, in a fixed order, unknown values left out.

    The same content gives the same text; `load` is the exact inverse for what `parse`
    lets through. Offsets of times and trailing zeros of a cost are content.
    """
    return cdr_text.text_of(cdr)


def load(text: str) -> Cdr:
    """Read back what `dump` wrote. For trusted text only: limits are not checked."""
    return cdr_schema.load(text)


def content_hash(text: str) -> str:
    """SHA-256 of canonical JSON, 64 hex digits: equal for equal content."""
    return hashlib.sha256(text.encode()).hexdigest()


def _decoded(body: bytes) -> Any:
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if "hex escape" in str(error):
            return _decoded_leniently(body)
        raise _malformed(error) from None


def _decoded_leniently(body: bytes) -> Any:
    """Read JSON that escapes half a character, so that only its record is refused."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(error) from None


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _malformed(error: Exception) -> MalformedJson:
    return MalformedJson(FieldError("body", f"not valid JSON: {error}"))


def _records(document: dict[str, Any], limit: int) -> list[Any]:
    if "cdrs" not in document:
        return [document]
    unknown = [FieldError(_short(key), "unknown field") for key in document]
    if len(unknown) > 1:
        raise BadCdr(*[e for e in unknown if e.field != "cdrs"][:MAX_ERRORS])
    records = document["cdrs"]
    if not isinstance(records, list) or not records:
        raise BadCdr(FieldError("cdrs", f"must be a list of 1 to {limit} records"))
    if len(records) > limit:
        raise TooMany(
            FieldError("cdrs", f"must not hold more than {limit} records at a time")
        )
    return records


def _parsed(raw: object) -> Cdr | BadCdr:
    try:
        return parse(raw)
    except BadCdr as bad:
        return bad


def _size_bytes(raw: dict[str, Any]) -> int:
    """Size as compact JSON; 0 for what no JSON can hold: its field is refused."""
    try:
        return len(to_json(raw))
    except ValueError:
        return 0


def _bad(error: ValidationError) -> BadCdr:
    details = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return BadCdr(*[FieldError(_path(d["loc"]), _message(d)) for d in details])


def _path(location: tuple[int | str, ...]) -> str:
    return _short(".".join(str(part) for part in location if part != "[key]"))


def _short(path: str) -> str:
    # A key may be anything; an error must be printable wherever it is shown.
    printable = path.encode("utf-8", "replace").decode()
    return printable[:_MAX_PATH_CHARS] or _WHOLE


def _message(detail: Mapping[str, Any]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_pattern_mismatch" and detail["loc"] == ("uid",):
        return "must be 1 to 200 characters of A-Z a-z 0-9 . _ : @ + -"
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind in {"less_than", "greater_than_equal"}:
        return (
            "must be 0 or more" if "ge" in context else f"must be below {context['lt']}"
        )
    if kind == "string_too_long":
        return f"must not be longer than {context['max_length']} characters"
    if kind == "too_long":
        return f"must not hold more than {context['max_length']} items"
    return _MESSAGES.get(kind) or str(detail["msg"])
