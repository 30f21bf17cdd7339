"""A source's mapping: which of a PBX's fields gives which of ours, as plain JSON.

    {"records": "data.calls", "unknown": ["NA"], "only": {"event": ["ended"]},
     "csv": {"delimiter": ";", "header": false, "columns": ["id", "begin"]},
     "fields": {"uid": {"from": ["node", "id"], "join": "-"},
                "started_at": {"from": "begin", "as": "unix_ms"},
                "disposition": [{"from": "result", "as": "words",
                                 "words": {"OK": "answered"}, "default": null},
                                {"value": "failed"}]}}

docs/mapping.md tells all of it. It is judged when it is saved, so that reading a record
asks nothing but what the record holds. Refuses whatever it does not know: no key is
passed over, nothing of it is run, and no pattern is made of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_paths import kind_of
from dispatcher.adapters.mapped_record import REQUIRED
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.adapters.mapping_rules import (
    MAX_UNKNOWN,
    NAME_MAX_CHARS,
    Rule,
    check_text,
    check_texts,
    errors_of_rules,
    one_of,
    rules_of,
    shown,
)
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dispatcher.adapters.cdr_paths import Kind

MAX_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 120
MAX_ERRORS: Final = 20
MAX_COLUMNS: Final = 500
MAX_ONLY: Final = 5
MAX_DEPTH: Final = 8
MAX_SKIPPED: Final = 100
BODIES: Final = ("auto", "json", "csv", "form")
ENCODINGS: Final = ("utf-8", "windows-1252", "iso-8859-1")
DELIMITERS: Final = (",", ";", "\t", "|")
QUOTES: Final = ('"', "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvForm:
    """How CSV is written, and what stands before its records.

    `skip_lines`, the header, then `skip_after_header` lines are no records. `columns`
    are names by place, where no header tells them or others are wanted.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    skip_lines: int = 0
    skip_after_header: int = 0
    columns: tuple[str, ...] = ()

    @property
    def head_records(self) -> int:
        """How many records at the start are none of a call."""
        return self.skip_lines + self.header + self.skip_after_header


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One of our fields, and what it is made of: the first that is known."""

    path: str
    kind: Kind
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A mapping that was judged, ready to be used."""

    body: str = "auto"
    records: str = ""
    # None: nothing is said of it.
    csv: CsvForm | None = None
    unknown: frozenset[str] = frozenset()
    only: tuple[tuple[str, frozenset[str]], ...] = ()
    fields: tuple[FieldPlan, ...] = ()
    # Their fields that are asked for.
    theirs: frozenset[str] = field(default=frozenset())


def judge(mapping: object, *, preset: str = "") -> list[FieldError]:
    """What is wrong with a mapping, by dotted paths such as `fields.uid.from`; at most 20.

    `preset` names the one whose parts hold where the mapping has none. An empty mapping
    is right: records are cdrhook's own JSON then, or the preset's.
    """
    if not isinstance(mapping, dict):
        return [FieldError("mapping", "must be an object")]
    try:
        text = _as_json(mapping)
    except BadCdr as bad:
        return [*bad.errors]
    if len(text) > MAX_BYTES:
        return [FieldError("mapping", f"must not be larger than {MAX_BYTES} bytes")]
    return [*islice(_errors(json.loads(text), preset), MAX_ERRORS)]


def merged(mapping: Mapping[str, Any], *, preset: str = "") -> dict[str, Any]:
    """The mapping with the parts that it leaves to a preset, its own or the given one.

    Parts are the keys of the mapping and of its `csv`: `fields` is taken as a whole.
    """
    name = mapping.get("preset") or preset
    base = PRESETS[name].mapping if name in PRESETS else {}
    whole = {**base, **{key: one for key, one in mapping.items() if key != "preset"}}
    if "csv" in base and "csv" in mapping:
        whole["csv"] = {**base["csv"], **mapping["csv"]}
    return whole


def plan_of(mapping: Mapping[str, Any], *, preset: str = "") -> Plan | None:
    """How records are to be read; None where nothing is mapped: cdrhook's own JSON.

    Raises BadCdr, whose fields are the mapping's, for one that `judge` refuses.
    """
    if not mapping and not preset:
        return None
    return _planned(_as_json(mapping), preset)


def _as_json(mapping: object) -> str:
    try:
        return json.dumps(mapping, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise BadCdr(FieldError("mapping", "must be JSON")) from None


@lru_cache(maxsize=256)
def _planned(text: str, preset: str) -> Plan | None:
    mapping = json.loads(text)
    if errors := judge(mapping, preset=preset):
        raise BadCdr(*errors)
    whole = merged(mapping, preset=preset)
    fields = tuple(
        FieldPlan(path=path, kind=kind, rules=rules_of(rules, kind))
        for path, rules in whole.get("fields", {}).items()
        if rules is not None and (kind := kind_of(path)) is not None
    )
    only = {name: frozenset(texts) for name, texts in whole.get("only", {}).items()}
    return Plan(
        body=whole.get("body", "auto"),
        records=whole.get("records", ""),
        csv=_csv_form(whole["csv"]) if "csv" in whole else None,
        unknown=frozenset(whole.get("unknown", ())),
        only=tuple(only.items()),
        fields=fields,
        theirs=frozenset(
            [*only, *(name for one in fields for r in one.rules for name in r.theirs)]
        ),
    )


def _csv_form(csv: Mapping[str, Any]) -> CsvForm:
    return CsvForm(**{**csv, "columns": tuple(csv.get("columns", ()))})


def blank(plan: Plan) -> Plan:
    """The same without fields: to see what records hold before anything is mapped."""
    return replace(plan, fields=(), theirs=frozenset())


# Judging ----------------------------------------------------------------------------


def _errors(mapping: dict[Any, Any], preset: str) -> Iterator[FieldError]:
    yield from _unknown_keys("", mapping, KEYS)
    for key, check in KEYS.items():
        if key in mapping:
            yield from check(key, mapping[key])
    based = mapping.get("preset") or preset
    if mapping and "fields" not in mapping and not based:
        yield FieldError(
            "fields", "required: which of their fields gives which of ours"
        )


def _unknown_keys(
    prefix: str, value: dict[Any, Any], known: Mapping[str, Any]
) -> Iterator[FieldError]:
    for key in value:
        if key not in known:
            yield FieldError(f"{prefix}{shown(key)}", "unknown key")


def _preset(path: str, value: object) -> Iterator[FieldError]:
    if value:
        yield from one_of(path, value, tuple(PRESETS))


def _body(path: str, value: object) -> Iterator[FieldError]:
    yield from one_of(path, value, BODIES)


def _records(path: str, value: object) -> Iterator[FieldError]:
    if value != "":
        yield from check_text(path, value, NAME_MAX_CHARS)
    if isinstance(value, str) and value.count(".") >= MAX_DEPTH:
        yield FieldError(path, f"must not be more than {MAX_DEPTH} names")


def _unknown(path: str, value: object) -> Iterator[FieldError]:
    yield from check_texts(path, value, MAX_UNKNOWN)


def _only(path: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, dict) or len(value) > MAX_ONLY:
        yield FieldError(path, f"must be an object of at most {MAX_ONLY} fields")
        return
    for name, texts in value.items():
        yield from check_text(f"{path}.{shown(name)}", name, NAME_MAX_CHARS)
        yield from check_texts(f"{path}.{shown(name)}", texts, MAX_UNKNOWN)
        if texts == []:
            yield FieldError(f"{path}.{shown(name)}", "must not be empty")


def _columns(path: str, value: object) -> Iterator[FieldError]:
    yield from check_texts(path, value, MAX_COLUMNS)
    if isinstance(value, list):
        named = [one for one in value if isinstance(one, str)]
        for name in sorted({one for one in named if named.count(one) > 1}):
            yield FieldError(path, f"names {shown(name)} twice")


def _flag(path: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, bool):
        yield FieldError(path, "must be true or false")


def _lines(path: str, value: object) -> Iterator[FieldError]:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value <= MAX_SKIPPED:  # type: ignore[operator]  # an int here
        yield FieldError(path, f"must be a whole number of 0 to {MAX_SKIPPED}")


CSV_KEYS: Final[dict[str, Callable[[str, object], Iterator[FieldError]]]] = {
    "encoding": lambda path, value: one_of(path, value, ENCODINGS),
    "delimiter": lambda path, value: one_of(path, value, DELIMITERS),
    "quote": lambda path, value: one_of(path, value, QUOTES),
    "header": _flag,
    "skip_lines": _lines,
    "skip_after_header": _lines,
    "columns": _columns,
}


def _csv(path: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, dict):
        yield FieldError(path, "must be an object")
        return
    yield from _unknown_keys(f"{path}.", value, CSV_KEYS)
    for key, check in CSV_KEYS.items():
        if key in value:
            yield from check(f"{path}.{key}", value[key])


def _fields(path: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, dict) or len(value) > MAX_FIELDS:
        yield FieldError(path, f"must be an object of at most {MAX_FIELDS} fields")
        return
    ours = {ours: rules for ours, rules in value.items() if rules is not None}
    for name in REQUIRED:
        if name not in ours:
            yield FieldError(f"{path}.{name}", "required")
    for name, rules in ours.items():
        yield from errors_of_rules(f"{path}.{shown(name)}", name, rules)
        yield from _above(f"{path}.{shown(name)}", name, ours)


def _above(path: str, name: str, ours: Mapping[str, Any]) -> Iterator[FieldError]:
    """A field below another cannot be given as well; a recording has an id."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        if (above := ".".join(parts[:end])) in ours:
            yield FieldError(
                path, f"{shown(above)} is given as well, which is above it"
            )
    if parts[0] == "recordings" and parts[-1] == "url":
        beside = ".".join([*parts[:-1], "id"])
        if beside not in ours:
            yield FieldError(path, f"needs {shown(beside)} beside it")


KEYS: Final[dict[str, Callable[[str, object], Iterator[FieldError]]]] = {
    "preset": _preset,
    "body": _body,
    "records": _records,
    "csv": _csv,
    "unknown": _unknown,
    "only": _only,
    "fields": _fields,
}
