"""What a mapping would make of a pasted sample. Stores nothing, raises nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import BadCdr, Undecodable
from dispatcher.adapters.cdr_json import dump
from dispatcher.adapters.mapped_body import OWN, Piece, Unreadable, pieces_of
from dispatcher.adapters.mapped_reading import item_of
from dispatcher.adapters.mapping import Plan, plan_of
from dispatcher.normalise.call import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dispatcher.values import Cdr, FieldError, SourceRules

MAX_SAMPLE_CHARS: Final = 100_000
MAX_SHOWN: Final = 5
MAX_NAMES: Final = 300
MAX_VALUE_CHARS: Final = 300
MAX_NAME_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A field of the record that would be made, beside what it was made of."""

    ours: str
    value: str
    theirs: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of one record of the sample: lines, or a reason."""

    number: int
    lines: list[Line] = field(default_factory=list)
    reason: str = ""
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The first records of a sample; `names` are the fields that were met in it."""

    outcomes: list[Outcome] = field(default_factory=list)
    total: int = 0
    reason: str = ""
    names: list[str] = field(default_factory=list)


def preview(
    sample: str, mapping: Mapping[str, Any], rules: SourceRules, *, preset: str = ""
) -> Preview:
    """The mapping is one that was judged; a sample is what was pasted."""
    if len(sample) > MAX_SAMPLE_CHARS:
        return Preview(reason=f"Paste at most {MAX_SAMPLE_CHARS:,} characters.")
    try:
        plan = plan_of(mapping, preset=preset)
        pieces = pieces_of(_bytes(sample, plan), plan or OWN)
    except (BadCdr, Unreadable) as error:
        return Preview(reason=str(error))
    shown = [
        _outcome(number, piece, plan, rules)
        for number, piece in enumerate(pieces[:MAX_SHOWN], start=1)
    ]
    return Preview(shown, len(pieces), names=_names(pieces[0]))


def _bytes(sample: str, plan: Plan | None) -> bytes:
    """As they would have come."""
    encoding = plan.csv.encoding if plan is not None and plan.csv else "utf-8"
    return sample.encode(encoding, "replace")


def _outcome(
    number: int, piece: Piece, plan: Plan | None, rules: SourceRules
) -> Outcome:
    item = item_of(piece, plan, rules.zone)
    if isinstance(item, Undecodable):
        return Outcome(number, reason=item.reason, errors=item.errors)
    return Outcome(number, list(_lines(normalise(item.cdr, rules), piece, plan)))


def _lines(cdr: Cdr, piece: Piece, plan: Plan | None) -> Iterator[Line]:
    theirs = {one.path: one for one in plan.fields} if plan is not None else {}
    for path, value in _flat(json.loads(dump(cdr))):
        rules = theirs[path].rules if path in theirs else ()
        names = dict.fromkeys(name for rule in rules for name in rule.theirs)
        told = [(name, _shown(_get(piece, name))) for name in names]
        yield Line(path, _shown(value), [one for one in told if one[1]])


def _get(piece: Piece, name: str) -> Any:
    return None if piece.record is None else piece.record.get(name)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by path; lists by place."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _flat(one, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for place, one in enumerate(value):
            yield from _flat(one, f"{prefix}.{place}")
    else:
        yield prefix, value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Half a character cannot be sent to a browser.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"


def _names(piece: Piece) -> list[str]:
    """Their fields, as a mapping names them."""
    if piece.record is None:
        return []
    names = _leaves(piece.record.rest(frozenset()), "", MAX_NAME_DEPTH)
    return [name.encode("utf-8", "replace").decode() for name in names][:MAX_NAMES]


def _leaves(value: Any, prefix: str, depth: int) -> list[str]:
    if not isinstance(value, dict) or not value or depth == 0:
        return [prefix] if prefix else []
    return [
        name
        for key, one in value.items()
        for name in _leaves(one, f"{prefix}.{key}" if prefix else key, depth - 1)
    ]
