"""JSON and form data, exact to the digit. Knows nothing of CDRs or styles.

Constraints, and what follows from them:

1. Numbers are exact: 0.0350 is sent as 0.035, never as 0.03500000000000001 or 3.5E-2.
   `json` can only write a Decimal by way of a float, therefore JSON is written here.
2. Form data must be understood by every parser (PHP, Rails, qs, `parse_qsl`), all of
   which decode a name before they look for brackets; a bare bracket is not allowed in
   a URL's query. Therefore names are percent-encoded like values: `cdr%5BcliNum%5D=`;
   a space is sent as `+`.
3. Form data has no empty list or object: they are left out, as nulls are.
4. A call must not be lost over one bad character. Therefore half a surrogate pair,
   which UTF-8 cannot carry, is sent as `?`, and NaN and infinities as null.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from json import encoder
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote_plus
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

_Text = TypeVar("_Text", str, str | None)

# Beyond this, digits are only zeros: 1E+999999999 would fill the memory.
_MOST_ZEROS: Final = 64


def json_bytes(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON, keys in the order given.

    Takes dict, list, tuple, str, int, bool, float, Decimal, datetime, UUID and None;
    raises TypeError for anything else.
    """
    return _json(value).encode("utf-8", "replace")


def form_bytes(payload: Mapping[str, Any]) -> bytes:
    """`payload` as form data: bracket notation, booleans 1/0, nulls left out.

    Takes what `json_bytes` takes. A bracket inside a key cannot be told from
    the notation's own and is sent as it is.
    """
    pairs: list[str] = []
    for key, value in payload.items():
        _add_form_pairs(pairs, _quoted_key(key), value)
    return "&".join(pairs).encode("ascii")


def number_text(number: Decimal) -> str | None:
    """`number` without exponent and trailing zeros; None if it is not finite.

    >>> number_text(Decimal("0.0350")), number_text(Decimal("1E+3"))
    ('0.035', '1000')
    """
    if not number.is_finite():
        return None
    if abs(number.adjusted()) > _MOST_ZEROS:
        return str(number) if number else "0"
    text = format(number, "f")  # normalize() would round to the context's 28 digits
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# JSON ---------------------------------------------------------------------------

# The C function behind json.dumps(ensure_ascii=False), a tenth of its cost.
_json_string: Final[Callable[[str], str]] = encoder.encode_basestring


def _json(value: Any) -> str:
    return (_JSON.get(type(value)) or _for_subclass(_JSON, type(value)))(value)


def _json_object(value: Mapping[str, Any]) -> str:
    parts = [f"{_json_key(key)}{_json(entry)}" for key, entry in value.items()]
    return "{" + ",".join(parts) + "}"


def _json_array(value: Sequence[Any]) -> str:
    return "[" + ",".join([_json(entry) for entry in value]) + "]"


@lru_cache(maxsize=1024)
def _json_key(key: str) -> str:
    return _json_string(key) + ":"


def _json_decimal(value: Decimal) -> str:
    return number_text(value) or "null"


_JSON: Final[dict[type, Callable[[Any], str]]] = {
    str: _json_string,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _value: "null",
    Decimal: _json_decimal,
    float: lambda value: _json_decimal(Decimal(repr(value))),
    dt.datetime: lambda value: f'"{value.isoformat()}"',
    UUID: lambda value: f'"{value}"',
    dict: _json_object,
    list: _json_array,
    tuple: _json_array,
}


def _for_subclass(
    table: Mapping[type, Callable[[Any], _Text]], kind: type
) -> Callable[[Any], _Text]:
    for base in kind.__mro__:
        if base in table:
            return table[base]
    raise TypeError(f"a payload cannot carry {kind.__name__}")


# Form data ----------------------------------------------------------------------


def _add_form_pairs(pairs: list[str], name: str, value: Any) -> None:
    """Append the `name=value` pairs of `value`; `name` is percent-encoded already."""
    if isinstance(value, dict):
        for key, entry in value.items():
            _add_form_pairs(pairs, f"{name}%5B{_quoted_key(key)}%5D", entry)
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            _add_form_pairs(pairs, f"{name}%5B{index}%5D", entry)
    else:
        write = _FORM.get(type(value)) or _for_subclass(_FORM, type(value))
        text = write(value)
        if text is not None:
            pairs.append(f"{name}={text}")


# quote_plus for one character at a time, several times faster over a whole text.
_ASCII_QUOTED: Final = {code: quote_plus(chr(code)) for code in range(128)}


def _quoted(text: str) -> str:
    if text.isascii():
        return text.translate(_ASCII_QUOTED)
    return quote_plus(text, errors="replace")


_quoted_key = lru_cache(maxsize=1024)(_quoted)


_FORM: Final[dict[type, Callable[[Any], str | None]]] = {
    str: _quoted,
    int: int.__repr__,
    bool: lambda value: "1" if value else "0",
    type(None): lambda _value: None,
    Decimal: number_text,
    float: lambda value: number_text(Decimal(repr(value))),
    dt.datetime: lambda value: _quoted(value.isoformat()),
    UUID: str,
}
