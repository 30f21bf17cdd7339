"""The limits on a CDR's values: what of `dispatcher.values.Cdr` is accepted as JSON.

`Cdr` is plain dataclasses, so pydantic derives the shape from it and this module puts
the limits on the leaves of that shape: one walk at import, one validator afterwards.
Refuses coercion ("5" is no duration, 1 is no flag), and to reword errors
(adapters.cdr_json does that). Every message raised here is fit to be shown.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
import zoneinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError, SchemaValidator, core_schema

from dispatcher.adapters.base import UID_CHARS, UID_MAX_CHARS
from dispatcher.values import Cdr

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_MAX_CHARS: Final = 500
ID_MAX_CHARS: Final = 200
URL_MAX_CHARS: Final = 2000
LIST_MAX_ITEMS: Final = 100
LIST_LENGTHS: Final = {"phones": 4, "fields": 10}
DURATION_LIMIT_S: Final = 2**31
CAUSE_CODE_LIMIT: Final = 2**16
ID_LIMIT: Final = 2**63
COST_MAX_DIGITS: Final = 12
# A double holds 15 decimal digits exactly; beyond, what was sent is no longer known.
COST_MAX_NUMBER_DIGITS: Final = 15
FREE_MAX_DEPTH: Final = 16
# One day inside datetime's range, so that any offset can be applied to it.
YEARS: Final = range(1970, 9999)

_UID: Final = f"^{UID_CHARS}{{1,{UID_MAX_CHARS}}}$"
_NO_NUL: Final = r"^[^\x00]*$"
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"
    r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_COST: Final = re.compile(
    rf"[0-9]{{1,{COST_MAX_DIGITS}}}(\.[0-9]{{1,{COST_MAX_DIGITS}}})?"
)
_FREE: Final = frozenset({"tags", "extra"})
_ID_SUFFIX: Final = re.compile(r"(^|_)id$")


def _refused(message: str) -> PydanticCustomError:
    # Braces would be taken for placeholders; none of our messages has any.
    return PydanticCustomError("cdr", message)


def _moment(value: object) -> dt.datetime:
    """ISO 8601 with an offset; numbers and local times are refused."""
    if isinstance(value, str) and _MOMENT.fullmatch(text := value.upper()):
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            raise _refused("must be a date and time that exist") from None
        if moment.year in YEARS:
            return moment
        raise _refused(f"must be in the years {YEARS[0]} to {YEARS[-1]}")
    raise _refused("must be an ISO 8601 time with offset, e.g. 2026-11-23T00:15:23Z")


def _cost(value: object) -> Decimal:
    """An exact amount, as text or as a JSON number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refused("must be a number, or text such as 0.0350")
    text = value if isinstance(value, str) else _plain(value)
    if not _COST.fullmatch(text):
        raise _refused(
            "must be 0 or more, with at most"
            f" {COST_MAX_DIGITS} digits before and after the point"
        )
    return Decimal(text)


def _plain(number: float) -> str:
    """A JSON number without exponent; empty if it is none or not known exactly."""
    if isinstance(number, int):
        return str(number) if abs(number) < 10**COST_MAX_DIGITS else ""
    if not math.isfinite(number):
        return ""
    exact = Decimal(repr(number))
    if len(exact.as_tuple().digits) > COST_MAX_NUMBER_DIGITS:
        raise _refused("has too many digits for a JSON number: send it as text")
    return f"{exact:f}"


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


def _time_zone(value: object) -> str:
    if isinstance(value, str) and value in _time_zones():
        return value
    raise _refused("must be a time zone's IANA name, e.g. Europe/London")


def _number_or_text(value: object) -> int | str:
    """The ids of a dialer: a whole number or a text."""
    if isinstance(value, str) and len(value) <= ID_MAX_CHARS and _storable(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if -ID_LIMIT <= value < ID_LIMIT:
            return value
        raise _refused("must be a 64-bit number")
    raise _refused(
        f"must be a whole number, or text of at most {ID_MAX_CHARS}"
        " characters without NUL"
    )


def _storable(text: str) -> bool:
    """Whether a database can keep the text: no NUL, no lone surrogate."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _free(value: dict[str, Any]) -> dict[str, Any]:
    """Whatever the sender likes, as long as it is JSON that can be stored."""
    level: list[object] = [value]
    for _ in range(FREE_MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return value
    raise _refused(f"must not be nested deeper than {FREE_MAX_DEPTH}")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return [*node, *node.values()]
    if isinstance(node, list):
        return node
    _check_scalar(node)
    return []


def _check_scalar(node: object) -> None:
    if isinstance(node, str):
        if not _storable(node):
            raise _refused("must not hold NUL (U+0000) or half a character")
    elif isinstance(node, float):
        if not math.isfinite(node):
            raise _refused("must hold finite numbers only")
    elif isinstance(node, int):
        if not -ID_LIMIT <= node < ID_LIMIT:
            raise _refused("must hold 64-bit whole numbers only")
    elif node is not None:
        raise _refused("must be JSON")


def _text(field: str) -> Any:
    if field == "uid":
        return core_schema.str_schema(strict=True, pattern=_UID)
    if field == "url":
        limit = URL_MAX_CHARS
    else:
        limit = ID_MAX_CHARS if _ID_SUFFIX.search(field) else TEXT_MAX_CHARS
    return core_schema.str_schema(strict=True, max_length=limit, pattern=_NO_NUL)


def _whole(field: str) -> Any:
    limit = CAUSE_CODE_LIMIT if field == "hangup_cause_code" else DURATION_LIMIT_S
    return core_schema.int_schema(strict=True, ge=0, lt=limit)


def _by_function(function: Callable[[Any], Any]) -> Any:
    return core_schema.no_info_plain_validator_function(function)


def _limited_leaf(node: dict[str, Any], field: str) -> Any:
    """The limited form of one leaf of the shape; None: not a leaf that has limits."""
    match node.get("type"):
        case "str":
            return _by_function(_time_zone) if field == "time_zone" else _text(field)
        case "int":
            return _whole(field)
        case "bool":
            return core_schema.bool_schema(strict=True)
        case "datetime":
            return _by_function(_moment)
        case "decimal":
            return _by_function(_cost)
        case "union":
            return _by_function(_number_or_text)
        case "dict" if field in _FREE:
            return core_schema.no_info_after_validator_function(
                _free, core_schema.dict_schema(core_schema.str_schema(strict=True))
            )
    return None


def _bounded_list(node: dict[str, Any], field: str) -> dict[str, Any]:
    if node.get("type") == "tuple":
        return {**node, "max_length": LIST_LENGTHS.get(field, LIST_MAX_ITEMS)}
    return node


def _limited(node: Any, field: str = "") -> Any:
    """What pydantic derived, with its leaves and lists exchanged for limited ones."""
    if isinstance(node, list):
        return [_limited(item, field) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "dataclass-field":
        field = node["name"]
    leaf = _limited_leaf(node, field)
    if leaf is not None:
        return leaf
    limited = {key: _limited(value, field) for key, value in node.items()}
    return _bounded_list(limited, field)


_derived: Final = TypeAdapter(Cdr)
validator: Final = SchemaValidator(_limited(_derived.core_schema))
# Reads what adapters.cdr_text wrote: no limits, so a limit can be lowered later.
load: Final[Callable[[str], Cdr]] = _derived.validate_json
