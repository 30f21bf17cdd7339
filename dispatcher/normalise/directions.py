"""Which way a call went: by the rules of its source, else by the shape of its numbers.

A rule is a condition as webhooks' filters have it (`dispatcher.filters`), and the
direction that it means. Reads and judges rules; stores none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from dispatcher.filters import conditions, match
from dispatcher.normalise.numbers import is_emergency, is_long, is_short
from dispatcher.values import Direction, DirectionRule, FieldError, Filter

if TYPE_CHECKING:
    from dispatcher.values import Cdr, SourceRules

MAX_RULES: Final = 100
MAX_VALUE_CHARS: Final = 1000
DIRECTIONS: Final[tuple[str, ...]] = get_args(Direction)
_KEYS: Final = frozenset({"field", "op", "value", "direction"})


def rules_refusals(rules: object) -> list[FieldError]:
    """What is wrong with a source's rules; empty: nothing.

    `rules` is what JSON holds: a list of {"field", "op", "value", "direction"}. Errors
    name the rule by its place (from 1) and the part at fault: `directions.1.op`.
    """
    if not isinstance(rules, list):
        return [FieldError("directions", "must be a list of rules")]
    if len(rules) > MAX_RULES:
        return [FieldError("directions", f"must not be more than {MAX_RULES} rules")]
    return [
        FieldError(
            f"directions.{place}{error.field and '.'}{error.field}", error.message
        )
        for place, rule in enumerate(rules, 1)
        for error in _refusals(rule)
    ]


def rules_of(stored: object) -> tuple[DirectionRule, ...]:
    """The rules that are stored, without those that cannot be read at all.

    One that is read but means nothing (a field that is no more) holds for no call.
    """
    rules = stored if isinstance(stored, list) else []
    return tuple(_read(rule) for rule in rules if not _shape_refusals(rule))


def by_rule(cdr: Cdr, rules: SourceRules) -> Direction | None:
    """What the first rule says whose condition holds; None: none does."""
    for rule in rules.directions:
        if match.matches(cdr, (rule.condition,)):
            return rule.direction
    return None


def by_shape(
    caller: str | None, dialed: str | None, region: str, *, is_withheld: bool = False
) -> Direction | None:
    """What the numbers look like; None: that does not tell.

    Short are extensions and feature codes; who withholds a number (`is_withheld`)
    calls from outside. Two numbers of the public network are told by rules only: it
    may be a call to a DID, or one that leaves with a DID as its CLI.
    """
    if dialed is None:
        return None
    if caller is not None and is_short(caller):
        if is_long(dialed) or is_emergency(dialed, region):
            return "outbound"
        return "internal" if is_short(dialed) else None
    is_outside = is_withheld or (caller is not None and is_long(caller))
    # 112 may be an extension, or a call for help that leaves with a DID as its CLI.
    is_inside = is_short(dialed) and not is_emergency(dialed, region)
    return "inbound" if is_outside and is_inside else None


def _read(rule: Mapping[str, Any]) -> DirectionRule:
    condition = Filter(rule["field"], rule["op"], rule["value"])
    return DirectionRule(condition=condition, direction=rule["direction"])


def _refusals(rule: object) -> list[FieldError]:
    wrong = _shape_refusals(rule)
    if wrong or not isinstance(rule, Mapping):
        return wrong
    refusal = conditions.refusal(_read(rule).condition)
    return [refusal] if refusal else []


def _shape_refusals(rule: object) -> list[FieldError]:
    if not isinstance(rule, Mapping) or rule.keys() != _KEYS:
        keys = "field, op, value and direction"
        return [FieldError("", f"must be an object with exactly {keys}")]
    wrong = [
        FieldError(key, f"must be text of at most {MAX_VALUE_CHARS} characters")
        for key in sorted(_KEYS)
        if not isinstance(rule[key], str) or len(rule[key]) > MAX_VALUE_CHARS
    ]
    if not wrong and rule["direction"] not in DIRECTIONS:
        wrong = [FieldError("direction", f"must be one of {', '.join(DIRECTIONS)}")]
    return wrong
