"""What a condition FIELD:OP:VALUE may say, and the test that it becomes.

One registry of operators, one entry each. Says why a condition cannot be saved; does
not decide which conditions a webhook has.

Decided here, where PAYLOADS.md is silent:

* Text compares exactly, upper and lower case apart; `matches` with `(?i)` does not.
* `matches` finds the pattern anywhere in the text; `^` and `$` hold it to the ends.
* `between` includes both ends. Spaces around the commas of `in` and `between` are
  ignored; a text that has a comma is found by `eq` or `matches`.
* Only numbers and times have an order. Codes and flags are names that look like numbers.
* `recordingIds`, and a tag that is a list: one item for which a condition holds is
  enough, and `ne` asks that no item is equal.
* A tag is text for `eq`, `contains` and their like, and a number for `gt`, `between`
  and theirs; a tag that is no number is then neither more nor less.
* `tags` and `directoryMatches` as a whole can only be asked for by `isset`. A known
  empty list is set.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from dispatcher import cdr_fields
from dispatcher.cdr_fields import CdrField, Kind
from dispatcher.filters import operands
from dispatcher.filters.operands import BadOperandError, Reading
from dispatcher.values import Cdr, FieldError, Filter

if TYPE_CHECKING:
    import re2  # type: ignore[import-untyped]  # google-re2 ships no types

Test = Callable[[Cdr], bool]
OneOperand = Callable[[CdrField, str], Any]


class BadFilterError(ValueError):
    """A condition that cannot be understood; `error` names its part and the reason."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.error = FieldError(part, message)


# Operators ----------------------------------------------------------------------


def _one(read: OneOperand, field: CdrField, text: str) -> Any:
    return read(field, text)


def _several(read: OneOperand, field: CdrField, text: str) -> frozenset[Any]:
    return frozenset(_items(read, field, text))


def _pair(read: OneOperand, field: CdrField, text: str) -> tuple[Any, Any]:
    items = _items(read, field, text)
    if len(items) != 2:
        raise BadOperandError("between takes two values with a comma between them")
    if items[0] > items[1]:
        raise BadOperandError("the first value is above the second: nothing is between")
    return items[0], items[1]


def _items(read: OneOperand, field: CdrField, text: str) -> list[Any]:
    items = [item.strip() for item in text.split(",")]
    if "" in items:
        raise BadOperandError("a value is missing before or after a comma")
    return [read(field, item) for item in items]


def _pattern(_read: OneOperand, field: CdrField, text: str) -> re2._Regexp:
    return operands.as_pattern(field, text)


def _known(_read: OneOperand, field: CdrField, text: str) -> int:
    return operands.as_flag(field, text)


def _found(text: str, pattern: re2._Regexp) -> bool:
    # Bytes spare RE2's binding its count of characters, and half a surrogate pair,
    # which UTF-8 cannot carry, must not raise here.
    return pattern.search(text.encode("utf-8", "replace")) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One OP: the kinds of field that it fits, its operand, its test.

    `holds(value, operand)` is asked for known values only; for an unknown one
    `when_unknown(operand)` is the answer. `over` says of several values how many must.
    """

    kinds: frozenset[Kind]
    holds: Callable[[Any, Any], bool]
    operand: Callable[[OneOperand, CdrField, str], Any] = _one
    over: Callable[[Iterable[bool]], bool] | None = any
    when_unknown: Callable[[Any], bool] = lambda _operand: False
    ordered: bool = False


_ANY: Final[frozenset[Kind]] = frozenset(get_args(Kind))
_TEXT: Final[frozenset[Kind]] = frozenset({"text", "texts", "tag"})
_ORDER: Final[frozenset[Kind]] = frozenset({"number", "time", "tag"})
_EQUAL: Final = _ANY - {"tags", "contacts"}

OPERATORS: Final = MappingProxyType(
    {
        "eq": Operator(kinds=_EQUAL, holds=operator.eq),
        "ne": Operator(
            kinds=_EQUAL, holds=operator.ne, over=all, when_unknown=lambda _: True
        ),
        "in": Operator(
            kinds=_EQUAL, holds=lambda value, items: value in items, operand=_several
        ),
        "contains": Operator(kinds=_TEXT, holds=operator.contains),
        "startswith": Operator(kinds=_TEXT, holds=str.startswith),
        "endswith": Operator(kinds=_TEXT, holds=str.endswith),
        "matches": Operator(kinds=_TEXT, holds=_found, operand=_pattern),
        "gt": Operator(kinds=_ORDER, holds=operator.gt, ordered=True),
        "gte": Operator(kinds=_ORDER, holds=operator.ge, ordered=True),
        "lt": Operator(kinds=_ORDER, holds=operator.lt, ordered=True),
        "lte": Operator(kinds=_ORDER, holds=operator.le, ordered=True),
        "between": Operator(
            kinds=_ORDER,
            holds=lambda value, ends: ends[0] <= value <= ends[1],
            operand=_pair,
            ordered=True,
        ),
        "isset": Operator(
            kinds=_ANY,
            holds=lambda _, known: bool(known),
            operand=_known,
            over=None,
            when_unknown=lambda known: not known,
        ),
    }
)


# Conditions ---------------------------------------------------------------------


def parse(text: str) -> Filter:
    """The condition written as `FIELD:OP:VALUE`, split at the first two colons.

    Raises BadFilterError where there are fewer; what the three parts say is for
    `refusal` to judge.
    """
    parts = text.split(":", 2)
    if len(parts) != 3:
        raise BadFilterError("filter", f'"{text}" is not written FIELD:OP:VALUE')
    return Filter(*parts)


def refusal(condition: Filter) -> FieldError | None:
    """Why the condition cannot be saved, None if it can.

    The error's field is the part at fault: `field`, `op` or `value`.
    """
    try:
        compiled(condition)
    except BadFilterError as error:
        return error.error
    return None


def operators_for(name: str) -> tuple[str, ...]:
    """The operators that fit the field of that name; empty where there is none."""
    field = cdr_fields.field_named(name)
    if field is None:
        return ()
    return tuple(op for op, entry in OPERATORS.items() if field.kind in entry.kinds)


def compiled(condition: Filter) -> Test:
    """The condition as a test of a CDR; BadFilterError if it cannot be understood."""
    field = _field(condition.field)
    entry = _operator(condition.op, field)
    reading = _reading(field, entry)
    try:
        operand = entry.operand(reading.operand, field, condition.value)
    except BadOperandError as error:
        raise BadFilterError("value", str(error)) from None
    return _test(field, entry, reading, operand)


def _field(name: str) -> CdrField:
    field = cdr_fields.field_named(name)
    if field is None:
        raise BadFilterError("field", f'no field "{name}"{_suggestion(name)}')
    return field


def _suggestion(name: str) -> str:
    by_lower_case = {known.lower(): known for known in cdr_fields.FIELDS}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f', did you mean "{by_lower_case[near[0]]}"?' if near else ""


def _operator(name: str, field: CdrField) -> Operator:
    entry = OPERATORS.get(name)
    if entry is None:
        raise BadFilterError("op", f'no operator "{name}"; {_fitting(field)}')
    if field.kind not in entry.kinds:
        raise BadFilterError("op", f'"{name}" does not fit; {_fitting(field)}')
    return entry


def _fitting(field: CdrField) -> str:
    return f"{field.name} takes {', '.join(operators_for(field.name))}"


def _reading(field: CdrField, entry: Operator) -> Reading:
    if field.kind == "tag" and entry.ordered:
        return operands.NUMERIC_TAG
    return operands.READINGS.get(field.kind, operands.READINGS["text"])


def _test(field: CdrField, entry: Operator, reading: Reading, operand: Any) -> Test:
    read, unknown = field.read, entry.when_unknown(operand)
    holds = _holds(entry, reading)

    def test(cdr: Cdr) -> bool:
        value = read(cdr)
        return unknown if value is None else holds(value, operand)

    return test


def _holds(entry: Operator, reading: Reading) -> Callable[[Any, Any], bool]:
    """The operator's test, with the value made comparable first."""
    holds, over, comparable = entry.holds, entry.over, reading.comparable
    if over is None:
        return holds
    if reading.many:
        items = comparable or tuple
        return lambda value, operand: over(
            [holds(item, operand) for item in items(value)]
        )
    if comparable is not None:
        return lambda value, operand: holds(comparable(value), operand)
    return holds
